//! One parameter on several devices of a layer.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Layer, PipelineConfig, PipelineOptimizer, Placement, Rematerialization, Sequential,
};
use burn_pipeline_tests::compare::{assert_close, assert_same, values};
use burn_pipeline_tests::data::floats;
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::mean_square;
use burn_pipeline_tests::optimizers::adam;
use rstest::rstest;

/// One parameter on two devices: a replica follows the first holder.
#[derive(Clone, Debug)]
struct Replicated([Param<Tensor<2>>; 2]);

impl Replicated {
    fn new() -> Self {
        let first = Param::from_tensor(floats([4, 4], 3, &Device::flex()));
        Self(two_devices().map(|device| first.clone().fork(&device)))
    }
}

impl Layer for Replicated {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let device = input.device();
        let parts = self.0.iter().zip(input.chunk(2, 1)).map(|(weight, part)| {
            let part = Tensor::cat(vec![part; 2], 1).to_device(&weight.val().device());
            part.matmul(weight.val()).to_device(&device)
        });
        parts.reduce(|sum, part| sum + part).unwrap()
    }
}

impl Module for Replicated {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, _device: &Device) -> Self {
        Self(self.0.map(|weight| {
            let device = weight.lazy_device();
            weight.fork(&device)
        }))
    }

    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        Self(self.0.map(Module::train))
    }

    fn valid(&self) -> Self {
        Self(self.0.each_ref().map(Module::valid))
    }

    fn materialize(self) -> Self {
        Self(self.0.map(Module::materialize))
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self(Module::map(self.0, mapper))
    }
}

#[rstest]
fn replicas_in_one_layer_have_one_gradient_and_one_value(
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
) {
    let devices = vec![Device::flex(); 2];
    let model = || vec![Replicated::new(), Replicated::new()];
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_rematerialization(mode)
        .init(model(), Placement::even(&devices))
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(adam());
    let batch = || {
        (
            floats([4, 4], 1, &devices[0]),
            floats([4, 4], 2, &devices[0]),
        )
    };
    for _ in 0..3 {
        let (input, target) = batch();
        let plain = pipeline.inner().clone();
        let loss = mean_square(
            plain.forward_layers(input.clone().autodiff()),
            target.clone().autodiff(),
        );
        let gradients = loss.backward();
        let step = pipeline.train_step(input, target, mean_square).unwrap();
        for layer in &plain {
            let [first, other] = &layer.0;
            let of_holders = [first, other].map(|it| it.val().grad(&gradients).unwrap());
            let [of_first, of_other] = of_holders.map(|it| values(it.into_data()));
            let sum: Vec<_> = of_first.iter().zip(of_other).map(|(a, b)| a + b).collect();
            let found = step.grads.get::<2>(first.id).unwrap();
            assert_eq!(found.device(), first.val().device());
            let found = values(found.into_data());
            assert_close("sum", &found, &sum, 1e-5);
        }
        pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
        for layer in pipeline.inner() {
            let [first, other] = layer.0.each_ref().map(|it| it.val());
            assert_ne!(first.device(), other.device());
            assert_same(
                "a replica",
                &values(other.into_data()),
                &values(first.into_data()),
            );
        }
    }
}
