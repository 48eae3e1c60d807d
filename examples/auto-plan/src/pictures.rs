//! Pictures of noise with one bright quarter: which one is the kind of the picture.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::model::NUM_KINDS;

/// Pictures `[num_pictures, 3, size, size]`, and the kind of each.
#[derive(Clone, Debug)]
pub struct Pictures {
    pub pictures: Tensor<4>,
    pub kinds: Tensor<1, Int>,
}

impl Pictures {
    /// The same ones every time.
    pub fn new(num_pictures: usize, size: usize, device: &Device) -> Self {
        let mut random = StdRng::seed_from_u64(0);
        let kinds: Vec<i32> = (0..num_pictures)
            .map(|_| random.random_range(0..NUM_KINDS as i32))
            .collect();
        let mut numbers = Vec::with_capacity(num_pictures * 3 * size * size);
        for &kind in &kinds {
            for place in 0..3 * size * size {
                let (row, column) = (place / size % size, place % size);
                let quarter = 2 * (2 * row / size) + 2 * column / size;
                let light = if quarter == kind as usize { 0.5 } else { 0.0 };
                numbers.push(light + random.random_range(-1.0..1.0f32));
            }
        }
        let shape = [num_pictures, 3, size, size];
        Self {
            pictures: Tensor::from_data(TensorData::new(numbers, shape), device),
            kinds: Tensor::from_data(TensorData::new(kinds, [num_pictures]), device),
        }
    }
}
