//! What happens to the parameters of a model on its way into a pipeline, and when that moves.

use std::sync::{Arc, Mutex};
use std::thread::{ThreadId, current};

use burn::module::{Module, Param, ParamId};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Shape, Tensor};
use burn_pipeline::{Layer, PipelineConfig, Placement, Ranked, Sequential, ranked};
use burn_pipeline_tests::compare::{Step, assert_same_parameters, parameters};
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::models::{Mlp, Toy, mlp, transformer};
use burn_pipeline_tests::pipelined::{first_step, pipeline};
use rstest::rstest;

use super::devices;

/// What they count would depend on which of the two runs first.
#[test]
fn a_batch_norm_of_two_layers_is_an_error_that_names_both() {
    let norm: Ranked<BatchNorm, 2> = ranked(BatchNormConfig::new(2).init(&Device::flex()));
    let model = vec![
        norm.clone(),
        ranked(BatchNormConfig::new(2).init(&Device::flex())),
        norm,
    ];
    let error = PipelineConfig::new().init(model, Placement::even(&devices(3)));
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("layer 0 `0` and layer 2 `2` share a batch norm"),
        "{error}"
    );
}

/// No stage would hold them, and no gradient reach them.
#[test]
fn parameters_in_no_layer_are_an_error_with_both_numbers() {
    let layer = || Lazy::new("any", &Arc::default());
    let model = Skipping {
        layers: vec![layer(), layer()],
        skipped: layer(),
    };
    let error = PipelineConfig::new().init(model, Placement::even(&devices(2)));
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("2 of the model's 6 parameters are in no layer"),
        "{error}"
    );
}

#[rstest]
fn every_parameter_is_initialised_in_order_on_the_calling_thread(
    #[values(1, 2, 3)] num_stages: usize,
) {
    let inits = Inits::default();
    let model: Vec<_> = ["a", "b", "c"].map(|name| Lazy::new(name, &inits)).into();
    let pipeline = PipelineConfig::new()
        .init(model, Placement::even(&devices(num_stages)))
        .unwrap();

    let expected: Vec<_> = [
        "a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias",
    ]
    .map(|name| (name.to_string(), current().id(), Device::flex()))
    .into();
    assert_eq!(*inits.lock().unwrap(), expected);

    let step = pipeline.train_step(floats([4, 2], 1, &Device::flex()), (), |output, ()| {
        output.mean()
    });
    step.unwrap();
    assert_eq!(inits.lock().unwrap().len(), expected.len());
}

#[rstest]
fn the_same_seed_gives_the_same_model_for_every_partition(
    #[values(1, 2, 3)] num_stages: usize,
    #[values(Device::flex(), Device::flex().autodiff())] device: Device,
) {
    let _generator = generator();
    let plain = || {
        device.seed(7);
        transformer(0.1, &device)
    };
    let whole = parameters(&plain());
    let pipeline = PipelineConfig::new()
        .init(plain(), Placement::even(&devices(num_stages)))
        .unwrap();
    assert_same_parameters(&parameters(&pipeline), &whole);
}

#[rstest]
fn a_model_trains_wherever_it_was_made(
    #[values(Device::flex(), Device::flex().autodiff())] device: Device,
    #[values(false, true)] initialised: bool,
) {
    let _generator = generator();
    device.seed(7);
    let model = mlp(&device);
    if initialised {
        parameters(&model);
    }
    let pipeline = PipelineConfig::new()
        .init(model, Placement::even(&devices(2)))
        .unwrap();
    let (input, target) = Mlp::batch(4, &Device::flex());
    let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
    assert_eq!(step.grads.len(), 10);
}

/// A plain module would come back as no leaf, or whole on one device.
#[test]
fn a_pipeline_that_is_forked_or_moved_stays_where_it_is_and_trains() {
    let device = Device::flex();
    let config = PipelineConfig::new();
    let expected = first_step::<Mlp>(&config, &[2, 3], 6, &device);
    let forked = pipeline::<Mlp>(&config, &[2, 3], &device).fork(&device);
    let moved = pipeline::<Mlp>(&config, &[2, 3], &device).to_device(&device);

    for pipeline in [forked, moved] {
        assert_eq!(pipeline.partition().counts(), [2, 3]);
        let (input, target) = Mlp::batch(6, &device);
        let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
        assert_eq!(step.grads.len(), 10);
        Step::new(step.loss, &step.grads, &pipeline).assert_same(&expected);
    }
}

/// Who initialised which parameter on which device.
type Inits = Arc<Mutex<Vec<(String, ThreadId, Device)>>>;

/// A layer that writes down the initialisation of its parameters.
#[derive(Module, Debug)]
struct Lazy {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Sequential, Debug)]
struct Skipping {
    layers: Vec<Lazy>,
    #[sequential(skip)]
    skipped: Lazy,
}

impl Lazy {
    fn new(name: &str, inits: &Inits) -> Self {
        Self {
            weight: lazy(format!("{name}.weight"), [2, 2], inits),
            bias: lazy(format!("{name}.bias"), [2], inits),
        }
    }
}

fn lazy<const D: usize>(name: String, shape: [usize; D], inits: &Inits) -> Param<Tensor<D>> {
    let inits = inits.clone();
    let init = move |device: &Device, require_grad: bool| {
        let entry = (name, current().id(), device.clone());
        inits.lock().unwrap().push(entry);
        Tensor::ones(shape, device).set_require_grad(require_grad)
    };
    let device = Device::flex().autodiff();
    Param::uninitialized(ParamId::new(), init, device, true, Shape::new(shape))
}

impl Layer for Lazy {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}
