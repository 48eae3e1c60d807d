//! Gradients to run a layer backward with.

use crate::signal::{AnySignal, FloatGradients, Passing, StageDevice};

/// A gradient for each float tensor of `outputs`, a full tensor as another stage would send it.
pub(super) fn gradients_of(outputs: &AnySignal, device: &StageDevice) -> FloatGradients {
    let (ones, _) = pulled_back(outputs, None, device);
    // What `sum` gives back may be one number, seen many times.
    pulled_back(outputs, Some(ones), device).0
}

/// Begin a backward pass at `outputs` with `gradients`, as a stage does that ends there, and end
/// it right there. Whether there was anything to begin with comes back too.
pub(super) fn pulled_back(
    outputs: &AnySignal,
    gradients: Option<FloatGradients>,
    device: &StageDevice,
) -> (FloatGradients, bool) {
    let leaves = outputs.clone().into_leaves(device, true);
    let root = match gradients {
        Some(gradients) => {
            let (arrived, _) = leaves.receive_gradients(gradients, device);
            leaves.root(arrived)
        }
        None => leaves.sum_of_floats(),
    };
    let mut gradients = root.map(|root| root.backward());
    let taken = leaves.gradients(gradients.as_mut(), Passing::default(), device);
    (taken, gradients.is_some())
}
