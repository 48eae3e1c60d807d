//! Signals of every shape.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_pipeline::{Lift, PipelineConfig, Rematerialization, Sequential, Signal, lift};
use burn_pipeline_tests::compare::{assert_close, values};
use burn_pipeline_tests::data::{filled, floats, ints};
use burn_pipeline_tests::models::{Toy, Unused, mean_square};
use burn_pipeline_tests::pipelined::{first_step, partitions, pipeline};
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

#[rstest]
fn a_signal_crosses_every_cut(
    #[values(
        crosses::<Ranks>,
        crosses::<Kinds>,
        crosses::<Nested>,
        crosses::<Variants>
    )]
    crosses: fn(Rematerialization),
    #[values(Rematerialization::Never, Rematerialization::Always)]
    rematerialization: Rematerialization,
) {
    crosses(rematerialization);
}

fn crosses<T: Toy>(rematerialization: Rematerialization) {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let model = T::model(&tracked);
    let unsplit = whole::<T>(&model, T::batch(7, &tracked));

    let config = PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(rematerialization);
    let one_stage = first_step::<T>(&config, &[model.num_layers()], 7, &device);
    one_stage.assert_close(&unsplit, 1e-5);
    for counts in partitions(model.num_layers()) {
        println!("counts {counts:?}");
        first_step::<T>(&config, &counts, 7, &device).assert_same(&one_stage);

        let (input, target) = T::batch(7, &device);
        let pipeline = pipeline::<T>(&config, &counts, &device);
        let loss = T::loss(pipeline.forward(input).unwrap(), target);
        assert_close("forward", &values(loss.into_data()), &unsplit.loss, 1e-6);
    }
}

#[test]
fn what_nothing_uses_gets_no_gradient() {
    let device = Device::flex();
    for counts in partitions(4) {
        println!("counts {counts:?}");
        let step = first_step::<Unused>(&PipelineConfig::new(), &counts, 5, &device);
        for (path, gradient) in &step.gradients {
            assert_eq!(gradient.is_none(), path.contains("spare"), "{path}");
        }
    }
}

/// Multiplies by a number of its own for each tensor: were there one for all, a cut could regroup
/// the sum of its gradients.
#[derive(Module, Debug)]
struct Scale {
    factors: Param<Tensor<1>>,
}

impl Scale {
    fn times<const D: usize>(&self, index: usize, tensor: Tensor<D>) -> Tensor<D> {
        tensor * self.factors.val().narrow(0, index, 1).reshape([1; D])
    }
}

/// Four layers from a signal to the same one.
type Scales<S> = Vec<Lift<Scale, S, S>>;

fn scales<S: Signal>(forward: fn(&Scale, S) -> S, device: &Device) -> Scales<S> {
    let scale = || Scale {
        factors: Initializer::Ones.init([5], device),
    };
    filled((0..4).map(|_| lift(scale(), forward)).collect())
}

/// Float tensors of ranks 1 to 5.
struct Ranks;

type OfRanks = (Tensor<1>, Tensor<2>, Tensor<3>, Tensor<4>, Tensor<5>);

impl Toy for Ranks {
    type Model = Scales<OfRanks>;
    type Target = Tensor<1>;

    fn model(device: &Device) -> Self::Model {
        let forward = |scale: &Scale, (a, b, c, d, e): OfRanks| {
            (
                scale.times(0, a),
                scale.times(1, b).tanh(),
                scale.times(2, c),
                scale.times(3, d).tanh(),
                scale.times(4, e),
            )
        };
        scales(forward, device)
    }

    fn batch(n: usize, device: &Device) -> (OfRanks, Tensor<1>) {
        let input = (
            floats([n], 1, device),
            floats([n, 2], 2, device),
            floats([n, 2, 3], 3, device),
            floats([n, 2, 1, 3], 4, device),
            floats([n, 1, 2, 2, 2], 5, device),
        );
        (input, floats([n], 6, device))
    }

    fn loss((a, b, c, d, e): OfRanks, target: Tensor<1>) -> Tensor<1> {
        let sample = |tensor: Tensor<2>| tensor.sum_dim(1).squeeze_dim::<1>(1);
        let sum = a
            + sample(b)
            + sample(c.flatten(1, 2))
            + sample(d.flatten(1, 3))
            + sample(e.flatten(1, 4));
        mean_square(sum, target)
    }
}

/// Tensors of every kind: only floats carry gradients.
struct Kinds;

type OfKinds = (Tensor<2>, Tensor<1, Int>, Tensor<3, Bool>, ());

impl Toy for Kinds {
    type Model = Scales<OfKinds>;
    type Target = Tensor<1, Int>;

    fn model(device: &Device) -> Self::Model {
        let forward = |scale: &Scale, (floats, ints, bools, ()): OfKinds| {
            let mask = bools.clone().any_dim(2).squeeze_dim::<2>(2);
            let floats = scale.times(0, floats).tanh().mask_fill(mask, 0.5);
            (floats, ints + 1, bools.bool_not(), ())
        };
        scales(forward, device)
    }

    fn batch(n: usize, device: &Device) -> (OfKinds, Tensor<1, Int>) {
        let input = (
            floats([n, 4], 1, device),
            ints([n], 5, 2, device),
            ints([n, 4, 2], 3, 3, device).equal_elem(0),
            (),
        );
        (input, ints([n], 9, 4, device))
    }

    fn loss((floats, ints, _bools, ()): OfKinds, target: Tensor<1, Int>) -> Tensor<1> {
        let weight = (ints - target).float().unsqueeze_dim::<2>(1);
        (floats * weight).powi_scalar(2).mean()
    }
}

/// Containers in containers.
struct Nested;

type OfContainers = Vec<(Tensor<2>, Option<[Tensor<2>; 2]>)>;

impl Toy for Nested {
    type Model = Scales<OfContainers>;
    type Target = (Tensor<2>, Option<Tensor<2>>);

    fn model(device: &Device) -> Self::Model {
        let forward = |scale: &Scale, parts: OfContainers| {
            let mut parts = parts.into_iter().map(|(first, others)| {
                let others =
                    others.map(|[one, other]| [scale.times(1, one).tanh(), scale.times(2, other)]);
                (scale.times(0, first), others)
            });
            let (first, others) = parts.next().expect("two parts");
            let (last, none) = parts.next().expect("two parts");
            vec![(last, others), (first, none)]
        };
        scales(forward, device)
    }

    fn batch(n: usize, device: &Device) -> (OfContainers, Self::Target) {
        let part = |salt| floats([n, 3], salt, device);
        let input = vec![(part(1), Some([part(2), part(3)])), (part(4), None)];
        (input, (part(5), None))
    }

    fn loss(parts: OfContainers, (target, _): Self::Target) -> Tensor<1> {
        let sum = parts.into_iter().map(|(first, others)| match others {
            Some([one, other]) => first * one + other,
            None => first,
        });
        let sum = sum.reduce(|sum, part| sum + part).expect("two parts");
        mean_square(sum, target)
    }
}

/// Either of two, as an enum: each layer sends the other one.
struct Variants;

#[derive(Signal, Clone, Debug)]
enum Route {
    Dense(Tensor<2>, Tensor<2>),
    Gathered {
        values: Tensor<2>,
        rows: Tensor<1, Int>,
    },
}

impl Toy for Variants {
    type Model = Scales<Route>;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self::Model {
        let forward = |scale: &Scale, route: Route| match route {
            Route::Dense(values, gate) => Route::Gathered {
                rows: gate.clone().argmax(1).squeeze_dim(1),
                values: scale.times(0, values).tanh() * gate,
            },
            Route::Gathered { values, rows } => {
                let rows = rows.float().unsqueeze_dim::<2>(1);
                Route::Dense(scale.times(0, values.clone()) * rows, values)
            }
        };
        scales(forward, device)
    }

    fn batch(n: usize, device: &Device) -> (Route, Tensor<2>) {
        let input = Route::Dense(floats([n, 4], 1, device), floats([n, 4], 2, device));
        (input, floats([n, 4], 3, device))
    }

    fn loss(route: Route, target: Tensor<2>) -> Tensor<1> {
        match route {
            Route::Dense(values, gate) => mean_square(values * gate, target),
            Route::Gathered { .. } => panic!("an even number of layers sends what it took"),
        }
    }
}
