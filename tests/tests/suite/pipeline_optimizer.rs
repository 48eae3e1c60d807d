//! The optimizer that steps all stages at once steps them as Burn's own does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    PipelineConfig, PipelineModule, PipelineOptimizer, Placement, ScheduleKind, Sequential,
};
use burn_pipeline_tests::compare::{assert_same_parameters, ids, parameters};
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{
    Convolution, Frozen, FrozenNorm, LowRank, Mlp, Pair, Toy, Unused, WithoutDropout,
};
use burn_pipeline_tests::optimizers::{
    adam, clipped_by_norm, clipped_by_value, constant, decaying, in_groups, momentum, slower_head,
    train,
};
use burn_pipeline_tests::pipelined::{partitions, pipeline};
use rstest::rstest;

const NUM_STEPS: usize = 4;

#[rstest]
fn every_optimizer_and_rate_steps_as_on_the_plain_model(
    #[values(adam, momentum, clipped_by_value, clipped_by_norm, in_groups)]
    optimizer: fn() -> ModuleOptimizer,
    #[values(constant, decaying, slower_head)] rate: fn() -> ModuleLrScheduler,
) {
    same_as_plain::<Mlp>(optimizer, rate);
}

#[rstest]
#[case::transformer(same_as_plain::<WithoutDropout>)]
#[case::norm_in_evaluation(same_as_plain::<FrozenNorm>)]
#[case::tuples(same_as_plain::<Pair>)]
#[case::parameters_without_gradients(same_as_plain::<Unused>)]
#[case::a_frozen_beginning(same_as_plain::<Frozen<0, 3>>)]
#[case::a_frozen_end(same_as_plain::<Frozen<3, 5>>)]
#[case::adapters(same_as_plain::<LowRank>)]
fn every_model_is_stepped_as_it_is_whole(#[case] same_as_plain: Compare) {
    same_as_plain(adam, decaying);
}

type Compare = fn(fn() -> ModuleOptimizer, fn() -> ModuleLrScheduler);

fn same_as_plain<T: Toy>(optimizer: fn() -> ModuleOptimizer, rate: fn() -> ModuleLrScheduler) {
    let _generator = T::DRAWS.then(generator);
    let model = T::model(&Device::flex().autodiff());
    let start = parameters(&model);
    let plain = parameters(&train::<T>(model, &mut optimizer(), &mut rate(), NUM_STEPS));
    assert!(start != plain, "training changes parameters");

    for counts in partitions(T::model(&Device::flex()).num_layers()) {
        println!("counts {counts:?}");
        let pipeline = pipeline::<T>(&whole_mini_batches(), &counts, &Device::flex());
        let mut optimizer = PipelineOptimizer::new(optimizer());
        let pipeline = train_pipeline::<T>(pipeline, &mut optimizer, &mut rate(), NUM_STEPS);
        assert_same_parameters(&parameters(&pipeline), &plain);
    }
}

#[rstest]
#[case::several_chunks_in_turn(same_as_burns::<Mlp>, "interleaved:2", &[1, 1, 2, 1])]
#[case::several_chunks_breadth_first(same_as_burns::<Mlp>, "breadth-first:2", &[1, 1, 2, 1])]
#[case::norm_in_training(same_as_burns::<Convolution>, "1f1b", &[3, 5])]
fn a_pipeline_is_stepped_as_by_burns_optimizer(
    #[case] same_as_burns: fn(ScheduleKind, &[usize]),
    #[case] schedule: &str,
    #[case] counts: &[usize],
) {
    same_as_burns(schedule.parse().unwrap(), counts);
}

fn same_as_burns<T: Toy>(kind: ScheduleKind, counts: &[usize]) {
    let config = PipelineConfig::new().with_schedule(kind);
    let start = || pipeline::<T>(&config, counts, &Device::flex());
    let mut burns = adam();
    let mut expected = start();
    for _ in 0..NUM_STEPS {
        let grads = gradients::<T>(&expected);
        expected = burns.step(0.05, expected, grads);
    }
    let mut optimizer = PipelineOptimizer::new(adam());
    let pipeline = train_pipeline::<T>(start(), &mut optimizer, &mut constant(), NUM_STEPS);
    assert_same_parameters(&parameters(&pipeline), &parameters(&expected));
}

/// How the state of an optimizer gets into another one.
#[derive(Clone, Copy, Debug)]
enum Way {
    Record,
    File,
}

#[rstest]
fn states_go_both_ways_between_burns_optimizer_and_this(
    #[values(adam, momentum, clipped_by_norm, in_groups)] optimizer: fn() -> ModuleOptimizer,
    #[values(Way::Record, Way::File)] way: Way,
    #[values(1, 2, 3)] num_stages: usize,
) {
    let file = Temporary::new();
    let counts = &[vec![5], vec![2, 3], vec![1, 3, 1]][num_stages - 1];
    let start = || pipeline::<Mlp>(&whole_mini_batches(), counts, &Device::flex());

    let mut burns = optimizer();
    let mut half_way = start();
    for _ in 0..NUM_STEPS {
        let grads = gradients::<Mlp>(&half_way);
        half_way = burns.step(0.05, half_way, grads);
    }
    let mut expected = half_way.clone();
    let (mut went_on, record) = (burns.clone(), burns.to_record());
    for _ in 0..NUM_STEPS {
        let grads = gradients::<Mlp>(&expected);
        expected = went_on.step(0.05, expected, grads);
    }
    let expected = parameters(&expected);

    // From Burn's to this.
    let resumed = PipelineOptimizer::new(optimizer());
    let mut resumed = match way {
        Way::Record => resumed.load_record(record).unwrap(),
        Way::File => {
            burns.save(&file.0).unwrap();
            resumed.load(&file.0).unwrap()
        }
    };
    let to_this = train_pipeline::<Mlp>(
        half_way.clone(),
        &mut resumed.clone(),
        &mut constant(),
        NUM_STEPS,
    );
    assert_same_parameters(&parameters(&to_this), &expected);

    // A state that waits, and one that has stepped, back to Burn's.
    let mut pipeline = half_way;
    for num_steps in [0, NUM_STEPS / 2] {
        pipeline = train_pipeline::<Mlp>(pipeline, &mut resumed, &mut constant(), num_steps);
        let back = optimizer();
        let mut back = match way {
            Way::Record => back.load_record(resumed.to_record().unwrap()),
            Way::File => {
                resumed.save(&file.0).unwrap();
                back.load(&file.0).unwrap()
            }
        };
        let mut model = pipeline.clone().into_inner();
        model = train::<Mlp>(model, &mut back, &mut constant(), NUM_STEPS - num_steps);
        assert_same_parameters(&parameters(&model), &expected);
    }
}

#[test]
fn states_that_burns_optimizer_has_come_along() {
    let mut burns = adam();
    let pipeline = pipeline::<Mlp>(&whole_mini_batches(), &[2, 3], &Device::flex());
    let grads = gradients::<Mlp>(&pipeline);
    let pipeline = burns.step(0.05, pipeline, grads);

    let this = PipelineOptimizer::from(burns.clone());
    let this = train_pipeline::<Mlp>(pipeline.clone(), &mut { this }, &mut constant(), 1);
    let grads = gradients::<Mlp>(&pipeline);
    let burns = burns.step(0.05, pipeline, grads);
    assert_same_parameters(&parameters(&this), &parameters(&burns));
}

#[test]
fn parameters_stay_on_their_devices() {
    let [one, other] = two_devices();
    let pipeline = PipelineConfig::new()
        .init(
            Mlp::model(&one),
            Placement::from_counts(&[one.clone(), other.clone()], &[2, 3]),
        )
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(adam());
    let pipeline = train_pipeline::<Mlp>(pipeline, &mut optimizer, &mut constant(), 2);

    let mut devices = DevicesOf(Vec::new());
    pipeline.visit(&mut devices);
    let expected: Vec<_> = [vec![one; 4], vec![other; 6]].concat();
    assert_eq!(devices.0, expected);

    // Also when the gradients come from elsewhere.
    let grads = gradients::<Mlp>(&pipeline).to_device(&Device::flex(), &pipeline);
    let pipeline = optimizer.step(0.05, pipeline, grads).unwrap();
    let mut devices = DevicesOf(Vec::new());
    pipeline.visit(&mut devices);
    assert_eq!(devices.0, expected);
}

#[rstest]
fn a_gradient_of_another_shape_is_an_error_before_anything_changes(
    #[values(false, true)] other_rank: bool,
) {
    let pipeline = pipeline::<Mlp>(&whole_mini_batches(), &[2, 3], &Device::flex());
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut grads = gradients::<Mlp>(&pipeline);
    let id = ids(&pipeline)["head.weight"];
    match other_rank {
        true => grads.register(id, floats([3], 1, &Device::flex())),
        false => grads.register(id, floats([3, 8], 1, &Device::flex())),
    }

    let before = parameters(&pipeline);
    let error = optimizer.step(0.05, pipeline.clone(), grads).unwrap_err();
    let found = if other_rank {
        "another rank"
    } else {
        "shape [3, 8]"
    };
    assert!(
        error.to_string().starts_with(&format!(
            "the gradient of parameter `head.weight` has {found}, but the parameter has shape [8, 3]"
        )),
        "{error}"
    );
    assert_same_parameters(&parameters(&pipeline), &before);

    let expected = train_pipeline::<Mlp>(
        pipeline.clone(),
        &mut PipelineOptimizer::new(adam()),
        &mut constant(),
        1,
    );
    let pipeline = train_pipeline::<Mlp>(pipeline, &mut optimizer, &mut constant(), 1);
    assert_same_parameters(&parameters(&pipeline), &parameters(&expected));
}

#[test]
fn an_update_that_panics_is_an_error_that_names_stage_and_parameter() {
    let pipeline = pipeline::<Mlp>(&whole_mini_batches(), &[2, 3], &Device::flex());
    let mut optimizer = PipelineOptimizer::new(Witness {
        fails_at: Some([8, 3]),
        ..Witness::default()
    });
    let grads = gradients::<Mlp>(&pipeline);
    let error = optimizer.step(0.05, pipeline.clone(), grads).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stage 1 on `flex` failed in the update of parameter `head.weight`: this update fails. Some \
         parameters have moved on and others have not: mend the cause and go on from what was \
         saved last."
    );

    // The workers are there for the next one.
    let mut optimizer = PipelineOptimizer::new(adam());
    train_pipeline::<Mlp>(pipeline, &mut optimizer, &mut constant(), 1);
}

#[test]
fn each_parameter_is_updated_by_the_worker_of_its_stage() {
    let witness = Witness::default();
    let pipeline = pipeline::<Mlp>(&whole_mini_batches(), &[2, 1, 2], &Device::flex());
    let mut optimizer = PipelineOptimizer::new(witness.clone());
    train_pipeline::<Mlp>(pipeline, &mut optimizer, &mut constant(), 1);

    let mut threads = witness.threads.lock().unwrap().clone();
    threads.sort();
    let expected = [vec!["stage-0"; 4], vec!["stage-1"; 2], vec!["stage-2"; 4]].concat();
    assert_eq!(threads, expected);
}

/// An optimizer that does nothing, sees on which threads, and fails at a shape.
#[derive(Clone, Default)]
struct Witness {
    threads: Arc<Mutex<Vec<String>>>,
    fails_at: Option<[usize; 2]>,
}

impl Optimizer for Witness {
    type State<const D: usize> = ();

    fn step<const D: usize>(
        &self,
        _lr: LearningRate,
        tensor: Tensor<D>,
        _grad: Tensor<D>,
        _state: Option<()>,
    ) -> (Tensor<D>, Option<()>) {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default().to_string();
        self.threads.lock().unwrap().push(name);
        let fails = self
            .fails_at
            .is_some_and(|shape| tensor.dims()[..] == shape[..]);
        assert!(!fails, "this update fails");
        (tensor, None)
    }

    fn to_device<const D: usize>(_state: (), _device: &Device) {}
}

struct DevicesOf(Vec<Device>);

impl ModuleVisitor for DevicesOf {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.base().device().without_autodiff());
    }
}

fn whole_mini_batches() -> PipelineConfig {
    PipelineConfig::new().with_num_micro_batches(1)
}

fn gradients<T: Toy>(pipeline: &PipelineModule<T::Model>) -> GradientsParams {
    let (input, target) = T::batch(6, &Device::flex());
    let step = pipeline.train_step(input, target, T::loss).unwrap();
    step.grads
}

fn train_pipeline<T: Toy>(
    mut pipeline: PipelineModule<T::Model>,
    optimizer: &mut PipelineOptimizer,
    rate: &mut ModuleLrScheduler,
    num_steps: usize,
) -> PipelineModule<T::Model> {
    for _ in 0..num_steps {
        let grads = gradients::<T>(&pipeline);
        pipeline = optimizer.step(rate.step(), pipeline, grads).unwrap();
    }
    pipeline
}

/// The path of a file that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let unique = ParamId::new().val();
        Self(directory.join(format!("optimizer-{unique}.bpk")))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
