//! What a model tells metrics, and how its losses add up.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, RegressionOutput, TrainStep, TrainingError};
use burn_pipeline::{
    PipelineConfig, PipelineModule, PipelineStep, Placement, Ranked, Reduction, Sequential, ranked,
};
use burn_pipeline_tests::compare::{assert_close, values};
use burn_pipeline_tests::data::{filled, floats};
use rstest::rstest;

/// How the losses of a [`Regressor`] add up.
#[derive(Debug, Clone, Copy)]
enum AddUp {
    Mean,
    Sum,
    /// The mean over rows, as a sum with weights.
    Weighted,
}

#[derive(Module, Sequential, Debug)]
struct Regressor {
    layers: Vec<Ranked<Linear, 2>>,
    #[module(skip)]
    sum: AddUp,
}

impl PipelineStep for Regressor {
    type Batch = (Tensor<2>, Tensor<2>);
    type Target = Tensor<2>;
    type Item = RegressionOutput;

    fn split(&self, batch: Self::Batch) -> (Tensor<2>, Tensor<2>) {
        batch
    }

    fn loss(&self) -> impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1> + Send + Sync + 'static {
        let sum = self.sum;
        move |output, targets| {
            let squares = (output - targets).powi_scalar(2).mean_dim(1);
            match sum {
                AddUp::Mean => squares.mean(),
                AddUp::Sum | AddUp::Weighted => squares.sum(),
            }
        }
    }

    fn item(&self, loss: Tensor<1>, output: Tensor<2>, targets: Tensor<2>) -> RegressionOutput {
        RegressionOutput::new(loss, output, targets)
    }

    fn reduction(&self) -> Reduction<Tensor<2>> {
        match self.sum {
            AddUp::Mean => Reduction::Mean,
            AddUp::Sum => Reduction::Sum,
            AddUp::Weighted => Reduction::weighted(|targets: &Tensor<2>| targets.dims()[0] as f64),
        }
    }
}

fn pipeline(sum: AddUp) -> PipelineModule<Regressor> {
    let device = Device::flex();
    let layer = |_| ranked(LinearConfig::new(3, 3).init(&device));
    let model = Regressor {
        layers: (0..2).map(layer).collect(),
        sum,
    };
    let placement = Placement::even(&[device.clone(), device.clone()]);
    PipelineConfig::new()
        .init(filled(model), placement)
        .unwrap()
}

#[rstest]
fn the_item_has_the_loss_and_the_outputs_of_the_whole_mini_batch(
    #[values(AddUp::Mean, AddUp::Sum, AddUp::Weighted)] sum: AddUp,
) {
    let device = Device::flex();
    let (input, target) = (floats([7, 3], 1, &device), floats([7, 3], 2, &device));
    let pipeline = pipeline(sum);
    let output = pipeline.inner().valid().forward_layers(input.clone());
    let squares = (output.clone() - target.clone()).powi_scalar(2).mean_dim(1);
    let loss = match sum {
        AddUp::Mean | AddUp::Weighted => squares.mean(),
        AddUp::Sum => squares.sum(),
    };
    let expected = [loss.into_data(), output.into_data(), target.to_data()];

    let batch = (input, target);
    let trained = TrainStep::step(&pipeline, batch.clone()).item;
    let validated = InferenceStep::step(&pipeline, batch);
    for item in [trained, validated] {
        assert!(!item.output.is_autodiff() && !item.loss.is_autodiff());
        let item = [
            item.loss,
            item.output.flatten(0, 1),
            item.targets.flatten(0, 1),
        ];
        for (value, expected) in item.into_iter().zip(&expected) {
            let (value, expected) = (values(value.into_data()), values(expected.clone()));
            assert_close("item", &value, &expected, 1e-5);
        }
    }
}

#[test]
#[should_panic(expected = "the input has 7 samples but the target has 6")]
fn a_step_outside_of_the_strategy_panics_with_the_sentence() {
    let device = Device::flex();
    let batch = (floats([7, 3], 1, &device), floats([6, 3], 2, &device));
    TrainStep::step(&pipeline(AddUp::Mean), batch);
}

#[test]
fn a_batch_that_cannot_be_split_is_an_error_of_the_data() {
    let device = Device::flex();
    let (input, target) = (floats([7, 3], 1, &device), floats([6, 3], 2, &device));
    let step = pipeline(AddUp::Mean).train_step(input, target, |output, _| output.mean());
    let error = step.err().unwrap();
    let sentence = error.to_string();
    match TrainingError::from(error) {
        TrainingError::Dataset(error) => assert_eq!(error.to_string(), sentence),
        error => panic!("{error}"),
    }
}
