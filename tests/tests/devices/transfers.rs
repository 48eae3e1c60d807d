//! Devices that exchange tensors from several threads at once.

use std::thread;

use burn::tensor::Device;

use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement};
use burn_pipeline_tests::compare::{
    Parameters, assert_close_parameters, assert_same_parameters, parameters,
};
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::optimizers::momentum;

use super::lists::{devices, lists};
use super::servers::shared;

const NUM_ROUNDS: usize = 30;

/// Stages that send to and fro between two servers, one of which has two of them: asking each other
/// through one connection, they could wait for each other.
#[test]
fn servers_with_several_stages_do_not_wait_for_each_other() {
    let [one, two, three] = shared();
    let expected = trained(&vec![Device::flex(); 5]);
    let to_and_fro = [&two, &one, &three, &one, &two].map(Device::clone);
    let around = [&one, &two, &one, &three, &one].map(Device::clone);
    let threads = [to_and_fro, around].map(|devices| {
        let expected = expected.clone();
        thread::spawn(move || assert_same_parameters(&trained(&devices), &expected))
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

fn trained(devices: &[Device]) -> Parameters {
    let here = Device::flex();
    let mut pipeline = PipelineConfig::new()
        .with_num_micro_batches(8)
        .with_schedule("1f1b".parse().unwrap())
        .init(Mlp::model(&here), Placement::even(devices))
        .unwrap();
    let mut optimizer = PipelineOptimizer::new(momentum());
    for _ in 0..NUM_ROUNDS {
        let (input, target) = Mlp::batch(8, &here);
        let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
        pipeline = optimizer.step(1e-3, pipeline, step.grads).unwrap();
    }
    parameters(&pipeline)
}

/// The same between this machine's devices, from the threads of two pipelines at once.
#[test]
fn pipelines_that_exchange_at_once_are_not_mixed_up() {
    for list in lists() {
        println!("on {list}");
        let there = devices(&list, 4);
        let back = there.iter().rev().cloned().collect();
        let expected = trained(&vec![Device::flex(); 4]);
        let threads = [there, back].map(|devices: Vec<Device>| {
            let expected = expected.clone();
            thread::spawn(move || assert_close_parameters(&trained(&devices), &expected, 1e-3))
        });
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
