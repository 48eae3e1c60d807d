//! A device with too little memory.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, PipelineConfig, PipelineError, Placement};

use rstest::rstest;

use super::lists::{devices, lists};

/// How many tensors of 4 GiB there are at once: 400 GiB.
const NUM_TENSORS: usize = 100;

/// Needs more memory than any device has.
#[derive(Module, Debug)]
struct Hungry {
    linear: Linear,
    num_numbers: usize,
}

impl Layer for Hungry {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let input = self.linear.forward(input);
        match self.num_numbers {
            0 => input,
            num_numbers => {
                let one = || Tensor::<1>::ones([num_numbers], &input.device());
                let all: Vec<_> = (0..NUM_TENSORS).map(|_| one()).collect();
                let sums = all.iter().map(|large| large.clone().sum());
                let sum = sums.reduce(|one, other| one + other).unwrap();
                input * sum.unsqueeze()
            }
        }
    }
}

#[rstest]
fn a_device_that_is_full_is_named_with_what_helps(#[values(false, true)] trains: bool) {
    for list in lists() {
        let device = devices(&list, 1).remove(0);
        if device == Device::flex() {
            // The CPU's memory is the process's: there is no error to come back from.
            continue;
        }
        println!("on {list}");
        let layer = |num_numbers| Hungry {
            linear: LinearConfig::new(2, 2).init(&Device::flex()),
            num_numbers,
        };
        let model = vec![layer(0), layer(1 << 30)];
        let pipeline = PipelineConfig::new()
            .init(model, Placement::even(&[Device::flex(), device]))
            .unwrap();
        let input = Tensor::<2>::ones([4, 2], &Device::flex());
        let error = match trains {
            false => pipeline.forward(input).err(),
            true => pipeline
                .train_step(input, (), |output, ()| output.mean())
                .err(),
        };
        let error = error.unwrap();
        let PipelineError::Stage(stage) = error else {
            panic!("not the failure of a stage: {error}");
        };
        assert_eq!(stage.stage, 1);
        let name = list.split(',').next().unwrap();
        assert_eq!(stage.device, name);
        let told = "the device has too little memory for this stage: use more micro-batches";
        assert!(stage.message.contains(told), "{}", stage.message);
    }
}
