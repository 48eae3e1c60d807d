//! Every toy, in every partition.

use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, Rematerialization, Sequential, Skip};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Encoded, Frozen, FrozenNorm, LowRank, Mlp, Optional, Pair, Parcels, Skips, Toy, Unused,
    WithoutDropout,
};
use burn_pipeline_tests::pipelined::{first_step, partitions_for};
use burn_pipeline_tests::reference::{ByMicroBatches, whole};
use burn_pipeline_tests::schedules::last_first;
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
        trains::<LowRank>,
        trains::<Skips<Skip<Tensor<2>>>>
    )]
    trains: fn(&PipelineConfig, usize),
    #[values("gpipe", "1f1b", "interleaved:2", "breadth-first:2")] schedule: &str,
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let config = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_schedule(schedule.parse().unwrap())
        .with_rematerialization(rematerialization);
    trains(&config, num_samples);
}

fn trains<T: Toy>(config: &PipelineConfig, num_samples: usize) {
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let model = T::model(&device.clone().autodiff());
    let batch = || T::batch(num_samples, &device.clone().autodiff());
    let by_micro_batches = ByMicroBatches {
        num_micro_batches: config.num_micro_batches,
        last_first: last_first(&config.schedule),
        seed: 0,
        step: 0,
    }
    .step::<T>(&model, batch(), &device);
    by_micro_batches.assert_close(&whole::<T>(&model, batch()), 1e-5);

    for counts in partitions_for(&config.schedule, model.num_layers()) {
        println!("counts {counts:?}");
        first_step::<T>(config, &counts, num_samples, &device).assert_same(&by_micro_batches);
    }
}
