//! Values that travel straight from the layer that made them to a far one.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Layer, Lift, PipelineConfig, Placement, Rematerialization, Sequential, Skip, lift,
};
use burn_pipeline_tests::compare::{Step, assert_close, values};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Skips, Toy, mean_square};
use burn_pipeline_tests::pipelined::{first_step, partitions, pipeline};
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

type Sent = Skips<Tensor<2>>;
type Skipped = Skips<Skip<Tensor<2>>>;

/// `[n, 4]` floats.
const BYTES: u64 = 4 * 4;

/// Sent through the stages, a value moves at every cut; skipped, once.
#[rstest]
fn a_skip_moves_once_there_and_once_back(
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let config = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_rematerialization(rematerialization);
    let device = Device::flex();
    let num_samples = 6;
    let bytes = |moved: u64| moved * num_samples as u64 * BYTES;

    let sent = pipeline::<Sent>(&config, &[1; 7], &device);
    let (input, target) = Sent::batch(num_samples, &device);
    let sent = sent.train_step(input, target, Sent::loss).unwrap();
    let skipped = pipeline::<Skipped>(&config, &[1; 7], &device);
    let (input, target) = Skipped::batch(num_samples, &device);
    let skipped = skipped.train_step(input, target, Skipped::loss).unwrap();

    // Six boundaries there and six gradients back. Sent, the three values cross six, four and two
    // cuts as well, each there and back.
    let total = |bytes: Vec<u64>| bytes.iter().sum::<u64>();
    assert_eq!(total(sent.bytes_received), bytes(12 + 2 * (6 + 4 + 2)));
    assert_eq!(total(skipped.bytes_received), bytes(12 + 2 * 3));
}

#[rstest]
fn a_skip_computes_what_sending_through_every_stage_does(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values((1, 5), (3, 7))] (num_micro_batches, num_samples): (usize, usize),
) {
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(schedule.parse().unwrap());
    let counts = [1, 2, 3, 1];
    let device = Device::flex();
    let sent = first_step::<Sent>(&config, &counts, num_samples, &device);
    first_step::<Skipped>(&config, &counts, num_samples, &device).assert_same(&sent);
}

#[rstest]
fn a_skip_crosses_devices(
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let [one, other] = two_devices();
    let plain = Skipped::model(&one.clone().autodiff());
    let expected = whole::<Skipped>(&plain, Skipped::batch(7, &one.clone().autodiff()));

    for devices in [
        vec![one.clone(), other.clone()],
        vec![other.clone(), one.clone(), other.clone(), one.clone()],
    ] {
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(3)
            .with_rematerialization(rematerialization)
            .init(Skipped::model(&one), Placement::even(&devices))
            .unwrap();
        let (input, target) = Skipped::batch(7, &one);
        let step = pipeline.train_step(input, target, Skipped::loss).unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&expected, 1e-5);

        let (input, _) = Skipped::batch(7, &one);
        let (output, _) = pipeline.forward(input).unwrap();
        let (input, _) = Skipped::batch(7, &one);
        let (reference, _) = plain.valid().forward_layers(input);
        assert_close(
            "output",
            &values(output.into_data()),
            &values(reference.into_data()),
            1e-5,
        );
    }
}

/// Used by several layers, on the way and at the end, a skip's gradient is the sum of all.
#[rstest]
fn a_skip_may_be_used_by_several_layers(
    #[values(1, 3)] num_micro_batches: usize,
    #[values("gpipe", "1f1b")] schedule: &str,
) {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let unsplit = whole::<Everywhere>(&Everywhere::model(&tracked), Everywhere::batch(7, &tracked));
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(schedule.parse().unwrap());
    for counts in partitions(6) {
        println!("counts {counts:?}");
        first_step::<Everywhere>(&config, &counts, 7, &device).assert_close(&unsplit, 1e-5);
    }
}

/// Every stage that uses it receives it, and its gradient comes back by all of them.
#[test]
fn the_bytes_of_a_skip_with_several_uses_are_those_of_each() {
    let device = Device::flex();
    let config = PipelineConfig::new().with_num_micro_batches(2);
    let pipeline = pipeline::<Everywhere>(&config, &[1; 6], &device);
    let (input, target) = Everywhere::batch(6, &device);
    let step = pipeline
        .train_step(input, target, Everywhere::loss)
        .unwrap();
    // A boundary and the skip, the gradient of a boundary and what those behind make of the skip.
    let of_stages = [2, 4, 4, 4, 4, 2];
    let expected: Vec<u64> = of_stages.iter().map(|moved| moved * 6 * BYTES).collect();
    assert_eq!(step.bytes_received, expected);
}

/// A skip that nobody asks for moves nowhere and takes part in nothing.
#[test]
fn an_unused_skip_costs_nothing() {
    let device = Device::flex();
    let model = || -> Vec<Lift<Linear, With, With>> {
        let layers: [fn(&Linear, With) -> With; 3] = [wrap, along, along];
        let layers = layers.map(|forward| lift(LinearConfig::new(4, 4).init(&device), forward));
        filled(layers.into())
    };
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(2)
        .init(
            model(),
            Placement::from_counts(&[device.clone(), device.clone()], &[1, 2]),
        )
        .unwrap();
    let input = (floats([6, 4], 1, &device), None);
    let step = pipeline
        .train_step(input, (), |(output, _), ()| output.powi_scalar(2).mean())
        .unwrap();
    assert_eq!(step.bytes_received, [6 * BYTES, 6 * BYTES]);
}

type With = (Tensor<2>, Option<Skip<Tensor<2>>>);

fn wrap(linear: &Linear, (input, _): With) -> With {
    let output = linear.forward(input);
    (output.clone(), Some(Skip::new(output)))
}

fn along(linear: &Linear, (input, skip): With) -> With {
    (linear.forward(input), skip)
}

#[derive(Module, Debug)]
struct First {
    linear: Linear,
}

#[derive(Module, Debug)]
struct Using {
    linear: Linear,
}

impl Layer for First {
    type Input = Tensor<2>;
    type Output = (Tensor<2>, Skip<Tensor<2>>);

    fn forward(&self, input: Tensor<2>) -> Self::Output {
        let output = self.linear.forward(input);
        (output.clone().tanh(), Skip::new(output))
    }
}

impl Layer for Using {
    type Input = (Tensor<2>, Skip<Tensor<2>>);
    type Output = (Tensor<2>, Skip<Tensor<2>>);

    fn forward(&self, (input, skip): Self::Input) -> Self::Output {
        let hidden = self.linear.forward(input).tanh() * skip.get();
        (hidden + skip.get(), skip)
    }
}

/// A value that five layers and the loss use.
#[derive(Module, Sequential, Debug)]
struct Everywhere {
    first: First,
    using: Vec<Using>,
}

impl Toy for Everywhere {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let linear = || LinearConfig::new(4, 4).init(device);
        filled(Self {
            first: First { linear: linear() },
            using: (0..5).map(|_| Using { linear: linear() }).collect(),
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 4], 1, device),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss((hidden, skip): (Tensor<2>, Skip<Tensor<2>>), target: Tensor<2>) -> Tensor<1> {
        mean_square(hidden * skip.get(), target)
    }
}
