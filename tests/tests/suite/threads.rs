//! Pipelines and the threads that use them.

use std::thread;

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineModule, Placement};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::data::{floats, generator};
use burn_pipeline_tests::models::{Mlp, Toy, Transformer, mean_square};
use burn_pipeline_tests::pipelined;

fn pipeline(num_stages: usize) -> PipelineModule<Mlp> {
    let device = Device::flex();
    PipelineConfig::new()
        .with_num_micro_batches(3)
        .init(
            Mlp::model(&device),
            Placement::even(&vec![device; num_stages]),
        )
        .unwrap()
}

fn train(pipeline: &PipelineModule<Mlp>) -> Step {
    let device = Device::flex();
    let input = floats([6, 6], 1, &device);
    let target = floats([6, 3], 2, &device);
    let step = pipeline.train_step(input, target, mean_square).unwrap();
    Step::new(step.loss, &step.grads, pipeline)
}

#[test]
fn a_pipeline_works_on_the_thread_that_it_is_moved_to() {
    let pipeline = pipeline(2);
    let here = train(&pipeline);
    let (there, pipeline) = thread::spawn(move || (train(&pipeline), pipeline))
        .join()
        .unwrap();
    there.assert_same(&here);
    train(&pipeline).assert_same(&here);
}

#[test]
fn clones_of_a_pipeline_take_turns() {
    let pipeline = pipeline(3);
    let alone = train(&pipeline);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let pipeline = pipeline.clone();
            thread::spawn(move || [train(&pipeline), train(&pipeline)])
        })
        .collect();
    for thread in threads {
        for step in thread.join().unwrap() {
            step.assert_same(&alone);
        }
    }
    assert_eq!(pipeline.num_steps(), 9);
}

#[test]
fn two_pipelines_that_draw_at_once_get_the_numbers_they_get_alone() {
    let _draws = generator();
    let steps = || {
        let config = PipelineConfig::new().with_seed(7);
        let pipeline = pipelined::pipeline::<Transformer>(&config, &[2, 3], &Device::flex());
        let steps = (0..5).map(|_| {
            let (input, target) = Transformer::batch(8, &Device::flex());
            let step = pipeline
                .train_step(input, target, Transformer::loss)
                .unwrap();
            Step::new(step.loss, &step.grads, &pipeline)
        });
        steps.collect::<Vec<_>>()
    };

    let alone = steps();
    assert_ne!(
        alone[0].loss, alone[1].loss,
        "each step draws other numbers"
    );
    let threads: Vec<_> = (0..2).map(|_| thread::spawn(steps)).collect();
    for thread in threads {
        for (step, alone) in thread.join().unwrap().iter().zip(&alone) {
            step.assert_same(alone);
        }
    }
}

#[test]
fn a_loss_that_uses_its_own_pipeline_is_an_error_and_no_hang() {
    let pipeline = pipeline(2);
    let teacher = pipeline.clone();
    let device = Device::flex();
    let input = floats([6, 6], 1, &device);
    let asked = input.clone();
    let step = pipeline.train_step(input, (), move |output, ()| {
        match teacher.forward(asked.clone()) {
            Ok(taught) => mean_square(output, taught),
            Err(error) => panic!("{error}"),
        }
    });
    let error = step.err().unwrap().to_string();
    assert!(error.contains("uses the pipeline that runs it"), "{error}");
}
