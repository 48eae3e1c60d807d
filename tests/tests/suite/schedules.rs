//! What a configuration says of its schedule, and what the timeline of a step says of both.

use burn::config::Config;
use burn::tensor::Device;
use burn_pipeline::{
    Op, PipelineConfig, PipelineError, PipelineModule, Placement, Rematerialization, ScheduleKind,
    Timeline,
};
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::pipelined::{first_step, pipeline};
use rstest::rstest;

const NUM_SAMPLES: usize = 12;

fn init(config: &PipelineConfig, placement: Placement) -> Result<PipelineModule<Mlp>, String> {
    let error = |error: PipelineError| error.to_string();
    let pipeline = config.init(Mlp::model(&Device::flex()), placement);
    pipeline.map_err(error)
}

fn even(num_stages: usize) -> Placement {
    Placement::even(&vec![Device::flex(); num_stages])
}

fn with_schedule(schedule: &str) -> PipelineConfig {
    PipelineConfig::new().with_schedule(schedule.parse().unwrap())
}

#[rstest]
#[case::more_chunks_than_layers(
    with_schedule("interleaved:3"),
    even(2),
    "3 chunks on each of 2 stages need at least 6 layers, but the model has 5: use fewer chunks \
     or stages, or write the model as more layers"
)]
#[case::no_chunks(
    with_schedule("breadth-first:0"),
    even(2),
    "the schedule cannot run: 2 stages of 0 chunks and 4 micro-batches make no schedule: use at \
     least 1 of each"
)]
#[case::one_part_per_stage(
    with_schedule("interleaved:2"),
    Placement::from_counts(&[Device::flex(), Device::flex()], &[2, 3]),
    "the placement cuts the model into 2 parts, but the schedule has 2 chunks on each of 2 \
     devices: cut it into 4"
)]
#[case::another_number_of_micro_batches(
    with_schedule("stage 0 F0 F1 B1 B0"),
    even(1),
    "the schedule is for 2 micro-batches, but num_micro_batches is 4: set both to the same number"
)]
#[case::another_number_of_stages(
    with_schedule("stage 0 F0 F1 B1 B0").with_num_micro_batches(2),
    even(2),
    "the schedule cannot run: the schedule is for 1 stages and 2 micro-batches, but 2 stages and \
     2 micro-batches are asked for: write it for as many of both"
)]
#[case::inference(
    with_schedule("stage 0 F0 F1\nstage 1 F0 F1").with_num_micro_batches(2),
    even(2),
    "the schedule runs nothing backward, so nothing would train: add a B for every F (inference \
     needs no schedule)"
)]
#[case::a_deadlock(
    with_schedule("stage 0 F0 B0 F1 B1\nstage 1 F0 F1 B0 B1").with_num_micro_batches(2),
    even(2),
    "the schedule cannot run: deadlock: stage 0 stops at position 1, where B0 waits for B0 of \
     stage 1, and stage 1 stops at position 1, where F1 waits for F1 of stage 0: move F1 of stage \
     0 before its B0\n\
     stage 0   F0    B0 F1 B1\n                ^^\n\
     stage 1      F0 F1 B0 B1\n                ^^"
)]
fn a_schedule_that_cannot_train_is_an_error_before_any_thread_starts(
    #[case] config: PipelineConfig,
    #[case] placement: Placement,
    #[case] message: &str,
) {
    assert_eq!(init(&config, placement).unwrap_err(), message);
}

#[rstest]
fn recomputing_ahead_changes_no_bit(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values(1, 4)] num_ahead: usize,
) {
    let late = with_schedule(schedule)
        .with_num_micro_batches(6)
        .with_rematerialization(Rematerialization::Always);
    let ahead = late.clone().with_num_recomputed_ahead(num_ahead);
    let counts: &[usize] = match late.schedule.num_chunks() {
        1 => &[1, 2, 2],
        _ => &[1, 1, 1, 2],
    };
    let step = |config| first_step::<Mlp>(config, counts, NUM_SAMPLES, &Device::flex());
    step(&ahead).assert_same(&step(&late));
}

#[test]
fn stages_recompute_ahead_where_they_wait() {
    let config = with_schedule("1f1b").with_num_recomputed_ahead(1);
    let schedule = timeline(&config, &[1, 2, 2]).schedule();
    assert_eq!(
        schedule.to_string(),
        "stage 0   F0 F1 F2 R0       B0 F3 R1 B1 R2 B2 R3 B3\n\
         stage 1      F0 F1 R0 R1 B0 F2 B1 F3 R2 B2 R3 B3\n\
         stage 2         F0 B0 F1 B1    F2 B2 F3 B3"
    );
}

#[rstest]
fn a_step_runs_the_schedule_of_its_configuration(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values(Rematerialization::Never, Rematerialization::ExceptLast)]
    rematerialization: Rematerialization,
) {
    let config = with_schedule(schedule).with_rematerialization(rematerialization);
    let timeline = timeline(&config, &[1, 1, 1, 2]);
    let num_stages = 4 / config.schedule.num_chunks();
    let expected = config.training_schedule(num_stages, 4).unwrap();
    assert_eq!(timeline.schedule(), expected);
}

#[test]
fn the_last_stage_of_1f1b_recomputes_nothing() {
    let timeline = timeline(&with_schedule("1f1b"), &[1, 2, 2]);
    let recomputes = |stage| {
        let instructions = timeline.stage(stage).map(|it| it.instruction.op());
        instructions.filter(|&op| op == Op::Recompute).count()
    };
    assert_eq!([0, 1, 2].map(recomputes), [4, 4, 0]);
}

#[rstest]
fn the_parts_of_each_stage_s_time_add_up(
    #[values("gpipe", "1f1b", "interleaved:2")] schedule: &str,
) {
    let timeline = timeline(&with_schedule(schedule), &[1, 1, 1, 2]);
    for stage in 0..timeline.num_stages() {
        let time = timeline.stage_time(stage);
        let waiting = time.waiting_for_boundary + time.waiting_for_gradient + time.idle;
        let sum = time.computing + time.moving + waiting;
        assert!((sum - timeline.makespan()).abs() < 1e-6, "{time:?}");
        assert!(time.computing > 0.0 && time.moving > 0.0, "{time:?}");
    }
    let last = timeline.num_stages() - 1;
    assert!(timeline.stage_time(0).waiting_for_gradient > 0.0);
    assert!(timeline.stage_time(last).waiting_for_boundary > 0.0);
}

#[rstest]
fn a_configuration_is_read_with_the_schedule_it_was_saved_with(
    #[values("gpipe", "1f1b", "interleaved:2", "stage 0   F0 B0")] schedule: &str,
) {
    let kind: ScheduleKind = schedule.parse().unwrap();
    let config = PipelineConfig::new().with_schedule(kind.clone());
    let read = PipelineConfig::load_binary(config.to_string().as_bytes()).unwrap();
    assert_eq!(read.schedule, kind);
}

fn timeline(config: &PipelineConfig, counts: &[usize]) -> Timeline {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(config, counts, &device);
    let (input, target) = Mlp::batch(NUM_SAMPLES, &device);
    pipeline
        .train_step(input, target, Mlp::loss)
        .unwrap()
        .timeline
}
