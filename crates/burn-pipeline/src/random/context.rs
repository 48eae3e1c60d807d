//! Where in a training step a thread is: what the numbers that its layers draw depend on.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Range;

use super::key::mixed;
use super::numbers::Numbers;

thread_local! {
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    seed: u64,
    step: u64,
    /// Nothing before the first layer of a step is entered.
    layer: Option<usize>,
    first_sample: usize,
    num_samples: usize,
    /// How often this run of the layer has drawn.
    num_calls: u64,
}

/// Run `f` as if it were step `step` of a pipeline whose seed is `seed`, on the samples `samples` of
/// the mini-batch: its [`Dropout`](crate::Dropout) and [`GaussianNoise`](crate::GaussianNoise) draw
/// the numbers that they draw there.
///
/// It is for the plain model. Around
/// [`Sequential::forward_layers`](crate::Sequential::forward_layers) each layer draws what it draws
/// in a pipeline, and after it the loss draws what it draws in one; anything else in `f` draws numbers
/// that depend on the arguments and on how often `f` has drawn outside of layers before. Only this thread is affected, and only until `f` returns.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_pipeline::{DropoutConfig, Ranked, Dropout, Sequential, ranked, with_random_step};
///
/// let model: [Ranked<Dropout, 2>; 2] = [0.1, 0.5].map(|prob| ranked(DropoutConfig::new(prob).init()));
/// let input = Tensor::<2>::ones([8, 32], &Device::default().autodiff());
///
/// let whole = with_random_step(42, 7, 0..8, || model.forward_layers(input.clone()));
/// let part = input.narrow(0, 2, 3);
/// let part = with_random_step(42, 7, 2..5, || model.forward_layers(part));
/// part.into_data().assert_eq(&whole.narrow(0, 2, 3).into_data(), true);
/// ```
pub fn with_random_step<R>(
    seed: u64,
    step: u64,
    samples: Range<usize>,
    f: impl FnOnce() -> R,
) -> R {
    let _entered = enter_step(seed, step, samples);
    f()
}

/// Draw as what is in step `step` and in none of its layers, until the guard is dropped.
pub(crate) fn enter_step(seed: u64, step: u64, samples: Range<usize>) -> Entered {
    enter(place(seed, step, None, samples))
}

/// Draw as `layer` does in step `step` on these samples of the mini-batch, until the guard is
/// dropped.
pub(crate) fn enter_layer(seed: u64, step: u64, layer: usize, samples: Range<usize>) -> Entered {
    enter(place(seed, step, Some(layer), samples))
}

/// Draw as `layer` does, where a step has been entered and none of its layers: a sequence within a
/// layer is part of that one.
pub(crate) fn enter_layer_of_step(layer: usize) -> Option<Entered> {
    let place = PLACE.get()?;
    match place.layer {
        Some(_) => None,
        None => Some(enter(Place {
            layer: Some(layer),
            num_calls: 0,
            ..place
        })),
    }
}

/// The draws of a layer whose samples several parts of it share out: each draws what the whole
/// layer draws for those samples.
pub(crate) struct PartDraws {
    start: Option<Place>,
    num_calls: u64,
}

impl PartDraws {
    /// At the start of the layer.
    pub(crate) fn new() -> Self {
        let start = PLACE.get();
        Self {
            num_calls: start.map_or(0, |place| place.num_calls),
            start,
        }
    }

    /// Run the part that has these of the layer's `num_samples`.
    pub(crate) fn part<R>(
        &mut self,
        samples: &Range<usize>,
        num_samples: usize,
        f: impl FnOnce() -> R,
    ) -> R {
        let Some(start) = self.start else { return f() };
        let place = match num_samples == start.num_samples {
            true => Place {
                first_sample: start.first_sample + samples.start,
                num_samples: samples.len(),
                ..start
            },
            false => start,
        };
        let entered = enter(place);
        let result = f();
        let drawn = PLACE.get().map_or(0, |place| place.num_calls);
        drop(entered);
        self.num_calls = self.num_calls.max(drawn);
        PLACE.set(Some(Place {
            num_calls: self.num_calls,
            ..start
        }));
        result
    }
}

/// The numbers of the next call, for a tensor of `num_elements`; nothing outside any step.
pub(super) fn next_numbers(num_elements: usize) -> Option<Numbers> {
    let place = PLACE.get()?;
    PLACE.set(Some(Place {
        num_calls: place.num_calls + 1,
        ..place
    }));
    Some(place.numbers(num_elements))
}

fn place(seed: u64, step: u64, layer: Option<usize>, samples: Range<usize>) -> Place {
    Place {
        seed,
        step,
        layer,
        first_sample: samples.start,
        num_samples: samples.len(),
        num_calls: 0,
    }
}

impl Place {
    fn numbers(self, num_elements: usize) -> Numbers {
        let layer = self.layer.map_or(u64::MAX, |layer| layer as u64);
        let key = mixed(self.seed, [self.step, layer, self.num_calls]);
        let per_sample = match num_elements.is_multiple_of(self.num_samples) {
            true => num_elements.checked_div(self.num_samples).unwrap_or(0),
            false => 0,
        };
        Numbers {
            key: [key as u32, (key >> 32) as u32],
            first: self.first_sample as u64 * per_sample as u64,
        }
    }
}

fn enter(place: Place) -> Entered {
    Entered {
        before: PLACE.replace(Some(place)),
        on_this_thread: PhantomData,
    }
}

/// Leaves a place when dropped, and is where it was before again.
pub(crate) struct Entered {
    before: Option<Place>,
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        PLACE.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn outside_any_step_there_are_no_numbers() {
        assert_eq!(next_numbers(8), None);
        with_random_step(1, 2, 0..4, || assert!(next_numbers(8).is_some()));
        assert_eq!(next_numbers(8), None);
    }

    #[test]
    fn every_call_of_a_run_draws_other_numbers_and_every_run_draws_them_again() {
        let run = || {
            let _entered = enter_layer(1, 2, 3, 0..4);
            [next_numbers(8), next_numbers(8)]
        };
        let [first, second] = run();
        assert_ne!(first, second);
        assert_eq!(run(), [first, second]);
    }

    #[test]
    fn a_layer_entered_in_a_step_is_that_layer_of_a_pipeline() {
        let entered = enter_layer(1, 2, 3, 4..6);
        let numbers = next_numbers(8);
        drop(entered);
        with_random_step(1, 2, 4..6, || {
            assert_ne!(next_numbers(8), numbers);
            let _entered = enter_layer_of_step(3).expect("a step without a layer");
            assert_eq!(next_numbers(8), numbers);
        });
    }

    #[test]
    fn a_sequence_within_a_layer_is_part_of_the_layer() {
        let _entered = enter_layer(1, 2, 3, 0..4);
        assert!(enter_layer_of_step(0).is_none());
    }

    #[test]
    fn parts_of_a_layer_draw_what_the_whole_layer_draws() {
        let _entered = enter_layer(1, 2, 3, 4..8);
        let before = next_numbers(4).expect("within a layer");
        let mut draws = PartDraws::new();
        let first = draws.part(&(0..1), 4, || next_numbers(5).expect("within a layer"));
        let second = draws.part(&(1..4), 4, || next_numbers(15).expect("within a layer"));
        let after = next_numbers(4).expect("within a layer");
        assert_eq!(first.key, second.key);
        assert_eq!([first.first, second.first], [4 * 5, 5 * 5]);
        assert!(before.key != first.key && first.key != after.key);
        assert_eq!(after.first, 4);
    }

    #[test]
    fn a_panic_leaves_the_layer() {
        let _outer = enter_layer(1, 2, 3, 0..4);
        let place = PLACE.get();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _inner = enter_layer(1, 2, 4, 0..4);
            next_numbers(8);
            panic!("a layer fails");
        }));
        assert!(panicked.is_err());
        assert_eq!(PLACE.get(), place);
    }

    #[test]
    fn numbers_start_where_the_samples_do() {
        let first = |samples, num_elements| {
            let _entered = enter_layer(1, 2, 3, samples);
            next_numbers(num_elements).expect("within a layer").first
        };
        assert_eq!(first(0..4, 20), 0);
        assert_eq!(first(4..6, 10), 4 * 5);
        // Two heads of five elements for each sample.
        assert_eq!(first(4..6, 2 * 2 * 5), 4 * 2 * 5);
        // No multiple of the samples: weights, say.
        assert_eq!(first(4..6, 25), 0);
        assert_eq!(first(4..4, 25), 0);
    }
}
