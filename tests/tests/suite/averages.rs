//! Averages of weights.

use std::path::PathBuf;

use burn::module::{Module, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_pipeline::{Ema, PipelineConfig, PipelineOptimizer, Sequential};
use burn_pipeline_tests::compare::{Parameters, assert_same_parameters, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{Convolution, Frozen, LowRank, Mlp, Toy};
use burn_pipeline_tests::optimizers::adam;
use burn_pipeline_tests::pipelined::{partitions, pipeline};
use rstest::rstest;

const DECAY: f64 = 0.9;
const NUM_STEPS: usize = 3;

#[rstest]
#[case::mlp(same_as_plain::<Mlp>)]
#[case::a_frozen_beginning(same_as_plain::<Frozen<0, 2>>)]
#[case::adapters(same_as_plain::<LowRank>)]
fn averages_over_stages_are_those_of_the_plain_model(#[case] same_as_plain: fn()) {
    same_as_plain();
}

fn same_as_plain<T: Toy>() {
    let _generator = T::DRAWS.then(generator);
    let mut model = T::model(&Device::flex().autodiff());
    let mut optimizer: ModuleOptimizer = adam();
    let mut ema = Ema::new(&model, DECAY);
    for _ in 0..NUM_STEPS {
        let (input, target) = T::batch(6, &Device::flex().autodiff());
        let loss = T::loss(model.forward_layers(input), target);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.05, model, gradients);
        ema.update(&model);
    }
    let plain = parameters(&ema.apply(model.clone()));
    assert_ne!(plain, parameters(&model));

    for counts in partitions(model.num_layers()) {
        println!("counts {counts:?}");
        let config = PipelineConfig::new().with_num_micro_batches(1);
        let mut pipeline = pipeline::<T>(&config, &counts, &Device::flex());
        let mut optimizer = PipelineOptimizer::new(adam());
        let mut ema = Ema::new(&pipeline, DECAY);
        for _ in 0..NUM_STEPS {
            let (input, target) = T::batch(6, &Device::flex());
            let step = pipeline.train_step(input, target, T::loss).unwrap();
            pipeline = optimizer.step(0.05, pipeline, step.grads).unwrap();
            ema.update(&pipeline);
        }
        assert_same_parameters(&parameters(&ema.apply(pipeline.clone())), &plain);
        assert_same_parameters(&parameters(&pipeline), &parameters(&model));
    }
}

#[test]
fn an_average_is_what_its_formula_says() {
    let start = Mlp::model(&Device::flex().autodiff());
    let mut ema = Ema::new(&start, 0.75);
    let other = burn_pipeline_tests::data::filled(start.clone());
    let doubled = other.map(&mut Double);
    ema.update(&doubled);
    let average = parameters(&ema.apply(start.clone()));
    let (start, doubled) = (parameters(&start), parameters(&doubled));
    for (path, values) in &average {
        let pairs = start[path].iter().zip(&doubled[path]);
        let expected: Vec<f32> = pairs.map(|(a, b)| a * 0.75 + b * 0.25).collect();
        burn_pipeline_tests::compare::assert_close(path, values, &expected, 1e-6);
    }
}

#[test]
fn running_statistics_and_what_is_frozen_are_the_models_own() {
    let pipeline = pipeline::<Convolution>(&PipelineConfig::new(), &[4, 4], &Device::flex());
    let ema = Ema::new(&pipeline, DECAY);
    let (input, target) = Convolution::batch(6, &Device::flex());
    let step = pipeline.train_step(input, target, Convolution::loss);
    let pipeline = PipelineOptimizer::new(adam())
        .step(0.05, pipeline, step.unwrap().grads)
        .unwrap();

    let now = parameters(&pipeline);
    for (path, values) in parameters(&ema.apply(pipeline)) {
        assert_eq!(values == now[&path], path.contains("running_"), "{path}");
    }
}

#[rstest]
fn averages_are_saved_and_go_on(#[values(1, 2, 3)] num_stages: usize) {
    let file = Temporary::new();
    let counts = &[vec![5], vec![2, 3], vec![1, 3, 1]][num_stages - 1];
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), counts, &Device::flex());
    let mut ema = Ema::new(&pipeline, DECAY);
    let pipeline = pipeline.map(&mut Double);
    ema.update(&pipeline);
    ema.save(&pipeline, &file.0).unwrap();

    // In a plain model that is made anew, whose parameters have other ids.
    let plain = Mlp::model(&Device::flex().autodiff());
    let mut loaded = Ema::load(&plain, &file.0).unwrap();
    assert_eq!(loaded.decay(), DECAY);
    let averages: Parameters = parameters(&ema.apply(pipeline.clone()));
    assert_same_parameters(&parameters(&loaded.apply(plain.clone())), &averages);

    let plain = plain.map(&mut Double).map(&mut Double);
    let pipeline = pipeline.map(&mut Double);
    ema.update(&pipeline);
    loaded.update(&plain);
    let averages = parameters(&ema.apply(pipeline));
    assert_same_parameters(&parameters(&loaded.apply(plain)), &averages);

    // The file is a record of the model as well.
    let record = ModuleRecord::load(&file.0).unwrap().allow_partial(true);
    Mlp::model(&Device::flex()).try_load_record(record).unwrap();
}

#[test]
fn a_file_of_something_else_is_refused() {
    let file = Temporary::new();
    let model = Mlp::model(&Device::flex());
    model.clone().save_file(&file.0).unwrap();
    let error = Ema::load(&model, &file.0).unwrap_err().to_string();
    assert!(error.contains("not one of averages"), "{error}");

    let trained = Mlp::model(&Device::flex().autodiff());
    Ema::new(&trained, DECAY).save(&trained, &file.0).unwrap();
    let other = Convolution::model(&Device::flex().autodiff());
    let error = Ema::load(&other, &file.0).unwrap_err().to_string();
    assert!(
        error.contains("`head.weight` has shape [8, 3] in the file and [16, 3] in the model"),
        "{error}"
    );
}

struct Double;

impl burn::module::ModuleMapper for Double {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<burn::Tensor<D>>,
    ) -> burn::module::Param<burn::Tensor<D>> {
        param.map(|tensor| {
            let require_grad = tensor.is_require_grad();
            (tensor.detach() * 2.0)
                .detach()
                .set_require_grad(require_grad)
        })
    }
}

struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self(directory.join(format!("averages-{}.bpk", ParamId::new().val())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
