//! Pictures that nobody has to download: coloured stripes under noise.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The directions of stripes.
const NUM_DIRECTIONS: usize = 4;
/// How far apart they are, in pixels.
const PERIODS: [f32; 2] = [6.0, 10.0];
/// How far noise lifts or lowers a colour at most.
const NOISE: f32 = 0.8;

/// Pictures, `[num_pictures, 3, size, size]`, and the class of each, `[num_pictures]`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The pictures.
    pub images: Tensor<4>,
    /// Their classes, from 0.
    pub classes: Tensor<1, Int>,
}

/// Pictures that are drawn when they are asked for, the same for the same seed and number.
#[derive(Debug, Clone, Copy)]
pub struct Pictures {
    /// Rows and columns of a picture.
    pub size: usize,
    /// Of all mini-batches.
    pub seed: u64,
}

impl Pictures {
    /// A class is a direction of stripes and a distance between them.
    pub const NUM_CLASSES: usize = NUM_DIRECTIONS * PERIODS.len();

    /// The `index`th mini-batch.
    pub fn batch(&self, index: usize, batch_size: usize, device: &Device) -> Batch {
        let seed = self.seed.wrapping_mul(1 << 32).wrapping_add(index as u64);
        let random = &mut StdRng::seed_from_u64(seed);
        let mut pixels = Vec::with_capacity(batch_size * 3 * self.size * self.size);
        let mut classes = Vec::with_capacity(batch_size);
        for _ in 0..batch_size {
            let class = random.random_range(0..Self::NUM_CLASSES);
            self.draw(class, random, &mut pixels);
            classes.push(class as i32);
        }
        let shape = [batch_size, 3, self.size, self.size];
        Batch {
            images: Tensor::from_data(TensorData::new(pixels, shape), device),
            classes: Tensor::from_data(TensorData::new(classes, [batch_size]), device),
        }
    }

    fn draw(&self, class: usize, random: &mut StdRng, pixels: &mut Vec<f32>) {
        let angle = (class % NUM_DIRECTIONS) as f32 / NUM_DIRECTIONS as f32 * std::f32::consts::PI;
        let angle = angle + random.random_range(-0.15..0.15);
        let frequency = std::f32::consts::TAU / PERIODS[class / NUM_DIRECTIONS];
        let phase = random.random_range(0.0..std::f32::consts::TAU);
        let (sine, cosine) = angle.sin_cos();
        for _ in 0..3 {
            let strength = random.random_range(0.3..1.0);
            for row in 0..self.size {
                for column in 0..self.size {
                    let along = row as f32 * sine + column as f32 * cosine;
                    let stripes = strength * (frequency * along + phase).sin();
                    pixels.push(stripes + random.random_range(-NOISE..NOISE));
                }
            }
        }
    }
}
