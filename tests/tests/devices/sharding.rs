//! Layers in parts on every device, and on mixtures of them.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::Device;
use burn_pipeline::{Configuration, Layer, Sequential, shard};
use burn_pipeline_tests::compare::{assert_close, assert_close_parameters, parameters, values};
use burn_pipeline_tests::data::filled;
use burn_pipeline_tests::models::{Convolution, Toy};
use rstest::rstest;

use super::lists::{devices, lists};

/// How far the kernels of two backends may be apart.
const TOLERANCE: f32 = 1e-3;
const NUM_STEPS: usize = 3;

/// Two blocks of convolution, batch norm and activation, a pool and a head.
#[rstest]
fn every_device_trains_in_parts_what_the_cpu_trains_whole(
    #[values(
        [[2, 1, 1, 1]; 8],
        [
            [1, 2, 1, 1], [1, 2, 1, 1], [1, 4, 1, 1], [1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 4, 1],
            [1, 2, 1, 1], [1, 3, 1, 1],
        ]
    )]
    degrees: [[usize; 4]; 8],
) {
    let configurations = degrees.map(Configuration::from_degrees);
    let cpu = Device::flex().autodiff();
    let mut whole = filled(Convolution::model(&cpu));
    let mut optimizer = AdamConfig::new().init();
    let mut expected = Vec::new();
    for _ in 0..NUM_STEPS {
        let (input, target) = Convolution::batch(6, &cpu);
        let loss = Convolution::loss(whole.forward_layers(input), target);
        expected.extend(values(loss.clone().into_data()));
        let gradients = GradientsParams::from_grads(loss.backward(), &whole);
        whole = optimizer.step(1e-2, whole, gradients);
    }

    for list in lists() {
        println!("on {list}");
        let group = devices(&list, 4);
        let mut parts = shard(filled(Convolution::model(&cpu)), &configurations, &group).unwrap();
        let mut optimizer = AdamConfig::new().init();
        let mut losses = Vec::new();
        let first = group[0].clone().autodiff();
        for _ in 0..NUM_STEPS {
            let (input, target) = Convolution::batch(6, &first);
            let loss = Convolution::loss(parts.forward(input), target);
            losses.extend(values(loss.clone().into_data()));
            let gradients = GradientsParams::from_grads(loss.backward(), &parts);
            parts = optimizer.step(1e-2, parts, gradients);
        }
        assert_close("losses", &losses, &expected, TOLERANCE);
        // Running statistics show their last update once they are asked for as in evaluation.
        let found = parameters(&parts.into_inner().valid());
        assert_close_parameters(&found, &parameters(&whole.valid()), 10.0 * TOLERANCE);
    }
}
