//! Any model, split by sample.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn::tensor::Tensor;
use burn_pipeline::{Configuration, Layer, Sequential, Skip, shard, with_random_step};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Counted, Encoded, Frozen, FrozenNorm, LowRank, Mlp, Optional, Pair, Parcels, Skips, Toy,
    Unused, WithoutDropout,
};
use burn_pipeline_tests::reference::whole;
use rstest::rstest;

use super::support::{TOLERANCE, places};

#[rstest]
#[case::tensors(check::<Mlp>)]
#[case::frozen(check::<Frozen<1, 4>>)]
#[case::adapters(check::<LowRank>)]
#[case::frozen_norms(check::<FrozenNorm>)]
#[case::encoded(check::<Encoded>)]
#[case::tuples(check::<Pair>)]
#[case::structs(check::<Parcels>)]
#[case::options(check::<Optional>)]
#[case::tensors_in_lists(check::<Skips<Tensor<2>>>)]
#[case::skips(check::<Skips<Skip<Tensor<2>>>>)]
#[case::random_numbers(check::<Counted>)]
#[case::unused_parameters(check::<Unused>)]
fn the_step_is_that_of_the_whole_model(#[case] check: fn()) {
    let _generator = generator();
    check();
}

/// Two backends do not agree on `gelu` that closely: all parts are on one device.
#[test]
fn tokens_and_attention_in_layers_of_their_own() {
    let _generator = generator();
    check_on::<WithoutDropout>(&vec![Device::flex(); 7]);
}

fn check<T: Toy>() {
    check_on::<T>(&places(7));
}

fn check_on<T: Toy>(devices: &[Device]) {
    let device = Device::flex().autodiff();
    let model = T::model(&device);
    let expected = whole::<T>(&T::model(&device), T::batch(5, &device));
    let num_layers = model.num_layers();
    for degrees in [vec![2], vec![5, 1, 3], vec![7]] {
        let degrees = degrees.iter().cycle().take(num_layers);
        let configurations: Vec<_> = degrees.map(|it| Configuration::by_sample(*it)).collect();
        let sharded = shard(T::model(&device), &configurations, devices).unwrap();
        let (input, target) = T::batch(5, &device);
        let loss = with_random_step(0, 0, 0..5, || T::loss(sharded.forward(input), target));
        let gradients = GradientsParams::from_grads(loss.backward(), &sharded);
        Step::new(loss, &gradients, &sharded).assert_close(&expected, TOLERANCE);
    }
}
