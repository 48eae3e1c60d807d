//! The threads that a pipeline has, and that none is left of them.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineStrategy, Rematerialization};
use burn_pipeline_tests::fragile::Event;
use burn_pipeline_tests::learner::{Classifier, Settings, in_stages, launch};
use burn_pipeline_tests::threads::{assert_stage_threads, settled};

use super::{pipeline, silence_workers, train, turn};

#[test]
fn threads_are_named_by_their_stage_and_end_with_the_pipeline() {
    let _turn = turn();
    let (pipeline, fault) = pipeline(Rematerialization::ExceptLast);
    train(&pipeline, &fault).unwrap();
    let expected = [
        "stage-0",
        "stage-0-1",
        "stage-1",
        "stage-1-1",
        "stage-2",
        "stage-2-1",
    ];
    assert_stage_threads(&expected);

    fault.arm(1, Event::Run, 3);
    train(&pipeline, &fault).unwrap_err();
    let clone = pipeline.clone();
    drop(pipeline);
    assert_stage_threads(&expected);
    drop(clone);
    assert_stage_threads(&[]);
}

#[test]
fn a_learner_whose_stage_fails_leaves_no_thread_behind() {
    let _turn = turn();
    silence_workers();
    let num_threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let fail = || {
        let model = Classifier::new(None, &Device::flex());
        let fuse = model.hidden[1].fuse.clone();
        let pipeline = in_stages(&PipelineConfig::new(), &[1, 1, 2], model);
        fuse.burn_in(6);
        let failed = launch(pipeline, PipelineStrategy.into(), &Settings::new(3));
        assert!(failed.error.is_some());
        assert_stage_threads(&["stage-0", "stage-1", "stage-2"]);
    };
    // Pools and loggers of the process start with the first run, and stay.
    fail();
    let before = num_threads();
    fail();
    assert_stage_threads(&[]);
    assert!(settled(|| num_threads() <= before, &true));
}
