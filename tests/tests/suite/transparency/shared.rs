//! One value that feeds layers of several stages.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Layer, PipelineConfig, Rematerialization, Sequential};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::models::{Toy, mean_square};
use burn_pipeline_tests::pipelined::{first_step, partitions};
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

/// Its gradient is a sum over all its uses. A cut between two of them regroups that sum, which
/// rounds differently: partitions agree to rounding here, and rematerializations still to the last
/// bit.
#[rstest]
fn a_value_that_feeds_every_layer_gets_the_sum_of_its_gradients(
    #[values(1, 3)] num_micro_batches: usize,
    #[values(Rematerialization::ExceptLast, Rematerialization::Always)]
    rematerialization: Rematerialization,
) {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let model = Shared::model(&tracked);
    let unsplit = whole::<Shared>(&model, Shared::batch(7, &tracked));

    let keeps_all = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_rematerialization(Rematerialization::Never);
    let recomputes = keeps_all.clone().with_rematerialization(rematerialization);
    let one_stage = first_step::<Shared>(&keeps_all, &[model.num_layers()], 7, &device);
    one_stage.assert_close(&unsplit, 1e-5);
    for counts in partitions(model.num_layers()) {
        println!("counts {counts:?}");
        let step = first_step::<Shared>(&keeps_all, &counts, 7, &device);
        step.assert_close(&one_stage, 1e-6);
        first_step::<Shared>(&recomputes, &counts, 7, &device).assert_same(&step);
    }
}

/// What goes on, and what every layer reads.
type WithCondition = (Tensor<2>, Tensor<2>);

#[derive(Module, Debug)]
struct Condition {
    linear: Linear,
}

impl Layer for Condition {
    type Input = Tensor<2>;
    type Output = WithCondition;

    fn forward(&self, input: Tensor<2>) -> WithCondition {
        (input.clone(), self.linear.forward(input))
    }
}

#[derive(Module, Debug)]
struct Conditioned {
    linear: Linear,
}

impl Layer for Conditioned {
    type Input = WithCondition;
    type Output = WithCondition;

    fn forward(&self, (hidden, condition): WithCondition) -> WithCondition {
        let hidden = self.linear.forward(hidden * condition.clone()).tanh();
        (hidden + condition.clone(), condition)
    }
}

#[derive(Module, Sequential, Debug)]
struct Shared {
    condition: Condition,
    layers: Vec<Conditioned>,
}

impl Toy for Shared {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let linear = || LinearConfig::new(4, 4).init(device);
        filled(Self {
            condition: Condition { linear: linear() },
            layers: (0..4).map(|_| Conditioned { linear: linear() }).collect(),
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 4], 1, device),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss((hidden, condition): WithCondition, target: Tensor<2>) -> Tensor<1> {
        mean_square(hidden * condition, target)
    }
}
