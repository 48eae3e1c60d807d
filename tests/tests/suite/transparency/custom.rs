//! Schedules of the user's own: any order that can run computes the same.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, Schedule, Sequential};
use burn_pipeline_tests::data::floats;
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::pipelined::{first_step, pipeline};
use burn_pipeline_tests::reference::whole;
use burn_pipeline_tests::schedules::legal_schedule;
use proptest::prelude::*;

const NUM_SAMPLES: usize = 6;

fn config(schedule: Schedule) -> PipelineConfig {
    PipelineConfig::new()
        .with_num_micro_batches(schedule.num_micro_batches())
        .with_schedule(schedule.into())
}

/// One layer for each part, and the rest for the last.
fn counts(num_layers: usize, num_parts: usize) -> Vec<usize> {
    let mut counts = vec![1; num_parts];
    counts[num_parts - 1] += num_layers - num_parts;
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_legal_schedule_trains_as_the_plain_model(schedule in legal_schedule()) {
        let device = Device::flex();
        let model = Mlp::model(&device.clone().autodiff());
        let num_parts = schedule.num_stages() * schedule.num_chunks();
        prop_assume!(num_parts <= model.num_layers());
        let counts = counts(model.num_layers(), num_parts);
        let step = first_step::<Mlp>(&config(schedule), &counts, NUM_SAMPLES, &device);
        let batch = Mlp::batch(NUM_SAMPLES, &device.clone().autodiff());
        step.assert_close(&whole::<Mlp>(&model, batch), 1e-5);
    }
}

#[test]
fn a_schedule_runs_in_the_order_in_which_it_is_written() {
    let text = "\
        stage 0   F1 F0 F0.1 F1.1 B1.1 R0.1 B0.1 B0 B1
        stage 1   F1 F0 F0.1 F1.1 B1.1 B0.1 R0 B0 B1";
    let schedule: Schedule = text.parse().unwrap();
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&config(schedule.clone()), &[1, 1, 1, 2], &device);
    let (input, target) = Mlp::batch(NUM_SAMPLES, &device);
    let timeline = pipeline
        .train_step(input, target, Mlp::loss)
        .unwrap()
        .timeline;
    for stage in 0..2 {
        let ran: Vec<_> = timeline.stage(stage).map(|it| it.instruction).collect();
        assert_eq!(ran, schedule.stage(stage));
    }
}

#[test]
fn a_mini_batch_of_fewer_samples_leaves_the_last_micro_batches_out() {
    let schedule: Schedule = "stage 0 F2 F0 F1 B1 B2 B0".parse().unwrap();
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&config(schedule), &[5], &device);
    let (input, target) = Mlp::batch(2, &device);
    let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
    let ran = step.timeline.stage(0).map(|it| it.instruction.to_string());
    assert_eq!(ran.collect::<Vec<_>>().join(" "), "F0 F1 B1 B0");
    let output = pipeline.forward(floats([2, 6], 1, &device)).unwrap();
    assert_eq!(output.dims(), [2, 3]);
}
