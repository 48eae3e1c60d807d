//! A server that is frozen: its machine still takes what is sent, and nothing comes back.

use std::process::Command;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement};
use burn_pipeline_tests::optimizers::adam;
use remote_stages::ServerProcess;

use super::losing::{Asking, BOUND, lost, pipeline, step};
use super::servers::start;

fn freeze(server: &ServerProcess) {
    let frozen = Command::new("kill")
        .args(["-STOP", &server.id().to_string()])
        .status();
    assert!(frozen.unwrap().success());
}

#[test]
fn a_frozen_server_is_an_error_in_its_time_out_and_the_pipeline_is_given_up() {
    let servers = [start("flex"), start("flex")];
    let device = |server: &ServerProcess| {
        burn_pipeline::Remote::new(server.url())
            .with_token(server.token())
            .with_time_out(Duration::from_secs(2))
            .device(0)
            .unwrap()
    };
    let devices = [Device::flex(), device(&servers[0]), device(&servers[1])];
    let mut optimizer = PipelineOptimizer::new(adam());
    let pipeline = step(pipeline(&devices), &mut optimizer).unwrap();

    freeze(&servers[0]);
    let began = Instant::now();
    let error = step(pipeline.clone(), &mut optimizer).err().unwrap();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    let lost = lost(error);
    assert_eq!(lost.stage, 1);
    assert!(lost.message.contains("does not answer"), "{}", lost.message);

    let again = step(pipeline.clone(), &mut optimizer)
        .err()
        .unwrap()
        .to_string();
    assert!(again.contains("make a new pipeline"), "{again}");
    let began = Instant::now();
    drop(pipeline);
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}

/// A worker that waits for a number where nothing tells it to stop is given up, and nothing waits for
/// it.
#[test]
fn a_layer_that_asks_a_frozen_server_is_left_behind() {
    let server = start("flex");
    let far = burn_pipeline::Remote::new(server.url())
        .with_token(server.token())
        .with_time_out(Duration::from_secs(1))
        .device(0)
        .unwrap();
    let pipeline = PipelineConfig::new()
        .init(
            vec![Asking, Asking],
            Placement::even(&[Device::flex(), far]),
        )
        .unwrap();
    let ones = || Tensor::<2>::ones([4, 2], &Device::flex());
    pipeline.forward(ones()).unwrap();

    freeze(&server);
    let began = Instant::now();
    assert_eq!(lost(pipeline.forward(ones()).unwrap_err()).stage, 1);
    drop(pipeline);
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}
