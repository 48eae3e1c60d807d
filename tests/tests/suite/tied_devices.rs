//! A weight whose holders are on devices that differ.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::AdamConfig;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Shape, Tensor};
use burn_pipeline::{
    Layer, LayerVisitor, PipelineConfig, PipelineModule, Placement, Rematerialization, Sequential,
};
use burn_pipeline_tests::compare::{Step, assert_close, assert_same, values};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Tied, Toy};
use burn_pipeline_tests::pipelined;
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

/// Both ways round, and there and back: the weight is held by layers 0, 2, 3 and 5 of six.
fn placements() -> [Vec<Device>; 3] {
    let [one, other] = two_devices();
    [
        vec![one.clone(), other.clone()],
        vec![other.clone(), one.clone()],
        vec![one.clone(), other, one],
    ]
}

fn pipeline(devices: &[Device], mode: Rematerialization) -> PipelineModule<Tied> {
    PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(mode)
        .init(Tied::model(&devices[0]), Placement::even(devices))
        .unwrap()
}

#[rstest]
fn the_gradient_of_a_tied_weight_is_on_the_device_of_its_first_holder(
    #[values(0, 1, 2)] placement: usize,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
) {
    let tracked = Device::flex().autodiff();
    let plain = whole::<Tied>(&Tied::model(&tracked), Tied::batch(7, &tracked));

    let devices = &placements()[placement];
    let pipeline = pipeline(devices, mode);
    let (input, target) = Tied::batch(7, &Device::flex());
    let step = pipeline.train_step(input, target, Tied::loss).unwrap();

    let mut weights = Gradients {
        step: &step.grads,
        devices: Vec::new(),
    };
    pipeline.visit(&mut weights);
    assert_eq!(weights.devices.len(), 3);
    assert_eq!(weights.devices[0], devices[0]);

    // The plain model has the gradient at each holder, and Burn registers it once.
    let found = Step::new(step.loss, &step.grads, &pipeline);
    for (path, gradient) in &found.gradients {
        let expected = plain.gradients[path].as_ref().unwrap();
        assert_close(path, gradient.as_ref().unwrap(), expected, 1e-5);
    }
}

struct Gradients<'a> {
    step: &'a burn::optim::GradientsParams,
    devices: Vec<Device>,
}

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.step.get::<D>(param.id).unwrap();
        assert_eq!(gradient.device(), param.base().device());
        if D == 2 {
            self.devices.push(gradient.device());
        }
    }
}

/// Each update reaches all holders, and each stays where it is.
#[rstest]
fn holders_on_several_devices_are_updated_where_they_are(#[values(0, 1, 2)] placement: usize) {
    let devices = &placements()[placement];
    let mut pipeline = pipeline(devices, Rematerialization::ExceptLast);
    let before = pipeline.inner().copies();
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..5 {
        let (input, target) = Tied::batch(7, &devices[0]);
        let step = pipeline.train_step(input, target, Tied::loss).unwrap();
        losses.push(step.loss.into_scalar::<f32>());
        pipeline = optimizer.step(1e-2, pipeline, step.grads);
        assert_tied_in_place(&pipeline);
    }
    assert!(losses[4] < losses[0], "{losses:?}");
    assert_ne!(before[0], pipeline.inner().copies()[0]);

    let bytes = pipeline.clone().into_record().into_bytes().unwrap();
    let fresh = pipelined::pipeline::<Tied>(&PipelineConfig::new(), &[2, 4], &Device::flex());
    let loaded = fresh.load_record(ModuleRecord::from_bytes(bytes).unwrap());
    for copy in loaded.inner().copies() {
        assert_same("a copy", &copy, &pipeline.inner().copies()[0]);
    }
}

fn assert_tied_in_place(pipeline: &PipelineModule<Tied>) {
    let copies = pipeline.inner().copies();
    for copy in &copies[1..] {
        assert_same("a copy", copy, &copies[0]);
    }
    pipeline.inner().visit_layers(&mut OnStages {
        devices: pipeline.stage_devices(),
        stages: (0..6)
            .map(|layer| pipeline.partition().stage_of(layer))
            .collect(),
        layer: 0,
    });
}

struct OnStages {
    devices: Vec<Device>,
    stages: Vec<usize>,
    layer: usize,
}

impl LayerVisitor for OnStages {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        struct On<'a>(&'a Device);
        impl ModuleVisitor for On<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                assert_eq!(param.base().device(), *self.0);
                assert!(param.is_require_grad());
            }
        }
        layer.visit(&mut On(&self.devices[self.stages[self.layer]]));
        self.layer += 1;
    }
}

#[derive(Module, Debug)]
struct Lazy {
    weight: Param<Tensor<2>>,
}

impl Layer for Lazy {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val())
    }
}

/// Values that differ each time: a second initialisation would show.
fn lazy(device: &Device, num_born: &Arc<AtomicUsize>, born: &Arc<Mutex<Vec<Device>>>) -> Lazy {
    let (num_born, born) = (num_born.clone(), born.clone());
    let init = move |device: &Device, require_grad: bool| {
        born.lock().unwrap().push(device.clone());
        let value = num_born.fetch_add(1, Ordering::Relaxed) as f32 + 1.0;
        Tensor::<2>::full([2, 2], value, device).set_require_grad(require_grad)
    };
    let (device, shape) = (device.clone(), Shape::new([2, 2]));
    Lazy {
        weight: Param::uninitialized(ParamId::new(), init, device, true, shape),
    }
}

/// A clone made before its parameter has a value is tied all the same.
#[rstest]
fn a_tied_weight_that_is_built_lazily_has_one_value(#[values(0, 1, 2)] placement: usize) {
    let devices = &placements()[placement];
    let (num_born, born) = (Arc::default(), Arc::default());
    let tied = lazy(&devices[0], &num_born, &born);
    let model = vec![
        tied.clone(),
        lazy(&devices[0], &num_born, &born),
        lazy(&devices[0], &num_born, &born),
        tied,
    ];
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(2)
        .init(model, Placement::even(devices))
        .unwrap();
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..3 {
        let weights: Vec<_> = pipeline
            .inner()
            .iter()
            .map(|layer| values(layer.weight.val().into_data()))
            .collect();
        assert_eq!(weights[0], weights[3]);
        assert_ne!(weights[0], weights[1]);
        assert_ne!(weights[1], weights[2]);
        let stages = (0..4).map(|layer| pipeline.partition().stage_of(layer));
        for (layer, stage) in pipeline.inner().iter().zip(stages) {
            assert_eq!(layer.weight.val().device(), devices[stage]);
        }
        let input = Tensor::<2>::ones([4, 2], &devices[0]);
        let step = pipeline.train_step(input, (), |output, ()| output.mean());
        pipeline = optimizer.step(1e-2, pipeline, step.unwrap().grads);
    }

    assert_eq!(pipeline.num_params(), 3 * 4);
}
