//! burn-train's evaluator, on what a pipeline has trained.

use burn::module::Module;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{ClassificationOutput, EvaluatorBuilder, InferenceStep};
use burn_pipeline::PipelineConfig;
use burn_pipeline_tests::learner::{
    Batch, Classifier, Folder, Recorder, Settings, Told, pipelined, validation,
};

fn evaluate<M>(model: M) -> Vec<Told>
where
    M: Module
        + InferenceStep<Input = Batch, Output = ClassificationOutput>
        + core::fmt::Display
        + 'static,
{
    let recorder = Recorder::default();
    let folder = Folder::new();
    let result = EvaluatorBuilder::new(folder.path())
        .renderer(Box::new(recorder.clone()))
        .with_application_logger(None)
        .metrics((AccuracyMetric::new(), LossMetric::new()))
        .summary()
        .build(model)
        .eval("held out", validation());
    assert!(result.error.is_none());
    recorder.told()
}

#[test]
fn a_trained_pipeline_is_evaluated_as_the_plain_model_is() {
    let config = PipelineConfig::new().with_num_micro_batches(1);
    let trained = pipelined(&config, &[2, 2], &Settings::new(2)).model;
    let plain = Classifier::new(None, &Device::flex()).load_record(trained.clone().into_record());

    let told = evaluate(trained.clone());
    assert_eq!(told, evaluate(plain));
    assert!(
        told.iter()
            .any(|told| matches!(told, Told::Metric(name, _) if name == "held out Loss"))
    );

    // The user's own model is evaluated as it was trained.
    assert_eq!(told, evaluate(trained.into_inner()));
}
