//! The same bits, wherever and however a run goes on.

use std::process::Command;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Ema, PipelineConfig, PipelineModule, PipelineOptimizer, Placement, Rematerialization, Saved,
    ScheduleKind,
};
use burn_pipeline_tests::compare::{assert_same_parameters, ids, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Convolution, LowRank, Mlp, Tied, Toy, Transformer};
use burn_pipeline_tests::optimizers::{adam, in_groups, momentum};
use burn_pipeline_tests::pipelined::pipeline;
use rstest::rstest;

use super::{SEED, Temporary, train};

#[rstest]
#[case::mlp(goes_on::<Mlp>, [vec![5], vec![2, 3], vec![1, 1, 3]])]
#[case::dropout(goes_on::<Transformer>, [vec![5], vec![2, 3], vec![1, 3, 1]])]
#[case::running_statistics(goes_on::<Convolution>, [vec![8], vec![4, 4], vec![1, 1, 6]])]
#[case::adapters(goes_on::<LowRank>, [vec![5], vec![2, 3], vec![1, 1, 3]])]
fn a_run_goes_on_to_the_same_bits_on_another_partition_and_schedule(
    #[case] goes_on: GoesOn,
    #[case] counts: [Vec<usize>; 3],
    #[values(adam, momentum, in_groups)] optimizer: fn() -> ModuleOptimizer,
) {
    goes_on(&counts, optimizer);
}

type GoesOn = fn(&[Vec<usize>; 3], fn() -> ModuleOptimizer);

fn goes_on<T: Toy>(counts: &[Vec<usize>; 3], optimizer: fn() -> ModuleOptimizer) {
    let _generator = T::DRAWS.then(generator);
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let config = PipelineConfig::new()
        .with_num_micro_batches(2)
        .with_seed(SEED);
    // Both run the last micro-batch backward first: the order of the sum is the same.
    let other: ScheduleKind = "breadth-first:1".parse().unwrap();
    let other = config
        .clone()
        .with_schedule(other)
        .with_rematerialization(Rematerialization::Always);

    let start = pipeline::<T>(&config, &counts[1], &Device::flex());
    let mut states = PipelineOptimizer::new(optimizer());
    let mut ema = Ema::new(&start, 0.9);
    let half_way = train::<T>(start, &mut states, &mut ema, 3);
    saved.save(&half_way, &states, Some(&ema), &3).unwrap();
    let straight = train::<T>(half_way, &mut states, &mut ema, 3);

    for (config, counts) in [
        (&other, &counts[2]),
        (&other, &counts[0]),
        (&config, &counts[1]),
    ] {
        println!("counts {counts:?}");
        let anew = pipeline::<T>(config, counts, &Device::flex());
        let loaded = saved
            .load::<_, u64>(anew, PipelineOptimizer::new(optimizer()))
            .unwrap();
        assert_eq!(loaded.extra, 3);
        assert_eq!(loaded.pipeline.num_steps(), 3);
        assert_eq!(ids(&loaded.pipeline), ids(&straight));
        let (mut optimizer, mut averages) = (loaded.optimizer, loaded.ema.unwrap());
        let resumed = train::<T>(loaded.pipeline, &mut optimizer, &mut averages, 3);
        assert_same_parameters(&parameters(&resumed), &parameters(&straight));
        let averaged = parameters(&averages.apply(resumed));
        assert_same_parameters(&averaged, &parameters(&ema.apply(straight.clone())));
    }
}

/// The process that saves is this test again, started by itself.
#[test]
fn a_run_goes_on_in_another_process() {
    const DIRECTORY: &str = "A_RUN_IS_SAVED_HERE";
    let config = PipelineConfig::new().with_seed(SEED);
    let start = || pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
    let steps = |pipeline, optimizer: &mut PipelineOptimizer| {
        let mut ema = Ema::new(&pipeline, 0.9);
        train::<Mlp>(pipeline, optimizer, &mut ema, 2)
    };
    let mut optimizer = PipelineOptimizer::new(adam());
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let pipeline = steps(start(), &mut optimizer);
        let saved = Saved::new(directory);
        saved.save(&pipeline, &optimizer, None, &()).unwrap();
        return;
    }

    let directory = Temporary::new();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "saving::goes_on::a_run_goes_on_in_another_process",
        ])
        .env(DIRECTORY, &directory.0)
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");

    let straight = steps(start(), &mut optimizer);
    let straight = steps(straight, &mut optimizer);
    let anew = pipeline::<Mlp>(&config, &[1, 3, 1], &Device::flex());
    let loaded = Saved::new(&directory.0)
        .load::<_, ()>(anew, PipelineOptimizer::new(adam()))
        .unwrap();
    let mut optimizer = loaded.optimizer;
    let resumed = steps(loaded.pipeline, &mut optimizer);
    assert_same_parameters(&parameters(&resumed), &parameters(&straight));
}

#[test]
fn what_is_loaded_is_on_the_devices_of_its_stages_and_does_not_need_the_files() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let [one, other] = two_devices();
    let init = |devices: [&Device; 2]| {
        let devices = devices.map(Clone::clone);
        let placement = Placement::from_counts(&devices, &[2, 3]);
        let model = Mlp::model(&devices[0]);
        PipelineConfig::new().init(model, placement).unwrap()
    };
    let pipeline = init([&one, &other]);
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut ema = Ema::new(&pipeline, 0.9);
    let pipeline = train::<Mlp>(pipeline, &mut optimizer, &mut ema, 2);
    saved.save(&pipeline, &optimizer, Some(&ema), &()).unwrap();

    let loaded = saved
        .load::<_, ()>(init([&other, &one]), PipelineOptimizer::new(adam()))
        .unwrap();
    drop(directory);
    let expected = [vec![other; 4], vec![one; 6]].concat();
    let mut devices = DevicesOf(Vec::new());
    loaded.pipeline.visit(&mut devices);
    assert_eq!(devices.0, expected);
    let mut ema = loaded.ema.unwrap();
    let mut devices = DevicesOf(Vec::new());
    ema.apply(loaded.pipeline.clone()).visit(&mut devices);
    assert_eq!(devices.0, expected);

    let mut optimizer = loaded.optimizer;
    let pipeline = train::<Mlp>(loaded.pipeline, &mut optimizer, &mut ema, 2);
    let mut devices = DevicesOf(Vec::new());
    pipeline.visit(&mut devices);
    assert_eq!(devices.0, expected);
}

/// A weight that several layers hold is saved once, and loaded into all of them.
#[test]
fn a_run_with_tied_weights_goes_on_to_the_same_bits() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let config = PipelineConfig::new();
    let steps = |mut pipeline: PipelineModule<Tied>, optimizer: &mut PipelineOptimizer| {
        for _ in 0..3 {
            let (input, target) = Tied::batch(6, &Device::flex());
            let step = pipeline.train_step(input, target, Tied::loss).unwrap();
            pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
        }
        pipeline
    };
    let mut optimizer = PipelineOptimizer::new(adam());
    let half_way = steps(
        pipeline::<Tied>(&config, &[3, 3], &Device::flex()),
        &mut optimizer,
    );
    saved.save(&half_way, &optimizer, None, &()).unwrap();
    let straight = steps(half_way, &mut optimizer);

    let fresh = pipeline::<Tied>(&config, &[1, 4, 1], &Device::flex());
    let loaded = saved.load::<_, ()>(fresh, PipelineOptimizer::new(adam()));
    let loaded = loaded.unwrap();
    let mut optimizer = loaded.optimizer;
    let resumed = steps(loaded.pipeline, &mut optimizer);
    assert_eq!(resumed.inner().copies(), straight.inner().copies());
}

struct DevicesOf(Vec<Device>);

impl ModuleVisitor for DevicesOf {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.base().device().without_autodiff());
    }
}
