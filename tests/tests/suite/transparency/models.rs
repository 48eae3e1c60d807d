//! Every toy, in every partition.

use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, Rematerialization, Sequential};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Encoded, Frozen, FrozenNorm, LowRank, Mlp, Optional, Pair, Parcels, Toy, Unused, WithoutDropout,
};
use burn_pipeline_tests::pipelined::{first_step, partitions};
use burn_pipeline_tests::reference::{ByMicroBatches, whole};
use rstest::rstest;

#[rstest]
fn a_toy_trains_across_stages_as_it_trains_whole(
    #[values(
        trains::<Mlp>,
        trains::<WithoutDropout>,
        trains::<FrozenNorm>,
        trains::<Pair>,
        trains::<Optional>,
        trains::<Parcels>,
        trains::<Unused>,
        trains::<Encoded>,
        trains::<Frozen<0, 1>>,
        trains::<Frozen<0, 3>>,
        trains::<Frozen<1, 4>>,
        trains::<Frozen<3, 5>>,
        trains::<LowRank>
    )]
    trains: fn(usize, usize, Rematerialization),
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    trains(num_micro_batches, num_samples, rematerialization);
}

fn trains<T: Toy>(
    num_micro_batches: usize,
    num_samples: usize,
    rematerialization: Rematerialization,
) {
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let model = T::model(&device.clone().autodiff());
    let batch = || T::batch(num_samples, &device.clone().autodiff());
    let unsplit = whole::<T>(&model, batch());
    let by_micro_batches = ByMicroBatches {
        num_micro_batches,
        seed: 0,
        step: 0,
    }
    .step::<T>(&model, batch(), &device);

    let keeps_all = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_rematerialization(Rematerialization::Never);
    let one_stage = first_step::<T>(&keeps_all, &[model.num_layers()], num_samples, &device);
    one_stage.assert_close(&unsplit, 1e-5);
    one_stage.assert_same(&by_micro_batches);

    let config = keeps_all.with_rematerialization(rematerialization);
    for counts in partitions(model.num_layers()) {
        println!("counts {counts:?}");
        first_step::<T>(&config, &counts, num_samples, &device).assert_same(&one_stage);
    }
}
