use burn::tensor::FloatDType;
use serde::{Deserialize, Serialize};

/// What stages compute in while training.
///
/// With a half precision, parameters stay as they are, and so do their gradients, the optimizer and
/// running statistics: master weights. Each stage computes on a copy of its parameters that is cast
/// once per step, and the float tensors of the mini-batch are cast where they enter the first
/// layer: so activations and boundaries take half the memory, and boundaries half the time on the
/// way, unless a layer sends more. The loss gets the outputs in `f32`, and each micro-batch's
/// gradients are cast to `f32` before they are summed (Micikevicius et al., *Mixed Precision
/// Training*, 2018, section 3.1). Inference computes in the precision of the parameters.
///
/// The numbers are still the same for every partition and rematerialization. Whether a device has
/// the operations is for its backend to say: one that lacks them fails in the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// The type of the parameters.
    #[default]
    Full,
    /// `bf16`: the range of `f32` with 8 bits of precision. It needs no loss scaling.
    BF16,
    /// `f16`: 11 bits of precision, and a range in which small gradients vanish: scale the loss.
    F16,
}

impl Precision {
    pub(crate) fn half(self) -> Option<FloatDType> {
        match self {
            Self::Full => None,
            Self::BF16 => Some(FloatDType::BF16),
            Self::F16 => Some(FloatDType::F16),
        }
    }
}
