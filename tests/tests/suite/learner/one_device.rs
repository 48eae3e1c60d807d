//! The same run on one device and in a pipeline.

use burn::tensor::Device;
use burn::train::ExecutionStrategy;
use burn_pipeline::{PipelineConfig, PipelineStrategy, Placement, Rematerialization, ScheduleKind};
use burn_pipeline_tests::compare::{assert_close_parameters, assert_same_parameters};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::learner::{
    Classifier, Settings, Told, in_stages, launch, on_one_device, pipelined,
};
use rstest::rstest;

fn accumulating(settings: Settings) -> Settings {
    Settings {
        grads_accumulation: Some(3),
        ..settings
    }
}

fn shuffled(settings: Settings) -> Settings {
    Settings {
        shuffle: Some(5),
        ..settings
    }
}

/// With a single micro-batch, a pipeline computes what one device does, in the same order.
#[rstest]
#[case::plainly(|settings| settings)]
#[case::accumulating_gradients(accumulating)]
#[case::shuffling(shuffled)]
fn one_micro_batch_trains_as_one_device_does_to_the_last_bit(
    #[case] with: fn(Settings) -> Settings,
    #[values(&[4], &[2, 2], &[1, 1, 2])] num_layers: &[usize],
) {
    let config = PipelineConfig::new().with_num_micro_batches(1);
    let plain = on_one_device(&with(Settings::new(3)));
    let piped = pipelined(&config, num_layers, &with(Settings::new(3)));

    assert_same_parameters(&piped.parameters, &plain.parameters);
    assert_eq!(piped.told, plain.told);
    assert_eq!(piped.num_epochs(), 3);
    assert!(piped.error.is_none() && piped.interrupted.is_none());
}

#[rstest]
fn micro_batches_train_as_one_device_does_within_rounding(
    #[values("gpipe", "1f1b")] schedule: &str,
    #[values(Rematerialization::Never, Rematerialization::ExceptLast)] mode: Rematerialization,
    #[values(None, Some(3))] grads_accumulation: Option<usize>,
) {
    let settings = || Settings {
        grads_accumulation,
        shuffle: Some(9),
        ..Settings::new(3)
    };
    let schedule: ScheduleKind = schedule.parse().unwrap();
    let config = PipelineConfig::new()
        .with_num_micro_batches(3)
        .with_rematerialization(mode)
        .with_schedule(schedule);
    let plain = on_one_device(&settings());
    let piped = pipelined(&config, &[1, 3], &settings());

    assert_close_parameters(&piped.parameters, &plain.parameters, 1e-4);
    assert_eq!(piped.told.len(), plain.told.len());
    for (one, other) in piped.told.iter().zip(&plain.told) {
        match (one, other) {
            (Told::Metric(one, value), Told::Metric(other, expected)) => {
                assert_eq!(one, other);
                let difference = (value - expected).abs();
                assert!(
                    difference <= 1e-4 * expected.abs(),
                    "{one}: {value} is not {expected}"
                );
            }
            _ => assert_eq!(one, other),
        }
    }
}

#[test]
fn the_learning_rate_follows_its_schedule() {
    let piped = pipelined(&PipelineConfig::new(), &[2, 2], &Settings::new(3));
    let plain = on_one_device(&Settings::new(3));
    let rates = piped.metric("train Learning Rate");
    assert_eq!(rates, plain.metric("train Learning Rate"));
    assert!(rates.last().unwrap() < &(0.9 * rates[0]), "{rates:?}");
}

#[test]
fn the_summary_shows_the_plain_model() {
    let piped = pipelined(&PipelineConfig::new(), &[2, 2], &Settings::new(1));
    let plain = on_one_device(&Settings::new(1));
    let text = plain.model.to_string();
    assert!(text.contains("params: "), "{text}");
    assert_eq!(piped.model.to_string(), text);
    let summary = piped.summary.unwrap();
    assert!(summary.contains(&format!("Model:\n{text}\n")), "{summary}");
}

#[test]
fn stages_on_two_backends_train_as_one_device_does_within_rounding() {
    let plain = on_one_device(&Settings::new(2));
    let model = Classifier::new(None, &Device::flex());
    let placement = Placement::from_counts(&two_devices(), &[2, 2]);
    let pipeline = PipelineConfig::new().init(model, placement).unwrap();
    let piped = launch(pipeline, PipelineStrategy.into(), &Settings::new(2));

    assert!(piped.error.is_none());
    assert_close_parameters(&piped.parameters, &plain.parameters, 1e-4);
    let accuracy = "valid Accuracy";
    assert_eq!(piped.metric(accuracy), plain.metric(accuracy));
}

#[test]
fn burn_trains_strategy_for_one_device_takes_a_pipeline_as_well() {
    let config = PipelineConfig::new().with_num_micro_batches(2);
    let pipeline = in_stages(&config, &[2, 2], Classifier::new(None, &Device::flex()));
    let strategy = ExecutionStrategy::SingleDevice(Device::flex());
    let by_burn = launch(pipeline, strategy.into(), &Settings::new(2));
    let by_us = pipelined(&config, &[2, 2], &Settings::new(2));
    assert_same_parameters(&by_us.parameters, &by_burn.parameters);
    assert_eq!(by_us.told, by_burn.told);
}
