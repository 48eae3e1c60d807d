//! What one thread changes in place, another must not read as it was.

use std::sync::mpsc::channel;
use std::thread;

use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement};
use burn_pipeline_tests::compare::{assert_close_parameters, parameters};
use burn_pipeline_tests::models::{Mlp, Toy};
use burn_pipeline_tests::optimizers::momentum;

use super::lists::{devices, lists};

const NUM_MESSAGES: usize = 100;

/// One thread makes, another changes in place, a third reads: as stages do.
#[test]
fn tensors_that_are_flushed_are_read_as_they_were_sent() {
    for list in lists() {
        let device = devices(&list, 1).remove(0);
        let (made, to_change) = channel::<Tensor<1>>();
        let (changed, to_read) = channel::<Tensor<1>>();
        let maker = {
            let device = device.clone();
            thread::spawn(move || {
                for number in 0..NUM_MESSAGES {
                    let tensor = Tensor::full([1000], number as f32, &device);
                    device.flush().unwrap();
                    made.send(tensor).unwrap();
                }
            })
        };
        let changer = thread::spawn(move || {
            for tensor in to_change {
                // Nobody else holds it: these happen in place.
                let tensor = tensor.add_scalar(1.0).mul_scalar(2.0).clamp_min(3.0);
                tensor.device().flush().unwrap();
                changed.send(tensor).unwrap();
            }
        });
        for number in 0..NUM_MESSAGES {
            let read: Vec<f32> = to_read.recv().unwrap().into_data().try_into_vec().unwrap();
            let expected = (2.0 * (number as f32 + 1.0)).max(3.0);
            assert!(
                read.iter().all(|value| *value == expected),
                "{list}: message {number} is not {expected}: {read:?}"
            );
        }
        maker.join().unwrap();
        changer.join().unwrap();
    }
}

/// A model is made on one thread, trained on others and read on the first, every time.
#[test]
fn a_model_that_others_have_trained_is_read_as_they_left_it() {
    let run = |devices: &[Device]| {
        let mut pipeline = PipelineConfig::new()
            .with_num_micro_batches(4)
            .init(Mlp::model(&Device::flex()), Placement::even(devices))
            .unwrap();
        let mut optimizer = PipelineOptimizer::new(momentum());
        let mut seen = Vec::new();
        for _ in 0..25 {
            let (input, target) = Mlp::batch(8, &Device::flex());
            let step = pipeline.train_step(input, target, Mlp::loss).unwrap();
            pipeline = optimizer.step(1e-2, pipeline, step.grads).unwrap();
            seen.push(parameters(&pipeline));
        }
        seen
    };
    let expected = run(&vec![Device::flex(); 3]);
    for list in lists() {
        println!("on {list}");
        let seen = run(&devices(&list, 3));
        for (found, expected) in seen.iter().zip(&expected) {
            assert_close_parameters(found, expected, 1e-3);
        }
    }
}
