//! The references themselves: layers one after the other are the forward written by hand.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, Sequential};
use burn_pipeline_tests::compare::{assert_close, values};
use burn_pipeline_tests::models::{Mlp, Toy, Transformer, WithoutDropout};
use burn_pipeline_tests::pipelined::pipeline;

#[test]
fn the_layers_of_an_mlp_compute_what_its_own_forward_computes() {
    let device = Device::flex();
    let (input, _) = Mlp::batch(7, &device);
    let by_hand = Mlp::model(&device).forward_by_hand(input.clone());

    let layers = Mlp::model(&device).forward_layers(input.clone());
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 1, 2], &device);
    let pipelined = pipeline.forward(input).unwrap();

    let by_hand = values(by_hand.into_data());
    assert_close("layers", &values(layers.into_data()), &by_hand, 1e-6);
    assert_close("pipeline", &values(pipelined.into_data()), &by_hand, 1e-6);
}

#[test]
fn the_layers_of_a_transformer_compute_what_its_own_forward_computes() {
    let device = Device::flex();
    let (tokens, _) = Transformer::batch(7, &device);
    let by_hand = WithoutDropout::model(&device).forward_by_hand(tokens.clone());

    let layers = WithoutDropout::model(&device).forward_layers(tokens.clone());
    let pipeline = pipeline::<WithoutDropout>(&PipelineConfig::new(), &[2, 1, 2], &device);
    let pipelined = pipeline.forward(tokens).unwrap();

    let by_hand = values(by_hand.into_data());
    assert_close("layers", &values(layers.into_data()), &by_hand, 1e-6);
    assert_close("pipeline", &values(pipelined.into_data()), &by_hand, 1e-6);
}
