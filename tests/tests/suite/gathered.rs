//! Losses that compare the samples of a whole mini-batch with each other.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{
    DropoutConfig, Layer, PipelineConfig, PipelineError, Rematerialization, ScheduleKind,
    Sequential, Skip, with_random_step,
};
use burn_pipeline_tests::compare::{Step, assert_close, values};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::models::{Mlp, Toy, mean_square};
use burn_pipeline_tests::pipelined::{partitions_for, pipeline};
use rstest::rstest;

/// Every sample is to be nearer to its own target than to any other one of the mini-batch.
fn contrastive(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let device = output.device();
    let similarity = output.matmul(target.transpose());
    let own = Tensor::<1, Int>::arange(0..similarity.dims()[0] as i64, &device);
    CrossEntropyLossConfig::new()
        .init(&device)
        .forward(similarity, own)
}

#[rstest]
fn a_contrastive_loss_is_that_of_the_unsplit_mini_batch(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let device = Device::flex();
    let model = Mlp::model(&device.clone().autodiff());
    let (input, target) = Mlp::batch(num_samples, &device.clone().autodiff());
    let loss = contrastive(model.forward_layers(input), target);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let plain = Step::new(loss, &gradients, &model);

    let kind: ScheduleKind = schedule.parse().unwrap();
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(kind.clone())
        .with_rematerialization(rematerialization);
    let mut first: Option<Step> = None;
    for counts in partitions_for(&kind, model.num_layers()) {
        println!("counts {counts:?}");
        let pipeline = pipeline::<Mlp>(&config, &counts, &device);
        let (input, target) = Mlp::batch(num_samples, &device);
        let step = pipeline.prepare_step(input, target);
        let step = step.with_outputs().run_gathered(contrastive).unwrap();

        let (input, _) = Mlp::batch(num_samples, &device);
        let outputs = step.outputs.expect("asked for");
        assert_close(
            "outputs",
            &values(outputs.into_data()),
            &values(model.valid().forward_layers(input).into_data()),
            1e-5,
        );
        let step = Step::new(step.loss, &step.grads, &pipeline);
        step.assert_close(&plain, 1e-5);
        first.get_or_insert(step.clone()).assert_same(&step);
    }
}

/// One that does not run every forward first on the last part would wait for itself.
#[test]
fn a_schedule_that_cannot_wait_for_all_outputs_is_an_error() {
    let own = "stage 0 F0 F1 B0 B1\nstage 1 F0 B0 F1 B1".parse().unwrap();
    let config = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_schedule(ScheduleKind::Custom(own));
    let pipeline = pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
    let (input, target) = Mlp::batch(4, &Device::flex());
    let step = pipeline
        .prepare_step(input, target)
        .run_gathered(contrastive);
    let error = step.err().expect("a step that cannot run").to_string();
    assert!(
        error.starts_with("the schedule runs the last part backward before all micro-batches"),
        "{error}"
    );

    let waits = "stage 0 F0 F1 B0 B1\nstage 1 F0 F1 B0 B1".parse().unwrap();
    let config = config.with_schedule(ScheduleKind::Custom(waits));
    let pipeline = self::pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
    let (input, target) = Mlp::batch(4, &Device::flex());
    pipeline
        .prepare_step(input, target)
        .run_gathered(contrastive)
        .unwrap();
}

#[test]
fn a_gathered_loss_that_fails_is_an_error_of_the_last_stage() {
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let step = |panics: bool| {
        let (input, target) = Mlp::batch(8, &Device::flex());
        pipeline
            .prepare_step(input, target)
            .run_gathered(move |output, target| match panics {
                true => panic!("no such loss"),
                false => contrastive(output, target),
            })
    };
    match step(true).err() {
        Some(PipelineError::Stage(error)) => {
            assert_eq!(error.stage, 1);
            assert!(error.in_loss);
            assert_eq!(error.message, "no such loss");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pipeline.num_steps(), 0);
    step(false).unwrap();
    assert_eq!(pipeline.num_steps(), 1);
}

#[test]
fn a_gathered_loss_of_nothing_that_trains_is_an_error() {
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let (input, target) = Mlp::batch(8, &Device::flex());
    let step = pipeline
        .prepare_step(input, target)
        .run_gathered(|_, target| target.mean());
    let error = step.err().expect("nothing to train").to_string();
    assert!(
        error.contains("depend on no parameter that trains"),
        "{error}"
    );
}

/// Drawn outside of every layer and micro-batch, the numbers are still those of the step.
#[rstest]
fn a_gathered_loss_that_drops_out_draws_what_the_plain_model_draws(
    #[values(1, 3)] num_micro_batches: usize,
) {
    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        contrastive(DropoutConfig::new(0.5).init().forward(output), target)
    }
    let device = Device::flex();
    let model = Mlp::model(&device.clone().autodiff());
    let (input, target) = Mlp::batch(7, &device.clone().autodiff());
    let (loss_of_plain, gradients) = with_random_step(5, 0, 0..7, || {
        let loss = loss(model.forward_layers(input), target);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        (loss, gradients)
    });
    let plain = Step::new(loss_of_plain, &gradients, &model);

    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_seed(5);
    let pipeline = pipeline::<Mlp>(&config, &[2, 3], &device);
    let (input, target) = Mlp::batch(7, &device);
    let step = pipeline.prepare_step(input, target).run_gathered(loss);
    let step = step.unwrap();
    Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
}

/// What a skip carries reaches such a loss as well, and its gradient goes back.
#[rstest]
fn a_skip_reaches_a_gathered_loss(#[values(1, 3)] num_micro_batches: usize) {
    let device = Device::flex();
    let model = Carrying::model(&device.clone().autodiff());
    let (input, target) = Carrying::batch(7, &device.clone().autodiff());
    let loss = Carrying::loss(model.forward_layers(input), target);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let plain = Step::new(loss, &gradients, &model);

    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    for counts in [vec![2], vec![1, 1]] {
        let pipeline = pipeline::<Carrying>(&config, &counts, &device);
        let (input, target) = Carrying::batch(7, &device);
        let step = pipeline
            .prepare_step(input, target)
            .run_gathered(Carrying::loss)
            .unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    }
}

type With = (Tensor<2>, Skip<Tensor<2>>);

#[derive(Module, Debug)]
struct Wrap {
    linear: Linear,
}

#[derive(Module, Debug)]
struct Along {
    linear: Linear,
}

impl Layer for Wrap {
    type Input = Tensor<2>;
    type Output = With;

    fn forward(&self, input: Tensor<2>) -> With {
        let output = self.linear.forward(input);
        (output.clone().tanh(), Skip::new(output))
    }
}

impl Layer for Along {
    type Input = With;
    type Output = With;

    fn forward(&self, (input, skip): With) -> With {
        (self.linear.forward(input), skip)
    }
}

#[derive(Module, Sequential, Debug)]
struct Carrying {
    wrap: Wrap,
    along: Along,
}

impl Toy for Carrying {
    type Model = Self;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Self {
        let linear = || LinearConfig::new(4, 4).init(device);
        filled(Self {
            wrap: Wrap { linear: linear() },
            along: Along { linear: linear() },
        })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        (
            floats([num_samples, 4], 1, device),
            floats([num_samples, 4], 2, device),
        )
    }

    fn loss((output, skip): With, target: Tensor<2>) -> Tensor<1> {
        mean_square(
            output.matmul(skip.get().transpose()),
            target.clone().matmul(target.transpose()),
        )
    }
}
