use burn::module::{Lora, Module};
use burn::tensor::{Device, Tensor};

use super::{Mlp, Toy};
use crate::data::filled;

/// The [`Mlp`] with frozen weights and trainable adapters of rank 2 beside them.
pub struct LowRank;

impl Toy for LowRank {
    type Model = Mlp;
    type Target = Tensor<2>;

    const DRAWS: bool = true;

    fn model(device: &Device) -> Mlp {
        filled(Mlp::model(device).apply_lora(Lora::new(2, 4.0)))
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        Mlp::batch(num_samples, device)
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        Mlp::loss(output, target)
    }
}
