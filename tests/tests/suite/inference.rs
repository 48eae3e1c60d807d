//! Inference through a pipeline is the forward of the model in validation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    PipelineConfig, PipelineError, PipelineModule, Rematerialization, ScheduleKind, Sequential,
};
use burn_pipeline_tests::compare::{
    Step, assert_close, assert_same, assert_same_parameters, parameters, values,
};
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::models::{
    Convolution, Encoded, Frozen, LowRank, Mlp, Output, Pair, Parcels, Toy, Transformer,
};
use burn_pipeline_tests::pipelined::{first_step, partitions_for, pipeline};
use rstest::rstest;

#[rstest]
fn forward_is_the_forward_of_the_model_in_validation(
    #[values(
        infers::<Mlp>,
        infers::<Transformer>,
        infers::<Convolution>,
        infers::<Pair>,
        infers::<Parcels>,
        infers::<Encoded>,
        infers::<LowRank>
    )]
    infers: fn(usize, usize, ScheduleKind),
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values("gpipe", "interleaved:2")] schedule: &str,
) {
    infers(num_micro_batches, num_samples, schedule.parse().unwrap());
}

fn infers<T: Toy>(num_micro_batches: usize, num_samples: usize, kind: ScheduleKind)
where
    Output<T>: Read,
{
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let model = T::model(&device.clone().autodiff());
    let (input, _) = T::batch(num_samples, &device);
    let plain = model.valid().forward_layers(input.clone()).read();

    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(kind.clone());
    for counts in partitions_for(&kind, model.num_layers()) {
        println!("counts {counts:?}");
        let output = pipeline::<T>(&config, &counts, &device).forward(input.clone());
        let output = output.unwrap().read();
        match num_micro_batches {
            1 => assert_same("output", &output, &plain),
            _ => assert_close("output", &output, &plain, 1e-6),
        }
    }
}

#[test]
fn outputs_are_joined_in_the_order_of_the_samples() {
    let device = Device::flex();
    let config = PipelineConfig::new().with_num_micro_batches(5);
    let pipeline = pipeline::<Mlp>(&config, &[2, 2, 1], &device);
    let (input, _) = Mlp::batch(13, &device);
    let joined = pipeline.forward(input.clone()).unwrap();
    assert_eq!(joined.dims(), [13, 3]);
    assert!(!joined.is_autodiff());

    for sample in 0..13 {
        let alone = pipeline
            .forward(input.clone().narrow(0, sample, 1))
            .unwrap();
        let there = joined.clone().narrow(0, sample, 1);
        assert_close("sample", &there.read(), &alone.read(), 1e-6);
    }
}

#[test]
fn dropout_is_off_in_inference_and_on_in_training() {
    let _generator = generator();
    let device = Device::flex();
    let pipeline = pipeline::<Transformer>(&PipelineConfig::new(), &[2, 3], &device);
    let (input, target) = Transformer::batch(6, &device);
    let infer = || pipeline.forward(input.clone()).unwrap();
    assert_same("output", &infer().read(), &infer().read());

    let inferred = Transformer::loss(infer(), target.clone()).read();
    let trained = pipeline.train_step(input.clone(), target, Transformer::loss);
    assert_ne!(trained.unwrap().loss.read(), inferred);
    assert_same("output", &infer().read(), &infer().read());
}

/// Parameters, running statistics, the count of steps, and what the next step computes.
#[rstest]
fn inference_leaves_training_as_it_is(
    #[values(leaves::<Mlp>, leaves::<Transformer>, leaves::<Convolution>, leaves::<Frozen<1, 3>>)]
    leaves: fn(Rematerialization),
    #[values(Rematerialization::Never, Rematerialization::Always)]
    rematerialization: Rematerialization,
) {
    leaves(rematerialization);
}

fn leaves<T: Toy>(rematerialization: Rematerialization) {
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let config = PipelineConfig::new().with_rematerialization(rematerialization);
    let pipeline = pipeline::<T>(
        &config,
        &[2, 1, T::model(&device).num_layers() - 3],
        &device,
    );
    let before = parameters(&pipeline);
    let batch = || T::batch(6, &device);

    pipeline.forward(batch().0).unwrap();
    pipeline.forward(batch().0).unwrap();
    assert_same_parameters(&parameters(&pipeline), &before);
    assert_eq!(pipeline.num_steps(), 0);

    let (input, target) = batch();
    let step = pipeline.train_step(input, target, T::loss).unwrap();
    let step = Step::new(step.loss, &step.grads, &pipeline);
    let counts = pipeline.partition().counts();
    step.assert_same(&first_step::<T>(&config, &counts, 6, &device));

    let trained = parameters(&pipeline);
    pipeline.forward(batch().0).unwrap();
    assert_same_parameters(&parameters(&pipeline), &trained);
    assert_eq!(pipeline.num_steps(), 1);
}

#[test]
fn inference_sees_the_running_statistics_that_training_has_moved() {
    let device = Device::flex();
    let pipeline = pipeline::<Convolution>(&PipelineConfig::new(), &[3, 5], &device);
    let (input, target) = Convolution::batch(6, &device);
    let before = pipeline.forward(input.clone()).unwrap().read();
    pipeline
        .train_step(input.clone(), target, Convolution::loss)
        .unwrap();
    let after = pipeline.forward(input.clone()).unwrap().read();
    assert_ne!(after, before);

    let plain = pipeline.inner().valid().forward_layers(input).read();
    assert_close("output", &after, &plain, 1e-6);
}

#[test]
fn a_pipeline_in_validation_infers_and_trains_again_after_train() {
    let device = Device::flex();
    let pipeline = pipeline::<Frozen<1, 3>>(&PipelineConfig::new(), &[2, 3], &device);
    let (input, target) = Mlp::batch(6, &device);
    let valid = pipeline.valid();
    let output = valid.forward(input.clone()).unwrap().read();
    assert_same(
        "output",
        &output,
        &pipeline.forward(input.clone()).unwrap().read(),
    );

    let refused = valid.train_step(input.clone(), target.clone(), Mlp::loss);
    assert!(matches!(
        refused.err(),
        Some(PipelineError::Configuration(_))
    ));

    let take = |pipeline: &PipelineModule<Mlp>| {
        let step = pipeline
            .train_step(input.clone(), target.clone(), Mlp::loss)
            .unwrap();
        Step::new(step.loss, &step.grads, pipeline)
    };
    take(&valid.train()).assert_same(&take(&pipeline));
}

#[test]
fn an_input_on_an_autodiff_device_is_as_good() {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device);
    let plain = floats([4, 6], 1, &device);
    let tracked = floats([4, 6], 1, &device.autodiff()).require_grad();
    let output = pipeline.forward(tracked).unwrap();
    assert!(!output.is_autodiff());
    assert_same(
        "output",
        &output.read(),
        &pipeline.forward(plain).unwrap().read(),
    );
}

/// The numbers of a tensor.
trait Read {
    fn read(self) -> Vec<f32>;
}

impl<const D: usize> Read for Tensor<D> {
    fn read(self) -> Vec<f32> {
        values(self.into_data())
    }
}
