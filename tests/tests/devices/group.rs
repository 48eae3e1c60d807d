//! Layers that keep parameters on devices which not every machine has.

use std::time::Instant;

use burn::tensor::Device;
use burn_pipeline::{
    PipelineConfig, PipelineError, PipelineModule, PipelineOptimizer, Placement, Rematerialization,
};
use burn_pipeline_tests::compare::{assert_close_parameters, assert_same_parameters, parameters};
use burn_pipeline_tests::models::{Grouped, Toy, grouped};
use burn_pipeline_tests::optimizers::momentum;
use rstest::rstest;

use super::lists::{devices, lists};
use super::losing::{BOUND, lost};
use super::servers::{remote, shared, start};

const NUM_STEPS: usize = 3;

fn pipeline(leads: &[Device], own: &[Device; 2], always: bool) -> PipelineModule<Grouped> {
    let mode = match always {
        true => Rematerialization::Always,
        false => Rematerialization::Never,
    };
    PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(mode)
        .init(grouped(&leads[0], own), Placement::even(leads))
        .unwrap()
}

fn step(
    pipeline: PipelineModule<Grouped>,
    optimizer: &mut PipelineOptimizer,
) -> Result<PipelineModule<Grouped>, PipelineError> {
    let (input, target) = Grouped::batch(7, &Device::flex());
    let step = pipeline.train_step(input, target, Grouped::loss)?;
    optimizer.step(1e-2, pipeline, step.grads)
}

fn trained(leads: &[Device], own: &[Device; 2], always: bool) -> PipelineModule<Grouped> {
    let mut optimizer = PipelineOptimizer::new(momentum());
    (0..NUM_STEPS).fold(pipeline(leads, own, always), |pipeline, _| {
        step(pipeline, &mut optimizer).unwrap()
    })
}

#[rstest]
fn groups_on_every_device_compute_what_the_cpu_does(#[values(false, true)] always: bool) {
    let here = [Device::flex(), Device::flex()];
    let expected = parameters(&trained(&here, &here, always));
    for list in lists() {
        println!("on {list}");
        let two = devices(&list, 2);
        let own = [two[0].clone(), two[1].clone()];
        for (leads, own) in [(&two[..], &own), (&two[..1], &own), (&here[..], &own)] {
            let found = parameters(&trained(leads, own, always));
            assert_close_parameters(&found, &expected, 1e-4);
        }
    }
}

#[rstest]
fn groups_with_servers_compute_what_this_machine_does_to_the_last_bit(
    #[values(false, true)] always: bool,
) {
    let [one, two, _] = shared();
    let here = Device::flex();
    let expected = trained(
        &[here.clone(), here.clone()],
        &[here.clone(), here.clone()],
        always,
    );
    let expected = parameters(&expected);
    for (leads, own) in [
        ([here.clone(), here.clone()], [here.clone(), one.clone()]),
        ([here.clone(), one.clone()], [one.clone(), two.clone()]),
        ([two.clone(), one.clone()], [here.clone(), one.clone()]),
    ] {
        let found = parameters(&trained(&leads, &own, always));
        assert_same_parameters(&found, &expected);
    }
}

/// The stage that spans it may have a device that is there.
#[rstest]
fn a_server_of_a_group_that_is_lost_is_named(#[values(false, true)] in_update: bool) {
    let mut server = start("flex");
    let url = server.url().to_string();
    let here = Device::flex();
    let own = [here.clone(), remote(&server).device(0).unwrap()];
    let mut optimizer = PipelineOptimizer::new(momentum());
    let pipeline = pipeline(&[here.clone(), here.clone()], &own, false);
    let pipeline = step(pipeline, &mut optimizer).unwrap();

    let (input, target) = Grouped::batch(7, &here);
    let error = match in_update {
        false => {
            server.kill();
            let began = Instant::now();
            let failed = pipeline.train_step(input, target, Grouped::loss);
            assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
            failed.err()
        }
        true => {
            let taken = pipeline.train_step(input, target, Grouped::loss).unwrap();
            server.kill();
            optimizer.step(1e-2, pipeline, taken.grads).err()
        }
    };
    let lost = lost(error.unwrap());
    assert_eq!(lost.device, format!("remote:{url}/0"));
}
