use burn::config::Config;
use burn::module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param};
use burn::tensor::{Distribution, Tensor};

use super::drawn::{drawn_like, is_active};

/// Makes a [`GaussianNoise`](crate::GaussianNoise) with [`init`](GaussianNoiseConfig::init).
#[derive(Config, Debug)]
pub struct GaussianNoiseConfig {
    /// The standard deviation of the noise, at least 0.
    pub std: f64,
}

/// Adds normal noise to its input while training: the Gaussian noise of `burn::nn`, for pipelines.
///
/// It takes the place of [`burn::nn::GaussianNoise`] as [`Dropout`](crate::Dropout) does of its own
/// counterpart, and its numbers depend on the same things. Their bits are the same on one backend;
/// on two of them, the functions that make normal numbers of uniform ones may round differently. The
/// numbers have the 24 bits of an `f32`, also where the input has more, and none is further out than
/// 5.8 deviations.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CountedNoise {
    /// The standard deviation of the noise.
    pub std: f64,
    /// Whether to add noise while training: cleared by [`freeze`](burn::module::Module::freeze).
    pub training: Param<Flag>,
}

impl GaussianNoiseConfig {
    /// Make the module.
    ///
    /// # Panics
    ///
    /// When `std` is negative or not finite.
    pub fn init(&self) -> CountedNoise {
        assert!(
            self.std.is_finite() && self.std >= 0.0,
            "the standard deviation of a noise is {}: give a finite one of at least 0",
            self.std
        );
        CountedNoise {
            std: self.std,
            training: Param::from_bool(true),
        }
    }
}

impl CountedNoise {
    /// Add noise, where the module trains; shape `[num_samples, ..]` to the same.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if !is_active(&self.training, &input) || self.std == 0.0 {
            return input;
        }
        let noise = drawn_like(&input, |numbers, len, path, dtype, device| {
            numbers.normal(len, self.std, path, dtype, device)
        });
        let noise = noise.unwrap_or_else(|| {
            let distribution = Distribution::Normal(0.0, self.std);
            input.random_like(distribution)
        });
        input + noise
    }
}

impl ModuleDisplay for CountedNoise {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        super::drawn::content(content, "GaussianNoise", ("std", self.std), &self.training)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rstest::rstest;

    use super::*;
    use crate::random::with_random_step;

    #[test]
    fn it_is_off_where_burns_is_off() {
        let noise = GaussianNoiseConfig::new(0.5).init();
        let plain = Tensor::<2>::ones([4, 100], &Device::flex());
        let tracked = plain.clone().autodiff();
        with_random_step(1, 0, 0..4, || {
            let unchanged = |output: Tensor<2>| output.into_data() == plain.to_data();
            assert!(unchanged(noise.forward(plain.clone())));
            assert!(unchanged(noise.clone().freeze().forward(tracked.clone())));
            let never = GaussianNoiseConfig::new(0.0).init();
            assert!(unchanged(never.forward(tracked.clone())));
            assert!(!unchanged(noise.forward(tracked.clone())));
        });
        let outside = noise.forward(tracked);
        assert_ne!(outside.into_data(), plain.into_data());
    }

    #[test]
    fn it_shows_itself_as_burns_does() {
        let config = GaussianNoiseConfig::new(0.5);
        let burns = burn::nn::GaussianNoiseConfig::new(0.5);
        assert_eq!(config.init().to_string(), burns.init().to_string());
        let (ours, burns) = (config.init().freeze(), burns.init().freeze());
        assert_eq!(ours.to_string(), burns.to_string());
    }

    #[rstest]
    #[case(-0.1)]
    #[case(f64::NAN)]
    #[case(f64::INFINITY)]
    #[should_panic(expected = "a finite one of at least 0")]
    fn a_deviation_out_of_range_is_refused(#[case] std: f64) {
        GaussianNoiseConfig::new(std).init();
    }
}
