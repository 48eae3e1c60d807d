//! What is done to gradients between a step and the optimizer: clipping, accumulating, scaling.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    LossScalerConfig, PipelineConfig, PipelineModule, ScheduleKind, clip_gradients_by_norm,
    clip_gradients_by_value,
};
use burn_pipeline_tests::compare::{Step, ids};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Mlp, Pair, Toy, WithoutDropout};
use burn_pipeline_tests::pipelined::{partitions, pipeline};
use burn_pipeline_tests::reference::{ByMicroBatches, whole};
use rstest::rstest;

#[rstest]
#[case::mlp(same_norm::<Mlp>)]
#[case::tuples(same_norm::<Pair>)]
#[case::transformer(same_norm::<WithoutDropout>)]
fn the_norm_is_the_plain_models_for_every_partition(#[case] same_norm: fn(f64, bool)) {
    same_norm(0.01, true);
    same_norm(1e6, false);
}

fn same_norm<T: Toy>(max_norm: f64, clips: bool) {
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let model = T::model(&device.clone().autodiff());
    let by_micro_batches = ByMicroBatches {
        num_micro_batches: 3,
        last_first: true,
        seed: 0,
        step: 0,
    };
    let batch = T::batch(7, &device.clone().autodiff());
    let (loss, mut plain) = by_micro_batches.gradients::<T>(&model, batch, &device);
    let before = Step::new(loss.clone(), &plain, &model);
    let norm = clip_gradients_by_norm(&model, &mut plain, max_norm);
    let after = Step::new(loss, &plain, &model);

    let numbers = |step: &Step| -> Vec<f64> {
        let gradients = step.gradients.values().flatten().flatten();
        gradients.map(|number| f64::from(*number)).collect()
    };
    let norm_of = |step| numbers(step).iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!((norm - norm_of(&before)).abs() < 1e-6 * norm);
    match clips {
        true => assert!((norm_of(&after) - max_norm).abs() < 1e-4 * max_norm),
        false => after.assert_same(&before),
    }

    for counts in partitions(burn_pipeline::Sequential::num_layers(&model)) {
        println!("counts {counts:?}");
        let config = PipelineConfig::new().with_num_micro_batches(3);
        let pipeline = pipeline::<T>(&config, &counts, &device);
        let (input, target) = T::batch(7, &device);
        let mut step = pipeline.train_step(input, target, T::loss).unwrap();
        let of_pipeline = clip_gradients_by_norm(&pipeline, &mut step.grads, max_norm);
        assert_eq!(of_pipeline.to_bits(), norm.to_bits());
        Step::new(step.loss, &step.grads, &pipeline).assert_same(&after);
    }
}

#[test]
fn stages_on_two_devices_are_clipped_together() {
    let [one, other] = two_devices();
    let plain = whole::<Mlp>(&Mlp::model(&one.clone().autodiff()), Mlp::batch(6, &one));
    let placement = burn_pipeline::Placement::from_counts(&[one.clone(), other], &[2, 3]);
    let pipeline = PipelineConfig::new()
        .init(Mlp::model(&one), placement)
        .unwrap();
    let (input, target) = Mlp::batch(6, &one);
    let mut step = pipeline.train_step(input, target, Mlp::loss).unwrap();

    let norm = clip_gradients_by_norm(&pipeline, &mut step.grads, 0.5);
    let numbers = plain.gradients.values().flatten().flatten();
    let expected = numbers.map(|x| f64::from(x * x)).sum::<f64>().sqrt();
    assert!(
        (norm - expected).abs() < 1e-4 * expected,
        "{norm} {expected}"
    );
    let again = clip_gradients_by_norm(&pipeline, &mut step.grads, 0.5);
    assert!((again - 0.5).abs() < 1e-4, "{again}");
}

#[test]
fn values_are_clipped_one_by_one() {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device);
    let mut grads = gradients(&pipeline);
    let before = Step::new(Tensor::zeros([1], &device), &grads, &pipeline);
    clip_gradients_by_value(&pipeline, &mut grads, 0.01);
    let after = Step::new(Tensor::zeros([1], &device), &grads, &pipeline);

    let mut clipped = before.clone();
    let numbers = clipped.gradients.values_mut().flatten().flatten();
    numbers.for_each(|number| *number = number.clamp(-0.01, 0.01));
    after.assert_same(&clipped);
    let num_clipped = |step: &Step| {
        let numbers = step.gradients.values().flatten().flatten();
        numbers.filter(|number| number.abs() > 0.01).count()
    };
    assert!(num_clipped(&before) > 0);
    assert_eq!(num_clipped(&after), 0);
}

/// PyTorch's `clip_grad_norm_` with `error_if_nonfinite=False` does the same.
#[rstest]
#[case(f32::INFINITY, f64::INFINITY, 0.0)]
#[case(f32::NAN, f64::NAN, f32::NAN)]
fn a_norm_that_is_not_finite_is_returned_and_spoils_the_gradients(
    #[case] bad: f32,
    #[case] norm: f64,
    #[case] others: f32,
) {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device);
    let mut grads = gradients(&pipeline);
    inject(&pipeline, &mut grads, "hidden.1.linear.weight", bad);
    let found = clip_gradients_by_norm(&pipeline, &mut grads, 1.0);
    assert_eq!(found.to_string(), norm.to_string());
    let after = Step::new(Tensor::zeros([1], &device), &grads, &pipeline);
    let injected = after.gradients["hidden.1.linear.weight"].as_ref().unwrap();
    assert!(injected[0].is_nan());
    let other = after.gradients["head.bias"].as_ref().unwrap();
    assert!(
        other
            .iter()
            .all(|x| x.to_string() == others.to_string() || *x == others)
    );
}

#[rstest]
fn steps_accumulate_to_the_large_mini_batch(#[values(2, 3)] num_steps: usize) {
    let device = Device::flex();
    let plain = whole::<Mlp>(
        &Mlp::model(&device.clone().autodiff()),
        Mlp::batch(num_steps * 4, &device),
    );
    let mut one_stage: Option<Step> = None;
    for counts in partitions(5) {
        let config = PipelineConfig::new().with_num_micro_batches(2);
        let pipeline = pipeline::<Mlp>(&config, &counts, &device);
        let (input, target) = Mlp::batch(num_steps * 4, &device);
        let mut sum = GradientsAccumulator::new();
        let mut loss: Option<Tensor<1>> = None;
        for part in 0..num_steps {
            let cut = |tensor: &Tensor<2>| tensor.clone().narrow(0, part * 4, 4);
            let step = pipeline
                .prepare_step(cut(&input), cut(&target))
                .with_loss_scale(1.0 / num_steps as f64)
                .run(Mlp::loss)
                .unwrap();
            sum.accumulate(&pipeline, step.grads);
            let share = step.loss / num_steps as f64;
            loss = Some(loss.map_or(share.clone(), |loss| loss + share));
        }
        let accumulated = Step::new(loss.unwrap(), &sum.grads(), &pipeline);
        accumulated.assert_close(&plain, 1e-5);
        accumulated.assert_same(one_stage.get_or_insert(accumulated.clone()));
    }
}

#[rstest]
fn a_loss_scale_scales_the_gradients_and_not_the_loss(#[values("gpipe", "1f1b")] schedule: &str) {
    let device = Device::flex();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let config = PipelineConfig::new().with_schedule(kind);
    let pipeline = pipeline::<Mlp>(&config, &[2, 3], &device);
    let step = |scale| {
        let (input, target) = Mlp::batch(6, &device);
        let step = pipeline.prepare_step(input, target).with_loss_scale(scale);
        let step = step.run(Mlp::loss).unwrap();
        Step::new(step.loss, &step.grads, &pipeline)
    };
    // A power of two moves nothing but exponents.
    let mut scaled = step(1024.0);
    let numbers = scaled.gradients.values_mut().flatten().flatten();
    numbers.for_each(|number| *number /= 1024.0);
    scaled.assert_same(&step(1.0));
}

#[rstest]
#[case::infinite(f32::INFINITY)]
#[case::negative(f32::NEG_INFINITY)]
#[case::not_a_number(f32::NAN)]
fn a_step_that_overflows_is_left_out_and_the_scale_falls(#[case] bad: f32) {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device);
    let mut scaler = LossScalerConfig::new().with_growth_interval(2).init();
    let step = |scale| {
        let (input, target) = Mlp::batch(6, &device);
        let step = pipeline.prepare_step(input, target).with_loss_scale(scale);
        step.run(Mlp::loss).unwrap().grads
    };

    let mut grads = step(scaler.scale());
    inject(&pipeline, &mut grads, "head.bias", bad);
    assert!(scaler.unscale(&pipeline, grads).is_none());
    assert_eq!(scaler.scale(), 32768.0);

    let grads = scaler.unscale(&pipeline, step(scaler.scale())).unwrap();
    let unscaled = Step::new(Tensor::zeros([1], &device), &grads, &pipeline);
    let expected = Step::new(Tensor::zeros([1], &device), &step(1.0), &pipeline);
    unscaled.assert_same(&expected);

    let stored = serde_json::to_string(&scaler).unwrap();
    let mut restored: burn_pipeline::LossScaler = serde_json::from_str(&stored).unwrap();
    assert_eq!(restored, scaler);
    restored.unscale(&pipeline, step(restored.scale())).unwrap();
    assert_eq!(restored.scale(), 65536.0);
}

fn gradients(pipeline: &PipelineModule<Mlp>) -> GradientsParams {
    let (input, target) = Mlp::batch(6, &Device::flex());
    let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
    step.grads
}

/// Put `bad` in the first place of the gradient of the parameter at `path`.
fn inject<M: Module>(module: &M, grads: &mut GradientsParams, path: &str, bad: f32) {
    let id = ids(module)[path];
    struct Inject<'a>(burn::module::ParamId, &'a mut GradientsParams, f32);
    impl ModuleVisitor for Inject<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.id == self.0 {
                let gradient = self.1.remove::<D>(param.id).unwrap();
                let bad = Tensor::full([1; D], self.2, &gradient.device());
                let place = [0; D].map(|start| start..start + 1);
                self.1.register(param.id, gradient.slice_assign(place, bad));
            }
        }
    }
    module.visit(&mut Inject(id, grads, bad));
}
