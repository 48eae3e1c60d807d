//! How the losses of micro-batches make the loss of their mini-batch.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use burn_pipeline::{PipelineConfig, PipelineError, PipelineModule, Reduction, Sequential};
use burn_pipeline_tests::compare::{Step, assert_same, values};
use burn_pipeline_tests::data::{floats, generator, ints};
use burn_pipeline_tests::models::{Input, Mlp, Output, Pair, Toy, WithoutDropout, mean_square};
use burn_pipeline_tests::pipelined::{partitions, pipeline};
use rstest::rstest;

#[rstest]
fn a_mean_is_the_mean_over_all_samples(
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
) {
    let (input, target) = Mlp::batch(num_samples, &Device::flex());
    let plain = plain::<Mlp, _>(&input, Mlp::loss, &target);
    for pipeline in pipelines::<Mlp>(num_micro_batches) {
        let step = pipeline.prepare_step(input.clone(), target.clone());
        let step = step.with_reduction(Reduction::Mean).run(Mlp::loss).unwrap();
        assert_eq!(step.num_micro_batches, num_micro_batches.min(num_samples));
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    }
}

#[rstest]
fn a_sum_is_the_sum_over_all_samples(
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
) {
    fn sum_of_squares(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        (output - target).powi_scalar(2).sum()
    }
    let (input, target) = Mlp::batch(num_samples, &Device::flex());
    let plain = plain::<Mlp, _>(&input, sum_of_squares, &target);
    for pipeline in pipelines::<Mlp>(num_micro_batches) {
        let step = pipeline.prepare_step(input.clone(), target.clone());
        let step = step.with_reduction(Reduction::Sum).run(sum_of_squares);
        let step = step.unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    }
}

/// Token 0 is padding. Samples have unequal numbers of tokens that count, so a mean of the
/// micro-batches' means would be another number.
#[rstest]
fn a_weighted_mean_is_the_mean_over_all_tokens_that_count(
    #[values((1, 5), (4, 8), (3, 7), (4, 2))] (num_micro_batches, num_samples): (usize, usize),
) {
    let _generator = generator();
    let device = Device::flex();
    let (input, _) = WithoutDropout::batch(num_samples, &device);
    let target = ints([num_samples, 5], 3, 3, &device);
    let mean = |logits, target: Tensor<2, Int>| {
        let count = num_counting(&target);
        sum_over_tokens(logits, target) / count
    };
    let plain = plain::<WithoutDropout, _>(&input, mean, &target);
    for pipeline in pipelines::<WithoutDropout>(num_micro_batches) {
        let step = pipeline
            .prepare_step(input.clone(), target.clone())
            .with_reduction(Reduction::weighted(num_counting))
            .run(sum_over_tokens)
            .unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    }
}

#[test]
fn a_mini_batch_in_which_nothing_counts_is_an_error() {
    let device = Device::flex();
    let pipeline = pipeline::<WithoutDropout>(&PipelineConfig::new(), &[2, 3], &device);
    let (input, _) = WithoutDropout::batch(6, &device);
    let step = pipeline
        .prepare_step(input, Tensor::zeros([6, 5], &device))
        .with_reduction(Reduction::weighted(num_counting))
        .run(sum_over_tokens);
    assert_eq!(
        step.err().unwrap().to_string(),
        "the weights of the 4 micro-batches add up to 0, but a mean needs a positive number to \
         divide by: leave out mini-batches in which nothing counts"
    );
}

#[rstest]
fn outputs_come_when_they_are_asked_for(#[values(1, 4)] num_micro_batches: usize) {
    let device = Device::flex();
    let (input, target) = Pair::batch(7, &device);
    for pipeline in pipelines::<Pair>(num_micro_batches) {
        let step = pipeline.prepare_step(input.clone(), target.clone());
        assert!(step.run(Pair::loss).unwrap().outputs.is_none());

        let step = pipeline.prepare_step(input.clone(), target.clone());
        let outputs = step
            .with_outputs()
            .run(Pair::loss)
            .unwrap()
            .outputs
            .unwrap();
        assert!(!outputs.is_autodiff());
        let inferred = pipeline.forward(input.clone()).unwrap();
        assert_same(
            "outputs",
            &values(outputs.into_data()),
            &values(inferred.into_data()),
        );
    }
}

#[rstest]
fn a_loss_needs_no_target(#[values(1, 3)] num_micro_batches: usize) {
    let (input, _) = Mlp::batch(7, &Device::flex());
    let loss = |output: Tensor<2>, ()| output.powi_scalar(2).mean();
    let plain = plain::<Mlp, _>(&input, loss, &());
    for pipeline in pipelines::<Mlp>(num_micro_batches) {
        let step = pipeline.train_step(input.clone(), (), loss).unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    }
}

#[test]
fn a_target_may_have_several_tensors() {
    let device = Device::flex();
    let (input, target) = Mlp::batch(7, &device);
    let target = (target, Some(floats([7, 1], 3, &device)));
    let loss = |output: Tensor<2>, (target, weight): (Tensor<2>, Option<Tensor<2>>)| {
        mean_square(output, target * weight.expect("each part has one"))
    };
    let plain = plain::<Mlp, _>(&input, loss, &target);
    for pipeline in pipelines::<Mlp>(3) {
        let step = pipeline.train_step(input.clone(), target.clone(), loss);
        let step = step.unwrap();
        Step::new(step.loss, &step.grads, &pipeline).assert_close(&plain, 1e-5);
    }
}

#[test]
fn a_loss_of_two_numbers_is_an_error_that_says_so() {
    let device = Device::flex();
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device);
    let (input, target) = Mlp::batch(8, &device);
    let step = pipeline.train_step(input, target, |output, target| {
        (output - target).powi_scalar(2).sum_dim(1).squeeze_dim(1)
    });
    let error = step.err().unwrap();
    assert!(matches!(error, PipelineError::Stage(_)));
    let text = error.to_string();
    assert!(
        text.contains("stage 1 on `flex` failed in forward of micro-batch 0"),
        "{text}"
    );
    assert!(text.contains("in the loss"), "{text}");
    assert!(
        text.contains("the loss must be one number, shape [1], but it has shape [2]"),
        "{text}"
    );
}

#[test]
fn a_model_that_is_frozen_whole_is_an_error() {
    let device = Device::flex();
    let (input, target) = Mlp::batch(8, &device);
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &device).freeze();
    let step = pipeline.train_step(input.clone(), target.clone(), Mlp::loss);
    let text = step.err().unwrap().to_string();
    assert!(text.contains("nothing to train"), "{text}");
    assert!(text.contains("unfreeze a layer"), "{text}");

    let step = pipeline.unfreeze().train_step(input, target, Mlp::loss);
    assert_eq!(step.unwrap().grads.len(), 10);
}

#[test]
fn a_loss_that_no_parameter_reaches_is_an_error_and_no_step() {
    let (input, target) = Mlp::batch(8, &Device::flex());
    for pipeline in pipelines::<Mlp>(4) {
        let step = pipeline.train_step(input.clone(), target.clone(), |_, target| target.mean());
        let text = step.err().unwrap().to_string();
        assert!(
            text.starts_with("the losses of all 4 micro-batches depend on no parameter"),
            "{text}"
        );
        assert_eq!(pipeline.num_steps(), 0);
    }
}

/// The step of the plain model on the whole mini-batch, with this loss.
fn plain<T: Toy, Target: Clone>(
    input: &Input<T>,
    loss: impl Fn(Output<T>, Target) -> Tensor<1>,
    target: &Target,
) -> Step {
    let model = T::model(&Device::flex().autodiff());
    let loss = loss(model.forward_layers(input.clone()), target.clone());
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    Step::new(loss, &gradients, &model)
}

fn pipelines<T: Toy>(num_micro_batches: usize) -> impl Iterator<Item = PipelineModule<T::Model>> {
    let device = Device::flex();
    let config = PipelineConfig::new().with_num_micro_batches(num_micro_batches);
    let partitions = partitions(T::model(&device).num_layers());
    partitions.into_iter().map(move |counts| {
        println!("counts {counts:?}");
        pipeline::<T>(&config, &counts, &device)
    })
}

fn num_counting(target: &Tensor<2, Int>) -> f64 {
    let counts = target.clone().not_equal_elem(0).int().sum();
    counts.into_scalar::<i64>() as f64
}

/// The negative logarithm of the probability of each target token, padding left out.
fn sum_over_tokens(logits: Tensor<3>, target: Tensor<2, Int>) -> Tensor<1> {
    let log_probabilities = log_softmax(logits, 2);
    let target = target.unsqueeze_dim::<3>(2);
    let padding = target.clone().equal_elem(0);
    -log_probabilities
        .gather(2, target)
        .mask_fill(padding, 0.0)
        .sum()
}
