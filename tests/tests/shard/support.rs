//! One step of a whole model beside one of the model in parts.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{Configuration, Layer, Sequential, Sharded, shard, with_random_step};
use burn_pipeline_tests::compare::{
    Parameters, assert_close, assert_close_parameters, ids, parameters, values,
};
use burn_pipeline_tests::data::{filled, floats, ints};
use burn_pipeline_tests::devices::two_devices;

pub const TOLERANCE: f32 = 1e-5;

/// `n2 c1 h1 w1` and so on.
pub fn split(degrees: [usize; 4]) -> Configuration {
    Configuration::from_degrees(degrees)
}

/// As many places as are asked for, on two devices in turn.
pub fn places(num: usize) -> Vec<Device> {
    two_devices().into_iter().cycle().take(num).collect()
}

/// An input that may get a gradient.
pub trait Input: Clone {
    fn made(sizes: &[usize], device: &Device) -> Self;
    fn gradient(&self, gradients: &burn::tensor::Gradients) -> Option<Vec<f32>>;
    fn num_samples(&self) -> usize;
}

impl<const D: usize> Input for Tensor<D> {
    fn made(sizes: &[usize], device: &Device) -> Self {
        let sizes: [usize; D] = sizes.try_into().expect("as many sizes as dimensions");
        floats(sizes, 5, device).require_grad()
    }

    fn gradient(&self, gradients: &burn::tensor::Gradients) -> Option<Vec<f32>> {
        self.grad(gradients).map(|it| values(it.into_data()))
    }

    fn num_samples(&self) -> usize {
        self.dims()[0]
    }
}

impl<const D: usize> Input for Tensor<D, Int> {
    fn made(sizes: &[usize], device: &Device) -> Self {
        let sizes: [usize; D] = sizes.try_into().expect("as many sizes as dimensions");
        ints(sizes, 7, 5, device)
    }

    fn gradient(&self, _gradients: &burn::tensor::Gradients) -> Option<Vec<f32>> {
        None
    }

    fn num_samples(&self) -> usize {
        self.dims()[0]
    }
}

/// The numbers of a step.
pub struct Numbers {
    output: Vec<f32>,
    dims: Vec<usize>,
    loss: Vec<f32>,
    input: Option<Vec<f32>>,
    gradients: Parameters,
    statistics: Parameters,
}

impl Numbers {
    /// Fail unless every number is close to the other's.
    pub fn assert_close(&self, other: &Self) {
        assert_eq!(self.dims, other.dims);
        assert_close("output", &self.output, &other.output, TOLERANCE);
        assert_close("loss", &self.loss, &other.loss, TOLERANCE);
        match (&self.input, &other.input) {
            (Some(one), Some(other)) => assert_close("input", one, other, TOLERANCE),
            (one, other) => assert_eq!(one.is_some(), other.is_some()),
        }
        assert_close_parameters(&self.gradients, &other.gradients, TOLERANCE);
        assert_close_parameters(&self.statistics, &other.statistics, TOLERANCE);
    }
}

/// Take a step, and read its numbers; `whole` makes the whole model of the one that took it.
pub fn step<M, S, I, const B: usize>(
    model: &M,
    whole: impl Fn(M) -> S,
    forward: impl Fn(&M, I) -> Tensor<B>,
    input: I,
) -> Numbers
where
    M: Module,
    S: Module,
    I: Input,
{
    let samples = 0..input.num_samples();
    let output = with_random_step(3, 4, samples, || forward(model, input.clone()));
    let dims = output.dims().to_vec();
    let target = floats(output.dims(), 9, &output.device());
    let loss = (output.clone() - target).powi_scalar(2).mean();
    let mut gradients = loss.backward();
    let of_input = input.gradient(&gradients);
    let of_params = GradientsParams::from_module(&mut gradients, model);
    let with_gradients = model.clone().map(&mut ToGradients(&of_params));
    Numbers {
        output: values(output.into_data()),
        dims,
        loss: values(loss.into_data()),
        input: of_input,
        statistics: statistics(&whole(model.clone())),
        gradients: parameters(&whole(with_gradients)),
    }
}

fn statistics<M: Module>(model: &M) -> Parameters {
    let mut all = parameters(&model.valid());
    all.retain(|path, _| path.contains("running_"));
    all
}

struct ToGradients<'a>(&'a GradientsParams);

impl ModuleMapper for ToGradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.get::<D>(param.id) {
            Some(gradient) => Param::initialized(param.id, gradient),
            None => param,
        }
    }
}

/// Check that a model in parts does in a step what the whole model does, and is itself again when
/// it is put together. Returns what its step left of it.
pub fn check<S, const B: usize>(
    make: impl Fn(&Device) -> S,
    configurations: &[Configuration],
    sizes: &[usize],
) -> Sharded<S>
where
    S: Sequential<Output = Tensor<B>> + 'static,
    S::Input: Input,
{
    let [device, _] = two_devices();
    let device = device.autodiff();
    let model = || filled(make(&device));
    let num_places = configurations.iter().map(Configuration::num_parts).max();
    let devices = places(num_places.unwrap_or(1));
    println!("{configurations:?} {sizes:?}");

    let plain = model();
    let before = parameters(&plain);
    let expected = step(
        &plain,
        |model| model,
        |model: &S, input: S::Input| model.forward_layers(input),
        Input::made(sizes, &device),
    );
    let whole = model();
    let names = ids(&whole);
    let sharded = shard(whole, configurations, &devices).unwrap();
    let together = sharded.clone().into_inner();
    assert_eq!(parameters(&together), before);
    assert_eq!(ids(&together), names);

    let found = step(
        &sharded,
        Sharded::into_inner,
        |model: &Sharded<S>, input: S::Input| model.forward(input),
        Input::made(sizes, &device),
    );
    found.assert_close(&expected);
    sharded
}
