//! The model as a sequence of layers is the model of Burn's guide.

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::module::Module;
use burn::tensor::Device;
use burn_pipeline::Sequential;
use guide::{DigitBatcher, Digits, ModelConfig, NUM_CLASSES, pipelined, plain};

#[test]
fn it_takes_the_records_of_the_plain_model_and_computes_the_same() {
    let device = Device::flex();
    let config = ModelConfig::new(NUM_CLASSES, 32);
    let layers = pipelined::Model::new(&config, &device);
    assert_eq!(layers.num_layers(), 10);
    let model = plain::Model::new(&config, &device).load_record(layers.clone().into_record());
    let again = pipelined::Model::new(&config, &device).load_record(model.clone().into_record());

    let digits = Digits::train(5);
    let digits = (0..5).map(|index| digits.get(index).unwrap()).collect();
    let images = DigitBatcher::default().batch(digits, &device).images;
    let expected = model.forward(images.clone()).into_data();
    for layers in [layers, again] {
        let output = layers.forward_layers(images.clone()).into_data();
        output.assert_eq(&expected, true);
    }
}
