//! What the modules that draw have in common.

use burn::module::{Content, Flag, Param};
use burn::tensor::{DType, Device, Tensor};

use super::context::next_numbers;
use super::numbers::{Numbers, Path};

/// Whether a module draws: under the same conditions as those of `burn::nn`.
pub(super) fn is_active<const D: usize>(training: &Param<Flag>, input: &Tensor<D>) -> bool {
    training.is_enabled() && input.device().is_autodiff()
}

/// What `draw` makes of the next numbers, in the shape of `input` and without a history; nothing
/// outside any step. It gets how many there are to be, and how and where to compute them.
pub(super) fn drawn_like<const D: usize>(
    input: &Tensor<D>,
    draw: impl FnOnce(Numbers, usize, Path, DType, &Device) -> Tensor<1>,
) -> Option<Tensor<D>> {
    let shape = input.shape();
    let num_elements = shape.num_elements();
    let numbers = next_numbers(num_elements)?;
    let device = input.device().without_autodiff();
    let path = Path::of(&device);
    Some(draw(numbers, num_elements, path, input.dtype(), &device).reshape(shape))
}

/// How a module shows itself: by the name that users know, and its flag where it is cleared.
pub(super) fn content(
    content: Content,
    name: &str,
    (field, value): (&str, f64),
    training: &Param<Flag>,
) -> Option<Content> {
    let content = content.set_top_level_type(name).add(field, &value);
    match training.is_enabled() {
        true => content.optional(),
        false => content.add("training", training).optional(),
    }
}
