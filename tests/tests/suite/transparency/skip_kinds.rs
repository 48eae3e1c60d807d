//! What a skip may carry, what it may be carried in, and who may look into it.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline::{
    Layer, PipelineConfig, Placement, Rematerialization, Sequential, Signal, SignalMapper,
    SignalVisitor, Skip,
};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::data::{filled, floats, ints};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Input, Toy, mean_square};
use burn_pipeline_tests::pipelined::{first_step, partitions};
use burn_pipeline_tests::reference::{ByMicroBatches, whole};
use rstest::rstest;

/// What is kept for later, in several skips of several kinds.
#[derive(Signal, Debug, Clone)]
struct State {
    hidden: Tensor<2>,
    early: Option<Skip<Tensor<2>>>,
    pair: Kept,
    #[signal(skip)]
    name: &'static str,
}

#[derive(Signal, Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a signal is not boxed")]
enum Kept {
    Nothing,
    Gated {
        rows: Skip<(Tensor<2>, Tensor<1, Int>)>,
        mask: Skip<Tensor<2, Bool>>,
    },
}

/// One layer of [`Kinds`], which does what its place says.
#[derive(Module, Debug)]
struct Place {
    linear: Linear,
    place: usize,
}

impl Layer for Place {
    type Input = State;
    type Output = State;

    fn forward(&self, mut state: State) -> State {
        let hidden = self.linear.forward(state.hidden).tanh();
        state.hidden = match (self.place, state.pair) {
            (0, _) => {
                state.early = Some(Skip::new(hidden.clone() * 0.5));
                state.pair = Kept::Nothing;
                hidden
            }
            (1, _) => {
                let rows = hidden.clone().greater_scalar(0.0).int().sum_dim(1);
                state.pair = Kept::Gated {
                    rows: Skip::new((hidden.clone() + 1.0, rows.squeeze_dim(1))),
                    mask: Skip::new(hidden.clone().greater_scalar(0.1)),
                };
                hidden
            }
            (4, Kept::Gated { rows, mask }) => {
                let (values, count) = rows.get();
                state.pair = Kept::Nothing;
                let gated = hidden.mask_fill(mask.get(), 0.25) * values;
                gated * count.float().unsqueeze_dim(1)
            }
            (5, kept) => {
                state.pair = kept;
                hidden * state.early.take().expect("sent by the first layer").get()
            }
            (_, kept) => {
                state.pair = kept;
                hidden
            }
        };
        state
    }
}

/// Six layers: skips in an `Option` of a struct and in an enum, of a tensor, a tuple, ints and
/// bools.
struct Kinds;

impl Toy for Kinds {
    type Model = Vec<Place>;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self::Model {
        let layer = |place| Place {
            linear: LinearConfig::new(4, 4).init(device),
            place,
        };
        filled((0..6).map(layer).collect())
    }

    fn batch(num_samples: usize, device: &Device) -> (State, Tensor<2>) {
        let state = State {
            hidden: floats([num_samples, 4], 1, device),
            early: None,
            pair: Kept::Nothing,
            name: "state",
        };
        (state, floats([num_samples, 4], 2, device))
    }

    fn loss(output: State, target: Tensor<2>) -> Tensor<1> {
        assert_eq!(output.name, "state");
        mean_square(output.hidden, target)
    }
}

/// Skips whose values another layer reads by a mapper or a visitor of its own.
struct Looked;

#[derive(Module, Debug)]
struct Look {
    linear: Linear,
    place: usize,
}

type With = (Tensor<2>, Option<Skip<Tensor<2>>>);

impl Layer for Look {
    type Input = With;
    type Output = With;

    fn forward(&self, (input, skip): With) -> With {
        let hidden = self.linear.forward(input).tanh();
        match (self.place, skip) {
            (0, _) => (hidden.clone(), Some(Skip::new(hidden))),
            (2, Some(skip)) => (hidden, Some(skip.map(&mut Double))),
            (3, Some(skip)) => {
                let mut sum = Sum(None);
                skip.visit(&mut sum);
                let sum = sum.0.expect("a skip of a tensor");
                (hidden * sum, Some(skip))
            }
            (4, Some(skip)) => (hidden + skip.get(), None),
            (_, skip) => (hidden, skip),
        }
    }
}

struct Double;

impl SignalMapper for Double {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        tensor * 2.0
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        tensor
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        tensor
    }
}

/// The sum of each sample's numbers: `[num_samples, 1]`.
struct Sum(Option<Tensor<2>>);

impl SignalVisitor for Sum {
    fn visit_float<const D: usize>(&mut self, tensor: &Tensor<D>) {
        self.0 = Some(tensor.clone().flatten::<2>(1, D - 1).sum_dim(1));
    }

    fn visit_int<const D: usize>(&mut self, _tensor: &Tensor<D, Int>) {}

    fn visit_bool<const D: usize>(&mut self, _tensor: &Tensor<D, Bool>) {}
}

impl Toy for Looked {
    type Model = Vec<Look>;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self::Model {
        let layer = |place| Look {
            linear: LinearConfig::new(4, 4).init(device),
            place,
        };
        filled((0..5).map(layer).collect())
    }

    fn batch(num_samples: usize, device: &Device) -> (With, Tensor<2>) {
        let input = (floats([num_samples, 4], 1, device), None);
        (input, floats([num_samples, 4], 2, device))
    }

    fn loss((output, _): With, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

/// A model that takes a skip: its third layer uses what the caller gives.
struct Given;

#[derive(Module, Debug)]
struct Late {
    linear: Linear,
    uses: bool,
}

type Inputs = (Tensor<2>, Skip<(Tensor<2>, Tensor<1, Int>)>);

impl Layer for Late {
    type Input = Inputs;
    type Output = Inputs;

    fn forward(&self, (input, given): Inputs) -> Inputs {
        let hidden = self.linear.forward(input).tanh();
        match self.uses {
            true => {
                let (values, counts) = given.get();
                (hidden * values * counts.float().unsqueeze_dim(1), given)
            }
            false => (hidden, given),
        }
    }
}

impl Toy for Given {
    type Model = Vec<Late>;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self::Model {
        let layer = |place| Late {
            linear: LinearConfig::new(4, 4).init(device),
            uses: place == 2,
        };
        filled((0..4).map(layer).collect())
    }

    fn batch(num_samples: usize, device: &Device) -> (Inputs, Tensor<2>) {
        let values = floats([num_samples, 4], 3, device);
        let counts = ints([num_samples], 5, 4, device);
        (
            (
                floats([num_samples, 4], 1, device),
                Skip::new((values, counts)),
            ),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss((output, _): Inputs, target: Tensor<2>) -> Tensor<1> {
        mean_square(output, target)
    }
}

#[rstest]
fn a_skip_of_any_kind_trains_across_stages_as_it_trains_whole(
    #[values(trains::<Kinds>, trains::<Looked>, trains::<Given>)] trains: fn(Rematerialization),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    trains(rematerialization);
}

fn trains<T: Toy>(rematerialization: Rematerialization)
where
    Input<T>: Signal,
{
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let model = T::model(&tracked);
    let by_micro_batches = ByMicroBatches {
        num_micro_batches: 3,
        last_first: true,
        seed: 0,
        step: 0,
    }
    .step::<T>(&model, T::batch(7, &tracked), &device);

    let config = PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(rematerialization);
    for counts in partitions(model.num_layers()) {
        println!("counts {counts:?}");
        first_step::<T>(&config, &counts, 7, &device).assert_close(&by_micro_batches, 1e-6);
    }

    let [one, other] = two_devices();
    let placement = Placement::even(&[one.clone(), other.clone(), one.clone()]);
    let pipeline = config.init(T::model(&one), placement).unwrap();
    let (input, target) = T::batch(7, &one);
    let step = pipeline.train_step(input, target, T::loss).unwrap();
    Step::new(step.loss, &step.grads, &pipeline)
        .assert_close(&whole::<T>(&model, T::batch(7, &tracked)), 1e-5);
}

/// What the caller gives comes from no stage, and is received where it is used.
#[test]
fn an_input_in_a_skip_goes_to_the_stage_that_uses_it() {
    let device = Device::flex();
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(2)
        .init(
            Given::model(&device),
            Placement::from_counts(&vec![device.clone(); 4], &[1; 4]),
        )
        .unwrap();
    let (input, target) = Given::batch(6, &device);
    let step = pipeline.train_step(input, target, Given::loss).unwrap();
    let hidden = 6 * 4 * 4;
    let given = hidden + 6 * (ints([1], 5, 4, &device).dtype().size() as u64);
    // A boundary from before, a gradient from behind.
    let expected = [hidden, 2 * hidden, 2 * hidden + given, hidden];
    assert_eq!(step.bytes_received, expected);
}
