//! A run that is saved goes on as if it had never stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{LinearConfig, LinearLayout};
use burn::optim::ModuleOptimizer;
use burn::store::BurnpackStore;
use burn::store::ModuleSnapshot;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Ema, LoadError, LossScaler, LossScalerConfig, PipelineConfig, PipelineModule,
    PipelineOptimizer, Placement, Ranked, Rematerialization, Saved, ScheduleKind, ranked,
};
use burn_pipeline_tests::compare::{assert_same_parameters, ids, parameters};
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Convolution, LowRank, Mlp, Tied, Toy, Transformer};
use burn_pipeline_tests::optimizers::{adam, in_groups, momentum};
use burn_pipeline_tests::pipelined::pipeline;
use rstest::rstest;
use serde::{Deserialize, Serialize};

const SEED: u64 = 7;

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
        .args(["--exact", "saving::a_run_goes_on_in_another_process"])
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

#[test]
fn the_weights_are_a_record_of_the_plain_model() {
    let directory = Temporary::new();
    let pipeline = pipeline::<Convolution>(&PipelineConfig::new(), &[4, 4], &Device::flex());
    let optimizer = PipelineOptimizer::new(adam());
    let saved = Saved::new(&directory.0);
    saved.save(&pipeline, &optimizer, None, &()).unwrap();
    let weights = saved.directory().join("weights-1.bpk");

    let empty = || Convolution::model(&Device::flex()).map(&mut Zeros);
    let loaded = empty().load_file(&weights);
    assert_same_parameters(&parameters(&loaded), &parameters(&pipeline));
    let mut loaded = empty();
    let mut store = BurnpackStore::from_file(&weights);
    assert!(loaded.load_from(&mut store).unwrap().is_success());
    assert_same_parameters(&parameters(&loaded), &parameters(&pipeline));
}

/// Burn's own record of such a layer does not load once its parameters are initialised.
#[test]
fn weights_that_lie_in_columns_are_saved_and_loaded() {
    let directory = Temporary::new();
    let start = |salt| -> PipelineModule<Ranked<burn::nn::Linear, 2>> {
        let config = LinearConfig::new(3, 5).with_layout(LinearLayout::Col);
        let mut layer = config.init(&Device::flex());
        let values = floats([3, 5], salt, &Device::flex());
        layer.weight = layer.weight.map(|_| values);
        let placement = Placement::even(&[Device::flex()]);
        PipelineConfig::new()
            .init(ranked(layer), placement)
            .unwrap()
    };
    let (one, other) = (start(1), start(2));
    let saved = Saved::new(&directory.0);
    let optimizer = || PipelineOptimizer::new(adam());
    saved.save(&one, &optimizer(), None, &()).unwrap();
    let loaded = saved.load::<_, ()>(other, optimizer()).unwrap();
    assert_same_parameters(&parameters(&loaded.pipeline), &parameters(&one));
}

#[test]
fn what_a_user_saves_with_the_run_comes_back_exactly() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Extra {
        epoch: u64,
        scaler: LossScaler,
        rates: Vec<f64>,
        names: BTreeMap<String, f32>,
    }
    let rates = (1..400).map(|n| 0.1f64.powf(f64::from(n) / 7.0) / 3.0);
    let extra = Extra {
        epoch: u64::MAX,
        scaler: LossScalerConfig::new().init(),
        rates: rates.collect(),
        names: [("a".to_string(), 0.1)].into(),
    };
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    assert!(!saved.exists());
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let optimizer = PipelineOptimizer::new(adam());
    saved.save(&pipeline, &optimizer, None, &extra).unwrap();
    assert!(saved.exists());
    let loaded = saved.load::<_, Extra>(pipeline, optimizer).unwrap();
    assert_eq!(loaded.extra, extra);
    assert!(loaded.ema.is_none());
}

/// JSON has no such number, and what it puts in its place cannot be read again.
#[test]
fn what_could_not_be_read_again_does_not_replace_what_can() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let optimizer = PipelineOptimizer::new(adam());
    saved.save(&pipeline, &optimizer, None, &1.5f64).unwrap();
    let error = saved.save(&pipeline, &optimizer, None, &f64::INFINITY);
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("`extra` cannot be written as JSON"),
        "{error}"
    );
    assert_eq!(
        saved.load::<_, f64>(pipeline, optimizer).unwrap().extra,
        1.5
    );
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

#[test]
fn one_run_is_on_disk_after_many_saves() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let config = PipelineConfig::new();
    let mut pipeline = pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut ema = Ema::new(&pipeline, 0.9);
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.0.join("weights-of-mine.bpk"), "the user's").unwrap();
    for step in 0..4 {
        pipeline = train::<Mlp>(pipeline, &mut optimizer, &mut ema, 1);
        saved
            .save(&pipeline, &optimizer, Some(&ema), &step)
            .unwrap();
    }
    let entries = fs::read_dir(&directory.0).unwrap();
    let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "ema-4.bpk",
        "optimizer-4.bpk",
        "run.json",
        "weights-4.bpk",
        "weights-of-mine.bpk",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_cannot_go_on_says_why() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let start = || pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let optimizer = || PipelineOptimizer::new(adam());
    let error = |error: LoadError| error.to_string();
    let load = || saved.load::<_, u64>(start(), optimizer()).map(|_| ());

    let nothing = error(load().unwrap_err());
    assert!(nothing.starts_with("no run is saved in "), "{nothing}");
    saved.save(&start(), &optimizer(), None, &1).unwrap();
    load().unwrap();

    let other = PipelineConfig::new().with_seed(5);
    let other = pipeline::<Mlp>(&other, &[2, 3], &Device::flex());
    let seed = saved.load::<_, u64>(other, optimizer()).map(|_| ());
    assert_eq!(
        error(seed.unwrap_err()),
        "the run was saved with seed 0, but the pipeline is configured with seed 5: make it with \
         `with_seed(0)`"
    );

    let extra = saved.load::<_, String>(start(), optimizer()).map(|_| ());
    let extra = error(extra.unwrap_err());
    assert!(extra.contains("is of another type"), "{extra}");

    let model = pipeline::<Convolution>(&PipelineConfig::new(), &[4, 4], &Device::flex());
    let model = saved.load::<_, u64>(model, optimizer()).map(|_| ());
    let model = error(model.unwrap_err());
    assert!(
        model.contains("the file has no `blocks.0.0.weight`"),
        "{model}"
    );

    let weights = directory.0.join("weights-1.bpk");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let torn = error(load().unwrap_err());
    assert!(torn.contains("weights-1.bpk"), "{torn}");
    fs::write(&weights, whole).unwrap();

    let run = directory.0.join("run.json");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let later = error(load().unwrap_err());
    assert!(
        later.contains("saved in format 2, but this version reads formats up to 1"),
        "{later}"
    );
}

fn train<T: Toy>(
    mut pipeline: PipelineModule<T::Model>,
    optimizer: &mut PipelineOptimizer,
    ema: &mut Ema,
    num_steps: usize,
) -> PipelineModule<T::Model> {
    for _ in 0..num_steps {
        let (input, target) = T::batch(6, &Device::flex());
        let step = pipeline.train_step(input, target, T::loss).unwrap();
        pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
        ema.update(&pipeline);
    }
    pipeline
}

struct DevicesOf(Vec<Device>);

impl ModuleVisitor for DevicesOf {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.base().device().without_autodiff());
    }
}

struct Zeros;

impl burn::module::ModuleMapper for Zeros {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.zeros_like())
    }
}

/// The path of a directory that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self(directory.join(format!("saved-{}", ParamId::new().val())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
