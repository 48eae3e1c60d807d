//! A pool of kernel threads for each stage.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, Rematerialization, Sequential};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{Convolution, Mlp, Toy, WithoutDropout};
use burn_pipeline_tests::pipelined::{first_step, partitions};
use rstest::rstest;

#[rstest]
fn the_number_of_threads_of_a_stage_changes_no_bit(
    #[values(any::<Mlp>, any::<WithoutDropout>, any::<Convolution>)] any: fn(usize),
    #[values(1, 2)] threads_per_stage: usize,
) {
    any(threads_per_stage);
}

fn any<T: Toy>(threads_per_stage: usize) {
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let num_layers = T::model(&device).num_layers();
    let shared = PipelineConfig::new().with_rematerialization(Rematerialization::ExceptLast);
    let expected = first_step::<T>(&shared, &[num_layers], 7, &device);

    let own = shared.with_threads_per_stage(Some(threads_per_stage));
    for counts in partitions(num_layers) {
        println!("counts {counts:?}");
        first_step::<T>(&own, &counts, 7, &device).assert_same(&expected);
    }
}
