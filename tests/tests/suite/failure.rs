//! A stage that fails is an error that names the place, and nothing else has happened.

use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Instruction, Op, PipelineConfig, PipelineError, PipelineModule, Placement, Rematerialization,
    StageError,
};
use burn_pipeline_tests::compare::{Step, parameters};
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::fragile::{Event, Fault, Fragile, Watched, fragile};
use burn_pipeline_tests::models::mean_square;
use rstest::rstest;

const NUM_STAGES: usize = 3;
const NUM_MICRO_BATCHES: usize = 3;
const WIDTH: usize = 4;

fn pipeline() -> (PipelineModule<Vec<Fragile>>, Fault) {
    let device = Device::flex();
    let (model, fault) = fragile(5, WIDTH, &device);
    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(NUM_MICRO_BATCHES)
        .with_rematerialization(Rematerialization::Always)
        .init(
            model,
            Placement::from_counts(&vec![device; NUM_STAGES], &[2, 1, 2]),
        )
        .unwrap();
    (pipeline, fault)
}

fn train(pipeline: &PipelineModule<Vec<Fragile>>, fault: &Fault) -> Result<Step, PipelineError> {
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

/// The event that belongs to an instruction: GPipe runs the micro-batches forward, then each
/// recomputed and backward from the last to the first.
fn event(stage: usize, instruction: Instruction) -> (Event, usize) {
    let layers = [2, 1, 2][stage];
    let micro_batch = instruction.micro_batch();
    let from_the_last = NUM_MICRO_BATCHES - 1 - micro_batch;
    match instruction.op() {
        Op::Forward => (Event::Run, layers * micro_batch),
        Op::Recompute => (Event::Run, layers * (NUM_MICRO_BATCHES + from_the_last)),
        // The outputs of all but the last stage and the leaves of all but the first are visited.
        Op::Backward => (Event::Visit, from_the_last * if stage == 1 { 2 } else { 1 }),
    }
}

#[rstest]
fn a_failure_at_any_place_is_named_and_leaves_no_trace(
    #[values(0, 1, 2)] stage: usize,
    #[values(Op::Forward, Op::Recompute, Op::Backward)] op: Op,
    #[values(0, 1, 2)] micro_batch: usize,
) {
    let _draws = generator();
    let (undisturbed, no_fault) = pipeline();
    let first = train(&undisturbed, &no_fault).unwrap();
    let second = train(&undisturbed, &no_fault).unwrap();

    let (pipeline, fault) = pipeline();
    train(&pipeline, &fault).unwrap().assert_same(&first);
    let before = parameters(&pipeline);

    let instruction = Instruction::new(op, micro_batch);
    let (event, nth) = event(stage, instruction);
    fault.arm(stage, event, nth);
    let error = failure(train(&pipeline, &fault).unwrap_err());

    assert_eq!(error.stage, stage);
    assert_eq!(error.instruction, instruction);
    assert_eq!(error.message, "a fault that the test asked for");
    let first_layer = [0, 2, 3][stage];
    let in_layer = (op != Op::Backward).then(|| (first_layer, first_layer.to_string()));
    assert_eq!(error.layer, in_layer);
    assert!(error.to_string().contains(&format!("stage {stage} failed")));

    assert_eq!(parameters(&pipeline), before);
    assert_eq!(pipeline.num_steps(), 1);
    train(&pipeline, &fault).unwrap().assert_same(&second);
}

#[test]
fn a_loss_that_panics_is_named_as_the_loss() {
    let _draws = generator();
    let (pipeline, fault) = pipeline();
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
    let (pipeline, fault) = pipeline();
    let input = || Watched(floats([6, WIDTH], 1, &Device::flex()), Fault::default());
    fault.arm(1, Event::Run, 2);
    let error = failure(pipeline.forward(input()).err().unwrap());

    assert_eq!(error.stage, 1);
    assert_eq!(error.instruction, Instruction::forward(2));
    assert_eq!(error.layer, Some((2, "2".to_string())));
    assert_eq!(pipeline.forward(input()).unwrap().0.dims(), [6, WIDTH]);
}
