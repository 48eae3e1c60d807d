use burn::tensor::{Device, Tensor};

use super::StageDevice;

/// Numbers by which to learn whether the devices of a stage could compute what they were told: one
/// of each device that tells only those who read what came of it.
#[derive(Default)]
pub(crate) struct Witness(Vec<Tensor<1>>);

impl Witness {
    /// Take a number of `tensor`, where there is none of its device yet.
    pub(crate) fn first<const D: usize>(&mut self, tensor: &Tensor<D>, stage: &StageDevice) {
        let is_new = match stage.is_alone() {
            true => self.0.is_empty(),
            false => self.place_of(&tensor.device()).is_none(),
        };
        if is_new {
            self.0.extend(stage.witness(tensor));
        }
    }

    /// Take these in the place of those of their devices.
    pub(crate) fn replace(&mut self, later: impl IntoIterator<Item = Tensor<1>>) {
        for number in later {
            match self.place_of(&number.device()) {
                Some(place) => self.0[place] = number,
                None => self.0.push(number),
            }
        }
    }

    /// Add these to those of their devices. One that could not be computed spoils the sum.
    pub(crate) fn add(&mut self, more: impl IntoIterator<Item = Tensor<1>>) {
        for number in more {
            match self.place_of(&number.device()) {
                Some(place) => self.0[place] = self.0[place].clone() + number,
                None => self.0.push(number),
            }
        }
    }

    fn place_of(&self, device: &Device) -> Option<usize> {
        self.0.iter().position(|number| number.device() == *device)
    }
}

impl IntoIterator for Witness {
    type Item = Tensor<1>;
    type IntoIter = std::vec::IntoIter<Tensor<1>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
