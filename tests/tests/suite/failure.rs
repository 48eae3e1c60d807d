//! A stage that fails is an error that names the place, and nothing else has happened.

use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Instruction, Op, PipelineConfig, PipelineError, PipelineModule, Placement, Rematerialization,
    Schedule, ScheduleKind, StageError, rematerialize,
};
use burn_pipeline_tests::compare::{Step, parameters};
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::fragile::{
    Bridge, Bridged, Event, Fault, Fragile, Watched, bridge, fragile,
};
use burn_pipeline_tests::models::mean_square;
use rstest::rstest;

const NUM_MICRO_BATCHES: usize = 3;
const WIDTH: usize = 4;

type Pipeline = PipelineModule<Vec<Fragile>>;

fn pipeline(kind: &ScheduleKind) -> (Pipeline, Fault) {
    let device = Device::flex();
    let (model, fault) = fragile(5, WIDTH, &device);
    let num_stages = parts(kind).len() / kind.num_chunks();
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(NUM_MICRO_BATCHES)
        .with_rematerialization(Rematerialization::Always)
        .with_schedule(kind.clone())
        .init(
            model,
            Placement::from_counts(&vec![device; num_stages], parts(kind)),
        )
        .unwrap();
    (pipeline, fault)
}

fn train(pipeline: &Pipeline, fault: &Fault) -> Result<Step, PipelineError> {
    let device = Device::flex();
    let input = Watched(floats([6, WIDTH], 1, &device), fault.clone());
    let target = floats([6, WIDTH], 2, &device);
    let step = pipeline.train_step(input, target, |output: Watched, target: Tensor<2>| {
        mean_square(output.0, target)
    })?;
    Ok(Step::new(step.loss, &step.grads, pipeline))
}

fn failure(error: PipelineError) -> StageError {
    match error {
        PipelineError::Stage(error) => *error,
        error => panic!("not the failure of a stage: {error}"),
    }
}

/// The number of layers in each part.
fn parts(kind: &ScheduleKind) -> &'static [usize] {
    match kind.num_chunks() {
        1 => &[2, 1, 2],
        _ => &[1, 1, 2, 1],
    }
}

/// The event that belongs to an instruction, and how many of its kind the stage has seen before.
///
/// Each layer of a Forward and a Recompute is one run. In a Backward, the outputs of all parts but
/// the last are visited twice, for the gradients that arrived and for their sum, and the leaves of
/// all but the first once.
fn event(
    pipeline: &Pipeline,
    schedule: &Schedule,
    stage: usize,
    of: Instruction,
) -> (Event, usize) {
    let num_parts = pipeline.partition().num_stages();
    let count = |it: &Instruction, event| {
        let part = it.chunk() * schedule.num_stages() + stage;
        match (it.op(), event) {
            (Op::Backward, Event::Visit) => {
                2 * usize::from(part + 1 < num_parts) + usize::from(part > 0)
            }
            (Op::Forward | Op::Recompute, Event::Run) => pipeline.partition().stage(part).len(),
            _ => 0,
        }
    };
    let event = match of.op() {
        Op::Backward => Event::Visit,
        Op::Forward | Op::Recompute => Event::Run,
    };
    let before = schedule.stage(stage).iter().take_while(|it| **it != of);
    (event, before.map(|it| count(it, event)).sum())
}

#[rstest]
fn a_failure_at_any_place_is_named_and_leaves_no_trace(
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] kind: &str,
) {
    let kind: ScheduleKind = kind.parse().unwrap();
    let num_stages = parts(&kind).len() / kind.num_chunks();
    let schedule = kind.schedule(num_stages, NUM_MICRO_BATCHES).unwrap();
    let schedule = rematerialize(schedule, Rematerialization::Always);
    let _draws = generator();
    let (undisturbed, no_fault) = pipeline(&kind);
    let first = train(&undisturbed, &no_fault).unwrap();
    let second = train(&undisturbed, &no_fault).unwrap();

    let stages = (0..num_stages).map(|stage| (stage, schedule.stage(stage)));
    let places = stages.flat_map(|(stage, list)| list.iter().map(move |it| (stage, *it)));
    for (stage, instruction) in places {
        println!("{instruction} of stage {stage}");
        let (pipeline, fault) = pipeline(&kind);
        train(&pipeline, &fault).unwrap().assert_same(&first);
        let before = parameters(&pipeline);

        let (event, nth) = event(&pipeline, &schedule, stage, instruction);
        fault.arm(stage, event, nth);
        let error = failure(train(&pipeline, &fault).unwrap_err());

        assert_eq!(error.stage, stage);
        assert_eq!(error.instruction, instruction);
        assert_eq!(error.message, "a fault that the test asked for");
        let part = instruction.chunk() * num_stages + stage;
        let first_layer = pipeline.partition().stage(part).start;
        let in_layer =
            (instruction.op() != Op::Backward).then(|| (first_layer, first_layer.to_string()));
        assert_eq!(error.layer, in_layer);
        assert!(
            error
                .to_string()
                .contains(&format!("stage {stage} on `flex` failed"))
        );

        assert_eq!(parameters(&pipeline), before);
        assert_eq!(pipeline.num_steps(), 1);
        train(&pipeline, &fault).unwrap().assert_same(&second);
    }
}

#[test]
fn a_loss_that_panics_is_named_as_the_loss() {
    let _draws = generator();
    let (pipeline, fault) = pipeline(&ScheduleKind::GPipe);
    let device = Device::flex();
    let input = Watched(floats([6, WIDTH], 1, &device), fault.clone());
    let error = pipeline
        .train_step(input, (), |_: Watched, ()| panic!("no loss today"))
        .err()
        .map(failure)
        .unwrap();

    assert!(error.in_loss);
    assert_eq!((error.stage, error.layer.clone()), (2, None));
    assert!(error.to_string().contains("in the loss: no loss today"));
    assert!(train(&pipeline, &fault).is_ok());
}

#[test]
fn an_inference_that_fails_is_an_error_and_the_next_one_works() {
    let _draws = generator();
    let (pipeline, fault) = pipeline(&ScheduleKind::GPipe);
    let input = || Watched(floats([6, WIDTH], 1, &Device::flex()), Fault::default());
    fault.arm(1, Event::Run, 2);
    let error = failure(pipeline.forward(input()).err().unwrap());

    assert_eq!(error.stage, 1);
    assert_eq!(error.instruction, Instruction::forward(2));
    assert_eq!(error.layer, Some((2, "2".to_string())));
    assert_eq!(pipeline.forward(input()).unwrap().0.dims(), [6, WIDTH]);
}

/// Wherever a layer or a signal fails between the two ends of a skip: the next step is the one
/// that would have come.
#[rstest]
fn a_failure_between_the_ends_of_a_skip_leaves_no_trace(
    #[values("gpipe", "1f1b", "interleaved:2")] kind: &str,
    #[values(Rematerialization::Never, Rematerialization::Always)] mode: Rematerialization,
    #[values(Event::Run, Event::Visit)] event: Event,
) {
    let _draws = generator();
    let kind: ScheduleKind = kind.parse().unwrap();
    let num_stages = parts(&kind).len() / kind.num_chunks();
    let device = Device::flex();
    let new = || {
        let (model, fault) = bridge(5, WIDTH, &device);
        let placement = Placement::from_counts(&vec![device.clone(); num_stages], parts(&kind));
        let config = PipelineConfig::new()
            .with_num_micro_batches(NUM_MICRO_BATCHES)
            .with_rematerialization(mode)
            .with_schedule(kind.clone());
        (config.init(model, placement).unwrap(), fault)
    };
    let train = |pipeline: &PipelineModule<Bridge>, fault: &Fault| {
        let input = Watched(floats([6, WIDTH], 1, &device), fault.clone());
        let target = floats([6, WIDTH], 2, &device);
        let step = pipeline.train_step(
            (input, Vec::new()),
            target,
            |(output, _): Bridged, target: Tensor<2>| mean_square(output.0, target),
        )?;
        Ok::<_, PipelineError>(Step::new(step.loss, &step.grads, pipeline))
    };
    let (undisturbed, no_fault) = new();
    let expected = train(&undisturbed, &no_fault).unwrap();

    let mut num_failures = 0;
    for stage in 0..num_stages {
        for nth in 0.. {
            let (pipeline, fault) = new();
            let before = parameters(&pipeline);
            fault.arm(stage, event, nth);
            let Err(error) = train(&pipeline, &fault) else {
                break;
            };
            assert_eq!(failure(error).stage, stage);
            assert_eq!(parameters(&pipeline), before);
            train(&pipeline, &fault).unwrap().assert_same(&expected);
            num_failures += 1;
        }
    }
    assert!(num_failures >= 3 * NUM_MICRO_BATCHES, "{num_failures}");
}
