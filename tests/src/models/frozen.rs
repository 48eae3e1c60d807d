use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{LayerMapper, Sequential};

use super::{Mlp, Toy};

/// The [`Mlp`] with the layers `FROM..TO` frozen.
pub struct Frozen<const FROM: usize, const TO: usize>;

impl<const FROM: usize, const TO: usize> Toy for Frozen<FROM, TO> {
    type Model = Mlp;
    type Target = Tensor<2>;

    fn model(device: &Device) -> Mlp {
        Mlp::model(device).map_layers(&mut Freeze::<FROM, TO> { next: 0 })
    }

    fn batch(num_samples: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
        Mlp::batch(num_samples, device)
    }

    fn loss(output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        Mlp::loss(output, target)
    }
}

struct Freeze<const FROM: usize, const TO: usize> {
    next: usize,
}

impl<const FROM: usize, const TO: usize> LayerMapper for Freeze<FROM, TO> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        let index = self.next;
        self.next += 1;
        match (FROM..TO).contains(&index) {
            true => layer.freeze(),
            false => layer,
        }
    }
}
