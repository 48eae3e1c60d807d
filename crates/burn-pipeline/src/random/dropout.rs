use burn::config::Config;
use burn::module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param};
use burn::tensor::{Distribution, Tensor};

use super::drawn::{drawn_like, is_active};

/// Makes a [`Dropout`](crate::Dropout) with [`init`](DropoutConfig::init).
#[derive(Config, Debug)]
pub struct DropoutConfig {
    /// The probability with which an element is set to zero, in `[0, 1)`.
    pub prob: f64,
}

/// Sets elements of its input to zero at random while training, and scales the others by
/// `1 / (1 - prob)`: the dropout of `burn::nn`, for pipelines.
///
/// It takes the place of [`burn::nn::Dropout`]: the same fields, the same shapes, active under the
/// same conditions (the input's device has autodiff on, and the flag is set), and nothing in a
/// record. But where that one draws from the generator of the process, this one computes its mask
/// from the seed of the pipeline, the step, the layer, which of the layer's calls it is, and the
/// position of each element in the *mini-batch*. So the mask is the same when the layer is
/// recomputed, under every schedule, in every partition, for every number of micro-batches, and on
/// every backend; and no layer waits for another one's draws. The unpipelined model draws the same
/// within [`with_random_step`](crate::with_random_step).
///
/// The position counts from the first sample of the mini-batch: an input of `[num_samples, ..]`, or
/// of `[num_samples * num_heads, ..]`, has its samples one after the other. An input whose number of
/// elements is no multiple of the number of samples is taken for no input of theirs (weights, say),
/// and gets the same mask in every micro-batch; one whose samples are not in its first dimension
/// gets masks that depend on the number of micro-batches.
///
/// The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, *Parallel random
/// numbers: as easy as 1, 2, 3*, SC 2011, section 4.3). On Burn's CPU backends one pass over the
/// tensor makes the mask; on other devices it takes about 120 tensor operations of one word for each
/// element, which a backend that fuses makes fewer kernels of. Dropping out adds one operation to the
/// graph, which keeps the mask until the backward pass.
///
/// Outside any step, it draws from Burn's generator as [`burn::nn::Dropout`] does.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CountedDropout {
    /// The probability with which an element is set to zero.
    pub prob: f64,
    /// Whether to drop out while training: cleared by [`freeze`](burn::module::Module::freeze).
    pub training: Param<Flag>,
}

impl DropoutConfig {
    /// Make the module.
    ///
    /// # Panics
    ///
    /// When `prob` is not in `[0, 1)`.
    pub fn init(&self) -> CountedDropout {
        assert!(
            (0.0..1.0).contains(&self.prob),
            "the probability of a dropout is {}: give one of at least 0 and below 1",
            self.prob
        );
        CountedDropout {
            prob: self.prob,
            training: Param::from_bool(true),
        }
    }
}

impl CountedDropout {
    /// Drop out, where the module trains; shape `[num_samples, ..]` to the same.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if !is_active(&self.training, &input) || self.prob == 0.0 {
            return input;
        }
        let mask = drawn_like(&input, |numbers, len, path, dtype, device| {
            numbers.mask(len, self.prob, path, dtype, device)
        });
        match mask {
            Some(mask) => input * mask,
            None => {
                let keep = 1.0 - self.prob;
                let random = input.random_like(Distribution::Bernoulli(keep));
                input * random * (1.0 / keep)
            }
        }
    }
}

impl ModuleDisplay for CountedDropout {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        super::drawn::content(content, "Dropout", ("prob", self.prob), &self.training)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};
    use rstest::rstest;

    use super::*;
    use crate::random::with_random_step;

    #[test]
    fn it_is_off_where_burns_is_off() {
        let dropout = DropoutConfig::new(0.5).init();
        let plain = Tensor::<2>::ones([4, 100], &Device::flex());
        let tracked = plain.clone().autodiff();
        with_random_step(1, 0, 0..4, || {
            let unchanged = |output: Tensor<2>| output.into_data() == plain.to_data();
            assert!(unchanged(dropout.forward(plain.clone())));
            assert!(unchanged(dropout.clone().freeze().forward(tracked.clone())));
            let never = DropoutConfig::new(0.0).init();
            assert!(unchanged(never.forward(tracked.clone())));
            assert!(!unchanged(dropout.forward(tracked.clone())));
        });
        let outside = dropout.forward(tracked);
        assert_ne!(outside.into_data(), plain.into_data());
    }

    #[rstest]
    #[case(DType::F32)]
    #[case(DType::F64)]
    #[case(DType::F16)]
    #[case(DType::BF16)]
    fn kept_elements_are_scaled_in_the_dtype_of_the_input(#[case] dtype: DType) {
        let device = Device::flex();
        let input = Tensor::<1>::full([1000], 3.0, (&device, dtype)).autodiff();
        let dropout = DropoutConfig::new(0.25).init();
        let output = with_random_step(1, 0, 0..1000, || dropout.forward(input)).into_data();
        assert_eq!(output.dtype(), dtype);
        let output = output.convert::<f64>().try_into_vec::<f64>().unwrap();
        let kept = output.iter().filter(|value| (**value - 4.0).abs() < 0.05);
        let dropped = output.iter().filter(|value| **value == 0.0);
        let (kept, dropped) = (kept.count(), dropped.count());
        assert_eq!(kept + dropped, 1000);
        assert!((200..300).contains(&dropped), "{dropped} of 1000");
    }

    #[test]
    fn the_gradient_is_the_mask() {
        let device = Device::flex();
        let input = Tensor::<2>::ones([4, 25], &device)
            .autodiff()
            .require_grad();
        let dropout = DropoutConfig::new(0.5).init();
        let output = with_random_step(1, 0, 0..4, || dropout.forward(input.clone()));
        let gradient = input.grad(&output.clone().sum().backward()).unwrap();
        gradient.into_data().assert_eq(&output.into_data(), true);
    }

    #[test]
    fn it_shows_itself_as_burns_does() {
        let config = DropoutConfig::new(0.5);
        let burns = burn::nn::DropoutConfig::new(0.5);
        assert_eq!(config.init().to_string(), burns.init().to_string());
        let (ours, burns) = (config.init().freeze(), burns.init().freeze());
        assert_eq!(ours.to_string(), burns.to_string());
    }

    #[rstest]
    #[case(-0.1)]
    #[case(1.0)]
    #[case(f64::NAN)]
    #[case(f64::INFINITY)]
    #[should_panic(expected = "at least 0 and below 1")]
    fn a_probability_out_of_range_is_refused(#[case] prob: f64) {
        DropoutConfig::new(prob).init();
    }
}
