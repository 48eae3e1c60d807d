//! A pipeline computes what the plain model computes.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use burn_pipeline::{PipelineConfig, Placement, Rematerialization, Sequential};
use burn_pipeline_tests::compare::Step;
use burn_pipeline_tests::models::mlp;
use rstest::rstest;

fn mean_square(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (output - target).powi_scalar(2).mean()
}

#[rstest]
fn an_mlp_trains_across_stages_as_it_trains_whole(
    #[values(1, 2, 3)] num_stages: usize,
    #[values(1, 3, 4)] num_micro_batches: usize,
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    rematerialization: Rematerialization,
) {
    let device = Device::flex();
    let model = mlp(&device.clone().autodiff());
    let input = Tensor::<2>::random([7, 6], Distribution::Default, &device);
    let target = Tensor::<2>::random([7, 3], Distribution::Default, &device);

    let loss = mean_square(
        model.forward_layers(input.clone().autodiff()),
        target.clone(),
    );
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let plain = Step::new(loss, &grads, &model);

    let pipeline = PipelineConfig::new()
        .with_num_micro_batches(num_micro_batches)
        .with_rematerialization(rematerialization)
        .init(model.clone(), Placement::even(&vec![device; num_stages]))
        .unwrap();
    let step = pipeline.train_step(input, target, mean_square).unwrap();

    Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    assert_eq!(model.num_params(), pipeline.num_params());
}
