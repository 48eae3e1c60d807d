//! What is left when a server is lost at a known moment.

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Layer, LostDevice, PipelineConfig, PipelineError, PipelineModule, PipelineOptimizer, Placement,
    Saved,
};
use burn_pipeline_tests::compare::parameters;
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::optimizers::adam;
use rstest::rstest;

use super::servers::{remote, start};

type Model = <Mlp as Toy>::Model;

/// The bound within which a step on a lost server ends.
pub const BOUND: Duration = Duration::from_secs(10);

pub fn pipeline(devices: &[Device]) -> PipelineModule<Model> {
    PipelineConfig::new()
        .with_num_micro_batches(4)
        .init(Mlp::model(&Device::flex()), Placement::even(devices))
        .unwrap()
}

/// One step and its update.
pub fn step(
    pipeline: PipelineModule<Model>,
    optimizer: &mut PipelineOptimizer,
) -> Result<PipelineModule<Model>, PipelineError> {
    let (input, target) = Mlp::batch(8, &Device::flex());
    let step = pipeline.train_step(input, target, Mlp::loss)?;
    optimizer.step(1e-2, pipeline, step.grads)
}

pub fn lost(error: PipelineError) -> LostDevice {
    match error {
        PipelineError::DeviceLost(lost) => *lost,
        error => panic!("not the loss of a device: {error}"),
    }
}

#[rstest]
fn a_server_lost_between_two_steps_is_named_and_the_rest_is_kept(#[values(0, 1, 2)] stage: usize) {
    let mut servers = [start("flex"), start("flex")];
    let far: Vec<_> = servers
        .iter()
        .map(|it| remote(it).device(0).unwrap())
        .collect();
    let here = Device::flex();
    let devices = match stage {
        0 => vec![far[0].clone(), far[1].clone(), here],
        1 => vec![far[1].clone(), far[0].clone(), here],
        _ => vec![here, far[1].clone(), far[0].clone()],
    };
    let mut optimizer = PipelineOptimizer::new(adam());
    let pipeline = step(pipeline(&devices), &mut optimizer).unwrap();
    let directory = std::env::temp_dir().join(format!("lost-{stage}-{}", std::process::id()));
    let saved = Saved::new(&directory);
    saved.save(&pipeline, &optimizer, None, &()).unwrap();

    let url = servers[0].url().to_string();
    servers[0].kill();
    let (input, target) = Mlp::batch(8, &Device::flex());
    let began = Instant::now();
    let error = pipeline.train_step(input, target, Mlp::loss).err().unwrap();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    let lost = lost(error);
    assert_eq!(
        (lost.stage, lost.device),
        (stage, format!("remote:{url}/0"))
    );

    // A run that cannot be saved whole is not saved at all.
    saved.save(&pipeline, &optimizer, None, &()).unwrap_err();
    drop(pipeline);

    let devices = vec![Device::flex(), remote(&servers[1]).device(0).unwrap()];
    let anew = saved
        .load::<_, ()>(self::pipeline(&devices), PipelineOptimizer::new(adam()))
        .unwrap();
    let alone = saved
        .load::<_, ()>(
            self::pipeline(&[Device::flex()]),
            PipelineOptimizer::new(adam()),
        )
        .unwrap();
    let (mut one, mut other) = (anew.optimizer, alone.optimizer);
    let one = step(anew.pipeline, &mut one).unwrap();
    let other = step(alone.pipeline, &mut other).unwrap();
    assert_eq!(parameters(&one), parameters(&other));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_server_lost_before_the_update_is_an_error_of_the_update() {
    let mut servers = [start("flex"), start("flex")];
    let far: Vec<_> = servers
        .iter()
        .map(|it| remote(it).device(0).unwrap())
        .collect();
    let mut optimizer = PipelineOptimizer::new(adam());
    let pipeline = step(pipeline(&far), &mut optimizer).unwrap();
    let (input, target) = Mlp::batch(8, &Device::flex());
    let taken = pipeline.train_step(input, target, Mlp::loss).unwrap();
    servers[1].kill();
    let began = Instant::now();
    let error = optimizer.step(1e-2, pipeline, taken.grads).err().unwrap();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    let lost = lost(error);
    assert_eq!(lost.stage, 1);
    assert!(
        lost.doing.starts_with("the update of parameter `"),
        "{}",
        lost.doing
    );
}

#[test]
fn inference_on_a_lost_server_is_an_error() {
    let mut server = start("flex");
    let pipeline = pipeline(&[Device::flex(), remote(&server).device(0).unwrap()]);
    let (input, _) = Mlp::batch(8, &Device::flex());
    pipeline.forward(input.clone()).unwrap();
    server.kill();
    assert_eq!(lost(pipeline.forward(input).err().unwrap()).stage, 1);
}

/// Asks its device for a number, as layers should not, and so panics where it is gone.
#[derive(Module, Debug)]
pub struct Asking;

impl Layer for Asking {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let sum = input.clone().sum().into_scalar::<f32>();
        assert!(sum.is_finite(), "a sum that is none");
        input
    }
}

#[test]
fn a_layer_that_fails_on_a_server_that_is_there_is_a_failure_of_the_layer() {
    let server = start("flex");
    let model: Vec<Asking> = vec![Asking, Asking];
    let far = remote(&server).device(0).unwrap();
    let pipeline = PipelineConfig::new()
        .init(model, Placement::even(&[Device::flex(), far]))
        .unwrap();
    let infinite = Tensor::<2>::full([4, 2], f32::INFINITY, &Device::flex());
    let error = pipeline.forward(infinite).unwrap_err();
    assert!(matches!(error, PipelineError::Stage(_)), "{error}");
    pipeline
        .forward(Tensor::ones([4, 2], &Device::flex()))
        .unwrap();
}
