//! The target of a mini-batch, beside the outputs.

use burn::tensor::{Bool, Device, Int, IntDType, Tensor};

use crate::signal::{Signal, SignalMapper, StageDevice};

/// The target on `device`, without autodiff.
///
/// Integers of the element type that their device makes by itself become those that `device` makes:
/// metrics compare them with integers that they compute there, and backends refuse to compare two
/// types.
pub(super) fn beside_outputs<T: Signal>(target: T, device: &Device) -> T {
    target.map(&mut BesideOutputs {
        stage: StageDevice::new(device),
        ints: device.settings().int_dtype,
    })
}

struct BesideOutputs {
    stage: StageDevice,
    ints: IntDType,
}

impl SignalMapper for BesideOutputs {
    fn map_float<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        self.stage.plain_tensor(tensor)
    }

    fn map_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> Tensor<D, Int> {
        let by_itself = tensor.device().settings().int_dtype;
        let moves = by_itself != self.ints && tensor.dtype() == by_itself.into();
        let tensor = self.stage.plain_tensor(tensor);
        match moves {
            true => tensor.cast(self.ints),
            false => tensor,
        }
    }

    fn map_bool<const D: usize>(&mut self, tensor: Tensor<D, Bool>) -> Tensor<D, Bool> {
        self.stage.plain_tensor(tensor)
    }
}
