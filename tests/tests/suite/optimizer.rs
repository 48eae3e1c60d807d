//! Burn's optimizers step a pipeline as they step the plain model.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn_pipeline::{PipelineConfig, PipelineModule, Sequential};
use burn_pipeline_tests::compare::{
    Parameters, Step, assert_close, assert_close_parameters, assert_same_parameters, parameters,
};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{
    Frozen, FrozenNorm, LowRank, Mlp, Pair, Tied, Toy, Untied, Unused, WithoutDropout,
};
use burn_pipeline_tests::optimizers::{
    adam, clipped_by_norm, clipped_by_value, constant, decaying, in_groups, momentum, slower_head,
    train,
};
use burn_pipeline_tests::pipelined::{partitions, pipeline};
use rstest::rstest;

const NUM_STEPS: usize = 4;

#[rstest]
fn every_optimizer_and_schedule_steps_a_pipeline_as_the_plain_model(
    #[values(adam, clipped_by_value, clipped_by_norm, in_groups)] optimizer: fn()
        -> ModuleOptimizer,
    #[values(constant, decaying, slower_head)] rate: fn() -> ModuleLrScheduler,
) {
    same_as_plain::<Mlp>(optimizer, rate);
}

#[rstest]
#[case::transformer(same_as_plain::<WithoutDropout>)]
#[case::norm_in_evaluation(same_as_plain::<FrozenNorm>)]
#[case::tuples(same_as_plain::<Pair>)]
#[case::parameters_without_gradients(same_as_plain::<Unused>)]
#[case::a_frozen_beginning(same_as_plain::<Frozen<0, 3>>)]
#[case::a_frozen_end(same_as_plain::<Frozen<3, 5>>)]
#[case::adapters(same_as_plain::<LowRank>)]
fn adam_trains_every_model_across_stages_as_it_trains_whole(#[case] same_as_plain: Compare) {
    same_as_plain(adam, decaying);
}

type Compare = fn(fn() -> ModuleOptimizer, fn() -> ModuleLrScheduler);

fn same_as_plain<T: Toy>(optimizer: fn() -> ModuleOptimizer, rate: fn() -> ModuleLrScheduler) {
    let _generator = T::DRAWS.then(generator);
    let model = T::model(&Device::flex().autodiff());
    let start = parameters(&model);
    let plain = parameters(&train::<T>(model, &mut optimizer(), &mut rate(), NUM_STEPS));
    assert!(start != plain, "training changes parameters");

    for counts in partitions(T::model(&Device::flex()).num_layers()) {
        println!("counts {counts:?}");
        let pipeline = pipeline::<T>(&whole_mini_batches(), &counts, &Device::flex());
        let pipeline = train_pipeline::<T>(pipeline, &mut optimizer(), &mut rate(), NUM_STEPS);
        assert_same_parameters(&parameters(&pipeline), &plain);
    }
}

#[rstest]
fn micro_batches_change_what_is_learned_by_rounding_alone(
    #[values(2, 4)] num_micro_batches: usize,
) {
    let model = Mlp::model(&Device::flex().autodiff());
    let plain = train::<Mlp>(model, &mut momentum(), &mut constant(), NUM_STEPS);

    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    let mut one_stage: Option<Parameters> = None;
    for counts in partitions(5) {
        let pipeline = pipeline::<Mlp>(&config, &counts, &Device::flex());
        let pipeline = train_pipeline::<Mlp>(pipeline, &mut momentum(), &mut constant(), NUM_STEPS);
        let trained = parameters(&pipeline);
        assert_close_parameters(&trained, &parameters(&plain), 1e-5);
        assert_same_parameters(&trained, one_stage.get_or_insert(trained.clone()));
    }
}

#[test]
fn what_is_frozen_stays_as_it_is() {
    let pipeline = pipeline::<Frozen<1, 3>>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let before = parameters(&pipeline);
    let pipeline = train_pipeline::<Frozen<1, 3>>(pipeline, &mut adam(), &mut constant(), 1);
    for (path, values) in parameters(&pipeline) {
        let frozen = path.starts_with("hidden.1") || path.starts_with("hidden.2");
        assert_eq!(values == before[&path], frozen, "{path}");
    }
}

#[rstest]
fn a_model_taken_out_of_its_pipeline_trains_on(#[values(1, 2, 3)] num_stages: usize) {
    let (mut optimizer, mut rate) = (adam(), decaying());
    let model = Mlp::model(&Device::flex().autodiff());
    let never_in_one = train::<Mlp>(model, &mut optimizer, &mut rate, 2 * NUM_STEPS);

    let (mut optimizer, mut rate) = (adam(), decaying());
    let counts = &[vec![5], vec![2, 3], vec![1, 3, 1]][num_stages - 1];
    let pipeline = pipeline::<Mlp>(&whole_mini_batches(), counts, &Device::flex());
    let pipeline = train_pipeline::<Mlp>(pipeline, &mut optimizer, &mut rate, NUM_STEPS);
    let model: Mlp = pipeline.into_inner();
    let model = train::<Mlp>(model, &mut optimizer, &mut rate, NUM_STEPS);
    assert_same_parameters(&parameters(&model), &parameters(&never_in_one));
}

#[test]
fn the_record_of_an_optimizer_goes_on_with_another_partition() {
    let mut optimizer = adam();
    let first = pipeline::<Mlp>(&whole_mini_batches(), &[2, 3], &Device::flex());
    let first = train_pipeline::<Mlp>(first, &mut optimizer, &mut constant(), NUM_STEPS);
    let record = optimizer.to_record();
    let model = first.clone().into_record();

    let second = pipeline::<Mlp>(&whole_mini_batches(), &[1, 3, 1], &Device::flex());
    let second = second.load_record(model);
    let mut resumed = adam().load_record(record);
    let second = train_pipeline::<Mlp>(second, &mut resumed, &mut constant(), NUM_STEPS);
    let first = train_pipeline::<Mlp>(first, &mut optimizer, &mut constant(), NUM_STEPS);
    assert_same_parameters(&parameters(&second), &parameters(&first));
}

#[test]
fn gradients_of_several_steps_accumulate() {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device);
    let step = || {
        let (input, target) = Mlp::batch(6, &device);
        pipeline.train_step(input, target, Mlp::loss).unwrap()
    };
    let mut gradients = GradientsAccumulator::new();
    gradients.accumulate(&pipeline, step().grads);
    gradients.accumulate(&pipeline, step().grads);
    let both = Step::new(step().loss, &gradients.grads(), &pipeline);

    let mut once = Step::new(step().loss, &step().grads, &pipeline);
    for gradient in once.gradients.values_mut().flatten().flatten() {
        *gradient *= 2.0;
    }
    both.assert_same(&once);
}

fn whole_mini_batches() -> PipelineConfig {
    PipelineConfig::new().with_num_micro_batches(1)
}

fn train_pipeline<T: Toy>(
    mut pipeline: PipelineModule<T::Model>,
    optimizer: &mut ModuleOptimizer,
    rate: &mut ModuleLrScheduler,
    num_steps: usize,
) -> PipelineModule<T::Model> {
    for _ in 0..num_steps {
        let (input, target) = T::batch(6, &Device::flex());
        let step = pipeline.train_step(input, target, T::loss).unwrap();
        pipeline = optimizer.step(rate.step(), pipeline, step.grads);
    }
    pipeline
}

/// A weight that four layers hold, beside the model that has one field and uses it four times.
#[rstest]
fn every_optimizer_steps_a_tied_weight_as_one_parameter(
    #[values(adam, clipped_by_value, clipped_by_norm)] optimizer: fn() -> ModuleOptimizer,
    #[values(constant, decaying)] rate: fn() -> ModuleLrScheduler,
    #[values(1, 4)] num_micro_batches: usize,
) {
    let device = Device::flex().autodiff();
    let (mut one_field, mut schedule) = (Untied::of(Tied::model(&device)), rate());
    let mut plain = optimizer();
    for _ in 0..NUM_STEPS {
        let (input, target) = Tied::batch(6, &device);
        let loss = Tied::loss(one_field.forward(input), target);
        let gradients = GradientsParams::from_grads(loss.backward(), &one_field);
        one_field = plain.step(schedule.step(), one_field, gradients);
    }

    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    for counts in partitions(6) {
        println!("counts {counts:?}");
        let pipeline = pipeline::<Tied>(&config, &counts, &Device::flex());
        let trained =
            train_pipeline::<Tied>(pipeline, &mut optimizer(), &mut rate(), NUM_STEPS).into_inner();
        let copies = trained.copies();
        assert!(copies.iter().all(|copy| *copy == copies[0]));
        let trained = Untied::of(trained).weights();
        for (one, other) in trained.iter().zip(one_field.weights()) {
            assert_close("a weight", one, &other, 1e-5);
        }
    }
}

/// What an optimizer remembers of a tied weight is there once, and goes on with other cuts.
#[test]
fn the_record_of_an_optimizer_has_a_tied_weight_once() {
    let train = |pipeline, optimizer: &mut _| {
        train_pipeline::<Tied>(pipeline, optimizer, &mut constant(), NUM_STEPS)
    };
    let mut optimizer = adam();
    let first = pipeline::<Tied>(&whole_mini_batches(), &[3, 3], &Device::flex());
    let first = train(first, &mut optimizer);
    let (model, record) = (first.clone().into_record(), optimizer.to_record());

    let second = pipeline::<Tied>(&whole_mini_batches(), &[1, 4, 1], &Device::flex());
    let second = train(second.load_record(model), &mut adam().load_record(record));
    let first = train(first, &mut optimizer);
    assert_same_parameters(&parameters(&second), &parameters(&first));
    assert_eq!(second.inner().copies(), first.inner().copies());
}
