//! The numbers look random, and independent wherever they must be.
//!
//! They are the same every time, so a bound at five standard deviations either holds or does not.

use burn::tensor::{DType, Device};
use rstest::rstest;

use super::context::{enter_layer, next_numbers};
use super::numbers::{Numbers, Path};

const LEN: usize = 1 << 15;

/// What one layer drops out: `LEN` times 0 or 1, of `num_calls` calls the last.
fn dropped(seed: u64, step: u64, layer: usize, num_calls: usize, prob: f64) -> Vec<f64> {
    let _entered = enter_layer(seed, step, layer, 0..LEN);
    let numbers = numbers_of_call(num_calls);
    let mask = numbers.mask(LEN, prob, Path::Host, DType::F32, &Device::flex());
    let mask = mask.into_data().try_into_vec::<f32>().unwrap();
    let zero = |value: f32| if value == 0.0 { 1.0 } else { 0.0 };
    mask.into_iter().map(zero).collect()
}

fn noise(seed: u64, step: u64, layer: usize, num_calls: usize) -> Vec<f64> {
    let _entered = enter_layer(seed, step, layer, 0..LEN);
    let numbers = numbers_of_call(num_calls);
    let noise = numbers.normal(LEN, 2.0, Path::Host, DType::F32, &Device::flex());
    let noise = noise.into_data().try_into_vec::<f32>().unwrap();
    noise.into_iter().map(f64::from).collect()
}

fn numbers_of_call(num_calls: usize) -> Numbers {
    for _ in 1..num_calls {
        next_numbers(LEN);
    }
    next_numbers(LEN).expect("within a layer")
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn covariance(one: &[f64], other: &[f64]) -> f64 {
    let (mean_one, mean_other) = (mean(one), mean(other));
    let pairs = one.iter().zip(other);
    let products = pairs.map(|(one, other)| (one - mean_one) * (other - mean_other));
    products.sum::<f64>() / one.len() as f64
}

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    covariance(one, other) / (covariance(one, one) * covariance(other, other)).sqrt()
}

#[rstest]
fn a_mask_drops_out_its_share(
    #[values(0.01, 0.1, 0.5, 0.9, 0.999)] prob: f64,
    #[values(0, 1, 2)] seed: u64,
) {
    let share = mean(&dropped(seed, 0, 0, 1, prob));
    let deviation = (prob * (1.0 - prob) / LEN as f64).sqrt();
    assert!(
        (share - prob).abs() < 5.0 * deviation,
        "{share} is not {prob}"
    );
}

#[rstest]
fn noise_has_the_moments_of_the_normal_distribution(#[values(0, 1, 2)] seed: u64) {
    let noise = noise(seed, 0, 0, 1);
    let n = LEN as f64;
    let moment = |power| {
        mean(
            &noise
                .iter()
                .map(|z| (z / 2.0).powi(power))
                .collect::<Vec<_>>(),
        )
    };
    // The variances of the moments of n normal numbers: (2k-1)!! less the square of the k-th.
    for (power, expected, variance) in
        [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
    {
        let off: f64 = moment(power) - expected;
        assert!(
            off.abs() < 5.0 * f64::sqrt(variance / n),
            "moment {power}: {off}"
        );
    }
    let within = noise.iter().filter(|z| z.abs() < 2.0).count() as f64 / n;
    assert!((within - 0.682_689).abs() < 5.0 * (0.2166 / n).sqrt());
}

/// Each pair differs in one thing by one.
#[rstest]
#[case::seed((8, 5, 3, 2))]
#[case::step((7, 6, 3, 2))]
#[case::layer((7, 5, 4, 2))]
#[case::call((7, 5, 3, 3))]
#[case::step_for_layer((7, 3, 5, 2))]
#[case::seed_for_step((5, 7, 3, 2))]
fn neighbours_are_independent(#[case] other: (u64, u64, usize, usize)) {
    let bound = 5.0 / (LEN as f64).sqrt();
    let (seed, step, layer, call) = other;
    let one = correlation(
        &dropped(7, 5, 3, 2, 0.5),
        &dropped(seed, step, layer, call, 0.5),
    );
    assert!(one.abs() < bound, "masks: {one}");
    let one = correlation(&noise(7, 5, 3, 2), &noise(seed, step, layer, call));
    assert!(one.abs() < bound, "noise: {one}");
}

/// Samples of a mask lie one after the other: a shift compares each with its neighbour.
#[rstest]
fn samples_are_independent(#[values(1, 2, 3, 16, 64, 1000)] shift: usize) {
    let bound = 5.0 / ((LEN - shift) as f64).sqrt();
    for values in [dropped(7, 5, 3, 1, 0.5), noise(7, 5, 3, 1)] {
        let lagged = correlation(&values[shift..], &values[..LEN - shift]);
        assert!(lagged.abs() < bound, "{shift}: {lagged}");
    }
}

/// 255 degrees of freedom: mean 255, standard deviation 22.6.
#[rstest]
fn every_byte_of_the_words_is_uniform(
    #[values(0, 8, 16, 24)] shift: u32,
    #[values(0, 1)] key: u32,
) {
    let mut words = vec![0u32; LEN];
    super::threefry::fill([key, 0], 0, &mut words, |word| word);
    let mut counts = [0.0; 256];
    for word in words {
        counts[(word >> shift & 0xff) as usize] += 1.0;
    }
    let expected = LEN as f64 / 256.0;
    let terms = counts
        .iter()
        .map(|count| (count - expected).powi(2) / expected);
    let chi_squared: f64 = terms.sum();
    assert!(
        (255.0 - 113.0..255.0 + 113.0).contains(&chi_squared),
        "{chi_squared}"
    );
}
