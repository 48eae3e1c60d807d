//! Burn's own gradient checkpointing inside a stage composes with rematerialization of the stage.

use burn::tensor::{Device, GradientCheckpointingStrategy};
use burn_pipeline::{PipelineConfig, Rematerialization, Sequential};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Convolution, Encoded, FrozenNorm, Mlp, Optional, Pair, Parcels, Toy, Transformer, Unused,
};
use burn_pipeline_tests::pipelined::{first_step, partitions, pipeline};
use rstest::rstest;

#[rstest]
fn gradient_checkpointing_changes_no_bit(
    #[values(
        checkpoints::<Mlp>,
        checkpoints::<Transformer>,
        checkpoints::<Convolution>,
        checkpoints::<FrozenNorm>,
        checkpoints::<Pair>,
        checkpoints::<Optional>,
        checkpoints::<Parcels>,
        checkpoints::<Unused>,
        checkpoints::<Encoded>
    )]
    checkpoints: fn(Rematerialization),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    checkpoints(rematerialization);
}

fn checkpoints<T: Toy>(rematerialization: Rematerialization) {
    let _generator = T::DRAWS.then(generator);
    let plain = Device::flex();
    let balanced = Device::flex().autodiff().gradient_checkpointing();
    let num_layers = T::model(&plain).num_layers();

    let config = PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(rematerialization);
    let keeps_all = first_step::<T>(&config, &[num_layers], 7, &plain);
    for counts in partitions(num_layers) {
        println!("counts {counts:?}");
        first_step::<T>(&config, &counts, 7, &balanced).assert_same(&keeps_all);
    }
}

#[test]
fn a_stage_records_with_the_strategy_of_its_device() {
    let balanced = Device::flex().autodiff().gradient_checkpointing();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[3, 2], &balanced);
    let (input, target) = Mlp::batch(4, &Device::flex());
    let step = pipeline.train_step(input, target, |output, target| {
        let strategy = output.gradient_checkpointing_strategy();
        assert_eq!(strategy, Some(GradientCheckpointingStrategy::Balanced));
        Mlp::loss(output, target)
    });
    step.unwrap();
}
