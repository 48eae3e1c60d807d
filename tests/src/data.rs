//! Batches and parameters made by arithmetic, so that tests draw nothing and repeat.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The right to Burn's generator, which the whole process shares: a test that draws from it, seeds
/// it, or initialises a parameter by it holds this until it ends.
pub fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers between -1 and 1; other ones for each `salt`.
pub fn floats<const D: usize>(shape: [usize; D], salt: u64, device: &Device) -> Tensor<D> {
    let len = shape.iter().product();
    let values = (0..len).map(|index| number(index, salt)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Integers from 0 to `below`, which is left out.
pub fn ints<const D: usize>(
    shape: [usize; D],
    below: i64,
    salt: u64,
    device: &Device,
) -> Tensor<D, Int> {
    let len = shape.iter().product();
    let values: Vec<i64> = (0..len)
        .map(|index| (mixed(index, salt) % below as u64) as i64)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The model with values by arithmetic in every float parameter, initialised or not, and in every
/// running state. Nothing is drawn, and its ids stay.
pub fn filled<M: Module>(model: M) -> M {
    model.map(&mut Fill {
        path: Vec::new(),
        salt: 1000,
    })
}

fn number(index: usize, salt: u64) -> f32 {
    (mixed(index, salt) % 2048) as f32 / 1024.0 - 1.0
}

fn mixed(index: usize, salt: u64) -> u64 {
    let mut z = (index as u64 + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(salt.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    z = (z ^ (z >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct Fill {
    path: Vec<String>,
    salt: u64,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.salt += 1;
        let (around, scale) = match self.path.last().map(String::as_str) {
            Some("gamma" | "running_var") => (1.0, 0.25),
            _ if D == 1 => (0.0, 0.25),
            _ => (0.0, 0.6),
        };
        let shape = param.lazy_shape().dims::<D>();
        let values = floats(shape, self.salt, &param.lazy_device()) * scale + around;
        let id = param.id;
        param.transform_for_load(values, id)
    }
}
