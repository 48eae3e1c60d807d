//! Stages over groups of devices: layers that keep parameters on devices of their own.

use std::fs;
use std::path::PathBuf;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Ema, PipelineConfig, PipelineModule, PipelineOptimizer, Placement, Rematerialization, Saved,
    ScheduleKind, Sequential, clip_gradients_by_norm,
};
use burn_pipeline_tests::compare::{
    Step, assert_close, assert_close_parameters, assert_same_parameters, ids, parameters, values,
};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Grouped, Mlp, NoisyGroup, Toy};
use burn_pipeline_tests::optimizers::{adam, clipped_by_norm, constant, momentum, train};
use burn_pipeline_tests::pipelined::{first_step, partitions, partitions_for, pipeline};
use burn_pipeline_tests::reference::{ByMicroBatches, whole};
use burn_pipeline_tests::schedules::last_first;
use rstest::rstest;

const NUM_STEPS: usize = 4;

/// The reference has its halves on two devices too, so every kernel is the same.
#[rstest]
fn a_model_over_groups_trains_as_it_trains_whole(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
) {
    let device = Device::flex();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let model = Grouped::model(&device.clone().autodiff());
    let batch = || Grouped::batch(num_samples, &device.clone().autodiff());
    let by_micro_batches = ByMicroBatches {
        num_micro_batches,
        last_first: last_first(&kind),
        seed: 0,
        step: 0,
    }
    .step::<Grouped>(&model, batch(), &device);
    by_micro_batches.assert_close(&whole::<Grouped>(&model, batch()), 1e-5);

    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_rematerialization(mode)
        .with_schedule(kind);
    for counts in partitions_for(&config.schedule, model.num_layers()) {
        println!("counts {counts:?}");
        first_step::<Grouped>(&config, &counts, num_samples, &device)
            .assert_same(&by_micro_batches);
    }
}

/// A recomputation draws on both devices what the forward drew, and nobody reads its statistics.
#[rstest]
fn dropout_and_statistics_on_both_devices_are_the_same_for_every_partition(
    #[values("gpipe", "1f1b", "breadth-first:2")] schedule: &str,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
) {
    let _generator = generator();
    let kind: ScheduleKind = schedule.parse().unwrap();
    let run = |config: &PipelineConfig, counts: &[usize]| {
        let mut pipeline = pipeline::<NoisyGroup>(config, counts, &Device::flex());
        let mut optimizer = PipelineOptimizer::new(adam());
        let before = parameters(&pipeline);
        let mut steps = Vec::new();
        for _ in 0..2 {
            let (input, target) = NoisyGroup::batch(7, &Device::flex());
            let step = pipeline.train_step(input, target, NoisyGroup::loss);
            let step = step.unwrap();
            steps.push(Step::new(step.loss, &step.grads, &pipeline));
            pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
        }
        let after = parameters(&pipeline);
        let statistics = "wide.right.norm.running_mean";
        assert_ne!(after[statistics], before[statistics]);
        (steps, after)
    };
    let base = PipelineConfig::new().with_num_micro_batches(3);
    let one_stage = match last_first(&kind) {
        true => base.clone(),
        false => base.clone().with_schedule(kind.clone()),
    };
    let (steps, after) = run(
        &one_stage.with_rematerialization(Rematerialization::Never),
        &[5],
    );

    let config = base.with_schedule(kind).with_rematerialization(mode);
    for counts in partitions_for(&config.schedule, 5) {
        println!("counts {counts:?}");
        let (found, parameters) = run(&config, &counts);
        for (step, expected) in found.iter().zip(&steps) {
            step.assert_same(expected);
        }
        assert_same_parameters(&parameters, &after);
    }
}

#[rstest]
fn an_optimizer_steps_a_group_as_it_steps_the_plain_model(
    #[values(adam, momentum, clipped_by_norm)] optimizer: fn() -> ModuleOptimizer,
    #[values(false, true)] burns: bool,
) {
    let model = Grouped::model(&Device::flex().autodiff());
    let plain = train::<Grouped>(model, &mut optimizer(), &mut constant(), NUM_STEPS);
    let plain = parameters(&plain);
    let config = PipelineConfig::new().with_num_micro_batches(1);
    for counts in partitions(5) {
        println!("counts {counts:?}");
        let mut pipeline = pipeline::<Grouped>(&config, &counts, &Device::flex());
        let mut of_burn = optimizer();
        let mut of_stages = PipelineOptimizer::new(optimizer());
        for _ in 0..NUM_STEPS {
            let grads = gradients(&pipeline);
            pipeline = match burns {
                true => of_burn.step(0.05, pipeline, grads),
                false => of_stages.step(0.05, pipeline, grads).unwrap(),
            };
        }
        assert_same_parameters(&parameters(&pipeline), &plain);
        assert_same_parameters(&parameters(&pipeline.into_inner()), &plain);
    }
}

/// Both ways round, and there and back.
fn placements() -> [Vec<Device>; 3] {
    let [one, other] = two_devices();
    [
        vec![one.clone(), other.clone()],
        vec![other.clone(), one.clone()],
        vec![one.clone(), other, one],
    ]
}

/// A half is where it was made, whichever stage its layer is on. Everything else is on its stage.
#[rstest]
fn parameters_gradients_and_averages_stay_where_their_layers_keep_them(
    #[values(0, 1, 2)] placement: usize,
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
) {
    let devices = &placements()[placement];
    let tracked = Device::flex().autodiff();
    let mut plain = Grouped::model(&tracked);
    let mut plains = adam();
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(mode)
        .init(Grouped::model(&devices[0]), Placement::even(devices))
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut ema = Ema::new(&pipeline, 0.5);
    assert_in_place(&pipeline, devices, None);
    for _ in 0..3 {
        let (input, target) = Grouped::batch(6, &tracked);
        let loss = Grouped::loss(plain.forward_layers(input), target);
        let mut grads = GradientsParams::from_grads(loss.backward(), &plain);
        let norm = clip_gradients_by_norm(&plain, &mut grads, 0.1);
        plain = plains.step(0.05, plain, grads);

        let mut accumulator = GradientsAccumulator::new();
        for _ in 0..2 {
            let (input, target) = Grouped::batch(6, &devices[0]);
            let step = pipeline.prepare_step(input, target).with_loss_scale(0.5);
            let step = step.run(Grouped::loss).unwrap();
            accumulator.accumulate(&pipeline, step.grads);
        }
        let mut grads = accumulator.grads();
        let pipelined = clip_gradients_by_norm(&pipeline, &mut grads, 0.1);
        assert!((norm - pipelined).abs() < 1e-5 * norm && norm > 0.1);
        assert_in_place(&pipeline, devices, Some(&grads));
        pipeline = optimizer.step(0.05, pipeline, grads).unwrap();
        ema.update(&pipeline);
        assert_in_place(&pipeline, devices, None);
        assert_in_place(&ema.apply(pipeline.clone()), devices, None);
    }
    assert_in_place(&pipeline.clone().fork(&Device::flex()), devices, None);
    assert_close_parameters(&parameters(&pipeline), &parameters(&plain), 1e-3);

    let (input, _) = Grouped::batch(6, &devices[0]);
    let output = pipeline.forward(input.clone()).unwrap();
    assert_eq!(output.device(), devices[devices.len() - 1]);
    let expected = plain
        .valid()
        .forward_layers(Grouped::batch(6, &Device::flex()).0);
    let [output, expected] = [output, expected].map(|it| values(it.into_data()));
    assert_close("outputs", &output, &expected, 1e-3);
}

fn assert_in_place(
    pipeline: &PipelineModule<Grouped>,
    devices: &[Device],
    grads: Option<&GradientsParams>,
) {
    let [left, right] = two_devices();
    let mut paths = vec![("left", left), ("right", right)];
    let layers = ["first", "middle", "head"].into_iter().zip([0, 2, 4]);
    paths.extend(
        layers.map(|(path, layer)| (path, devices[pipeline.partition().stage_of(layer)].clone())),
    );
    let mut check = InPlace {
        devices: paths,
        grads,
        path: Vec::new(),
        num_seen: 0,
    };
    pipeline.visit(&mut check);
    assert_eq!(check.num_seen, 2 * 3 + 4 * 2);
}

struct InPlace<'a> {
    /// By a field that leads to the parameter.
    devices: Vec<(&'static str, Device)>,
    grads: Option<&'a GradientsParams>,
    path: Vec<String>,
    num_seen: usize,
}

impl ModuleVisitor for InPlace<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut devices = self.devices.iter();
        let (_, device) = devices
            .find(|(name, _)| self.path.iter().any(|field| field == name))
            .unwrap();
        assert_eq!(param.base().device(), *device, "{:?}", self.path);
        if let Some(grads) = self.grads {
            let gradient = grads.get::<D>(param.id).unwrap();
            assert_eq!(gradient.device(), *device, "{:?}", self.path);
        }
        self.num_seen += 1;
    }
}

/// As without groups: the layers' own devices stay, and a step brings back what has left its stage.
#[test]
fn what_foreign_gradients_have_drawn_away_comes_back_for_the_next_step() {
    let [one, other] = two_devices();
    let step = |pipeline: &PipelineModule<Grouped>| {
        let (input, target) = Grouped::batch(6, &one);
        let step = pipeline.train_step(input, target, Grouped::loss).unwrap();
        (Step::new(step.loss, &step.grads, pipeline), step.grads)
    };
    let pipeline = pipeline::<Grouped>(&PipelineConfig::new(), &[2, 3], &one);
    let (_, grads) = step(&pipeline);
    let expected = adam().step(0.05, pipeline.clone(), grads);
    let (_, grads) = step(&pipeline);
    let moved = adam().step(0.05, pipeline.clone(), grads.to_device(&other, &pipeline));

    let (expected, _) = step(&expected);
    let (found, _) = step(&moved);
    found.assert_close(&expected, 1e-5);
}

#[test]
fn a_run_over_groups_goes_on_to_the_same_bits() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let devices = &placements()[0];
    let start = |counts: &[usize], mode| {
        PipelineConfig::new()
            .with_num_micro_batches(2)
            .with_rematerialization(mode)
            .init(
                Grouped::model(&Device::flex()),
                Placement::from_counts(devices, counts),
            )
            .unwrap()
    };
    let steps = |mut pipeline, optimizer: &mut PipelineOptimizer, ema: &mut Ema| {
        for _ in 0..2 {
            let grads = gradients(&pipeline);
            pipeline = optimizer.step(0.05, pipeline, grads).unwrap();
            ema.update(&pipeline);
        }
        pipeline
    };
    let pipeline = start(&[2, 3], Rematerialization::Never);
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut ema = Ema::new(&pipeline, 0.9);
    let half_way = steps(pipeline, &mut optimizer, &mut ema);
    saved.save(&half_way, &optimizer, Some(&ema), &7).unwrap();
    let straight = steps(half_way, &mut optimizer, &mut ema);

    let anew = start(&[2, 3], Rematerialization::Always);
    let loaded = saved.load::<_, u64>(anew, PipelineOptimizer::new(adam()));
    let loaded = loaded.unwrap();
    assert_in_place(&loaded.pipeline, devices, None);
    assert_eq!(ids(&loaded.pipeline), ids(&straight));
    let (mut optimizer, mut averages) = (loaded.optimizer, loaded.ema.unwrap());
    let resumed = steps(loaded.pipeline, &mut optimizer, &mut averages);
    assert_in_place(&resumed, devices, None);
    assert_same_parameters(&parameters(&resumed), &parameters(&straight));
    assert_same_parameters(
        &parameters(&averages.apply(resumed)),
        &parameters(&ema.apply(straight)),
    );
}

#[test]
fn a_step_that_fails_on_a_group_names_all_of_it_and_changes_nothing() {
    let pipeline = pipeline::<Grouped>(&PipelineConfig::new(), &[3, 2], &Device::flex());
    let step = || {
        let (input, target) = Grouped::batch(6, &Device::flex());
        let step = pipeline.train_step(input, target, Grouped::loss).unwrap();
        Step::new(step.loss, &step.grads, &pipeline)
    };
    let before = step();
    let (input, target) = Grouped::batch(6, &Device::flex());
    let failed = pipeline.train_step(input, target, |_, _| panic!("this loss fails"));
    let error = failed.err().unwrap();
    let error = error.to_string();
    assert!(
        error.contains("stage 1 on `flex and NdArray(Cpu)` failed"),
        "{error}"
    );
    step().assert_same(&before);
}

/// Nothing of a stage without such layers is elsewhere.
#[test]
fn an_ordinary_stage_has_one_device() {
    let [one, other] = two_devices();
    let pipeline = PipelineConfig::new()
        .init(
            Mlp::model(&one),
            Placement::even(&[other.clone(), other.clone()]),
        )
        .unwrap();
    assert_eq!(pipeline.collect_devices(Vec::new()), [other]);
}

fn gradients(pipeline: &PipelineModule<Grouped>) -> GradientsParams {
    let (input, target) = Grouped::batch(6, &Device::flex());
    let step = pipeline.train_step(input, target, Grouped::loss);
    step.unwrap().grads
}

/// The path of a directory that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self(directory.join(format!("group-{}", ParamId::new().val())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
