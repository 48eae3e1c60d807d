//! Stages on devices that differ.

use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Shape, Tensor};
use burn_pipeline::{
    Layer, LayerVisitor, PipelineConfig, PipelineModule, Placement, Rematerialization, Sequential,
};
use burn_pipeline_tests::compare::{Step, parameters};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

/// Both ways round, and there and back.
fn placements() -> [Vec<Device>; 3] {
    let [one, other] = two_devices();
    [
        vec![one.clone(), other.clone()],
        vec![other.clone(), one.clone()],
        vec![one.clone(), other, one],
    ]
}

fn pipeline(devices: &[Device], mode: Rematerialization) -> PipelineModule<<Mlp as Toy>::Model> {
    PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(mode)
        .init(Mlp::model(&Device::flex()), Placement::even(devices))
        .unwrap()
}

#[rstest]
fn a_pipeline_over_two_backends_computes_what_one_does(
    #[values(0, 1, 2)] placement: usize,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
) {
    let device = Device::flex();
    let model = Mlp::model(&device.clone().autodiff());
    let plain = whole::<Mlp>(&model, Mlp::batch(7, &device));

    let devices = &placements()[placement];
    let pipeline = pipeline(devices, mode);
    let (input, target) = Mlp::batch(7, &device);
    let step = pipeline.train_step(input, target, Mlp::loss).unwrap();

    assert_eq!(step.loss.device(), devices[devices.len() - 1]);
    assert_on_their_stages(&pipeline, Some(&step.grads));
    Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
}

#[test]
fn the_optimizer_steps_each_parameter_on_its_own_device() {
    let [one, other] = two_devices();
    let mut pipeline = pipeline(&[one.clone(), other.clone()], Rematerialization::ExceptLast);
    let mut optimizer = AdamConfig::new().init();
    let before = parameters(&pipeline);
    let mut losses = Vec::new();
    for _ in 0..5 {
        let (input, target) = Mlp::batch(7, &one);
        let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
        losses.push(step.loss.into_scalar::<f32>());
        pipeline = optimizer.step(1e-2, pipeline, step.grads);
    }

    assert_on_their_stages(&pipeline, None);
    assert!(losses[4] < losses[0], "{losses:?}");
    let moved = parameters(&pipeline);
    assert!(before.iter().all(|(path, values)| moved[path] != *values));

    let (input, _) = Mlp::batch(7, &one);
    assert_eq!(pipeline.forward(input).unwrap().device(), other);
}

/// Every parameter of every layer, and its gradient, is on the device of the layer's stage.
fn assert_on_their_stages<M: Sequential + 'static>(
    pipeline: &PipelineModule<M>,
    grads: Option<&GradientsParams>,
) {
    let mut check = Check {
        pipeline,
        grads,
        layer: 0,
    };
    pipeline.inner().visit_layers(&mut check);
}

struct Check<'a, M> {
    pipeline: &'a PipelineModule<M>,
    grads: Option<&'a GradientsParams>,
    layer: usize,
}

impl<M: Sequential + 'static> LayerVisitor for Check<'_, M> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        let stage = self.pipeline.partition().stage_of(self.layer);
        layer.visit(&mut On {
            device: &self.pipeline.stage_devices()[stage],
            grads: self.grads,
        });
        self.layer += 1;
    }
}

struct On<'a> {
    device: &'a Device,
    grads: Option<&'a GradientsParams>,
}

impl ModuleVisitor for On<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        assert_eq!(param.base().device(), *self.device);
        if let Some(grads) = self.grads {
            let gradient = grads.get::<D>(param.id).unwrap();
            assert_eq!(gradient.device(), *self.device);
        }
    }
}

/// Where each parameter was when it came to be.
type Born = Arc<Mutex<Vec<Device>>>;

#[derive(Module, Debug)]
struct Lazy {
    weight: Param<Tensor<2>>,
}

impl Lazy {
    fn new(device: &Device, born: &Born) -> Self {
        let born = born.clone();
        let init = move |device: &Device, require_grad: bool| {
            born.lock().unwrap().push(device.clone());
            Tensor::ones([2, 2], device).set_require_grad(require_grad)
        };
        let (device, shape) = (device.clone(), Shape::new([2, 2]));
        Self {
            weight: Param::uninitialized(ParamId::new(), init, device, true, shape),
        }
    }
}

impl Layer for Lazy {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val())
    }
}

#[rstest]
fn a_lazily_built_model_is_never_whole_on_one_device(#[values(0, 1, 2)] placement: usize) {
    let devices = &placements()[placement];
    let born = Born::default();
    let model: Vec<_> = (0..6).map(|_| Lazy::new(&devices[0], &born)).collect();
    let pipeline = PipelineConfig::new()
        .init(model, Placement::even(devices))
        .unwrap();

    let stages = (0..6).map(|layer| pipeline.partition().stage_of(layer));
    let expected: Vec<_> = stages.map(|stage| devices[stage].clone()).collect();
    assert_eq!(*born.lock().unwrap(), expected);
    assert_eq!(pipeline.stage_devices(), *devices);
}
