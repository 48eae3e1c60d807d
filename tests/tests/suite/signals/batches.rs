//! Mini-batches that cannot be split, and outputs that cannot be joined.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{Lift, PipelineConfig, PipelineError, PipelineModule, Placement, lift};
use burn_pipeline_tests::data::{filled, floats};
use burn_pipeline_tests::models::{Mlp, Optional, Toy};
use burn_pipeline_tests::pipelined::pipeline;

fn refused<T>(result: Result<T, PipelineError>) -> String {
    match result {
        Err(PipelineError::Batch(message)) => message,
        Err(error) => panic!("the batch is not to blame: {error}"),
        Ok(_) => panic!("the batch is wrong"),
    }
}

fn mlp() -> PipelineModule<Mlp> {
    pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex())
}

#[test]
fn inputs_of_two_batch_sizes_are_refused_with_both() {
    let device = Device::flex();
    let pipeline = pipeline::<Optional>(&PipelineConfig::new(), &[2, 3], &device);
    let input = || (floats([4, 5], 1, &device), Some(floats([6, 5], 2, &device)));
    let expected = "the tensors of the input disagree on the number of samples: 4 in one and 6 in \
                    another; the first dimension of each must be the sample";

    let step = pipeline.train_step(input(), floats([4, 5], 3, &device), Optional::loss);
    assert_eq!(refused(step), expected);
    assert_eq!(refused(pipeline.forward(input())), expected);
}

#[test]
fn targets_of_two_batch_sizes_are_refused_with_both() {
    let device = Device::flex();
    let target = (floats([4, 3], 1, &device), floats([5, 3], 2, &device));
    let step = mlp().train_step(floats([4, 6], 3, &device), target, |output, (one, _)| {
        Mlp::loss(output, one)
    });
    assert_eq!(
        refused(step),
        "the tensors of the target disagree on the number of samples: 4 in one and 5 in another; \
         the first dimension of each must be the sample"
    );
}

#[test]
fn a_target_of_another_batch_size_is_refused_with_both() {
    let device = Device::flex();
    let (input, _) = Mlp::batch(6, &device);
    let (_, target) = Mlp::batch(5, &device);
    assert_eq!(
        refused(mlp().train_step(input, target, Mlp::loss)),
        "the input has 6 samples but the target has 5: give one target per sample"
    );
}

#[test]
fn an_empty_mini_batch_is_refused() {
    let (input, target) = Mlp::batch(0, &Device::flex());
    let step = mlp().train_step(input.clone(), target, Mlp::loss);
    let expected = "the input has 0 samples, but at least 1 is needed: leave empty batches out";
    assert_eq!(refused(step), expected);
    assert_eq!(refused(mlp().forward(input)), expected);
}

#[test]
fn an_input_without_a_tensor_is_refused() {
    let pipeline = optional(|_, input| input);
    let target = floats([4, 3], 1, &Device::flex());
    let step = pipeline.train_step(None, target, |_, target: Tensor<2>| target.mean());
    let expected = "the input has no tensor, so there are no samples to split: give at least one \
                    tensor whose first dimension is the sample";
    assert_eq!(refused(step), expected);
    assert_eq!(refused(pipeline.forward(None)), expected);
}

/// The last layer sends a tensor for 4 samples and nothing for 3, and 7 samples are 3 and 4.
#[test]
fn outputs_that_differ_between_micro_batches_are_refused() {
    let input = Some(floats([7, 3], 1, &Device::flex()));
    let pipeline = optional(|_, input| input.filter(|input| input.dims()[0] == 4));
    let expected = "the outputs differ in structure between micro-batches (0 tensors in one, 1 \
                    in another, or of other kinds): a layer must send the same kinds of tensors \
                    for every micro-batch";
    assert_eq!(refused(pipeline.forward(input.clone())), expected);

    let step = pipeline.prepare_step(input, ()).with_outputs();
    let step = step.run(|output, ()| output.map_or_else(zero, Tensor::mean));
    assert_eq!(refused(step), expected);
    assert_eq!(pipeline.num_steps(), 0);
}

/// The last layer sends a square: 3 by 3 for 3 samples, and 4 by 4 for 4.
#[test]
fn outputs_of_other_sizes_are_refused_with_both() {
    let input = Some(floats([7, 3], 1, &Device::flex()));
    let pipeline = optional(|_, input| input.map(|input| input.clone().matmul(input.transpose())));
    assert_eq!(
        refused(pipeline.forward(input)),
        "the outputs cannot be joined: behind the first dimension, a tensor has the sizes [3] in \
         one micro-batch and [4] in another; a layer must send the same sizes for every \
         micro-batch"
    );
}

type Maybe = Option<Tensor<2>>;

/// A linear layer, and `last`.
fn optional(last: fn(&Linear, Maybe) -> Maybe) -> PipelineModule<Vec<Lift<Linear, Maybe, Maybe>>> {
    let device = Device::flex();
    let linear = || LinearConfig::new(3, 3).init(&device);
    let first: fn(&Linear, Maybe) -> Maybe =
        |linear, input| input.map(|input| linear.forward(input));
    let model = filled(vec![lift(linear(), first), lift(linear(), last)]);
    PipelineConfig::new()
        .with_num_micro_batches(2)
        .init(model, Placement::even(&[device.clone(), device]))
        .unwrap()
}

fn zero() -> Tensor<1> {
    Tensor::zeros([1], &Device::flex().autodiff())
}
