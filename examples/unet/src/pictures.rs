//! Pictures that nobody has to download: shapes under noise, and where they are.

use burn::data::dataset::{Dataset, DatasetError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::Shape;

/// How far noise lifts or lowers a pixel at most.
const NOISE: f32 = 0.6;

/// A grey picture of `size` rows of `size` pixels, one row after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// How bright each pixel is.
    pub pixels: Vec<f32>,
    /// 1 where a pixel belongs to a shape, 0 where it belongs to the background.
    pub mask: Vec<i32>,
}

/// Which pictures: none of one split is in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Those to train on.
    Training,
    /// Those to test on.
    Validation,
}

/// Pictures that are drawn when they are asked for, the same for the same seed, split and index.
#[derive(Debug, Clone)]
pub struct Pictures {
    split: Split,
    num_pictures: usize,
    size: usize,
    seed: u64,
}

impl Pictures {
    /// `num_pictures` pictures of `size` by `size`.
    pub fn new(split: Split, num_pictures: usize, size: usize, seed: u64) -> Self {
        Self {
            split,
            num_pictures,
            size,
            seed,
        }
    }

    fn generator(&self, index: usize) -> StdRng {
        let mut seed = [0; 32];
        let words = [self.seed, self.split as u64, index as u64];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        StdRng::from_seed(seed)
    }
}

impl Dataset<Picture> for Pictures {
    fn get(&self, index: usize) -> Result<Picture, DatasetError> {
        assert!(index < self.num_pictures, "there is no picture {index}");
        Ok(draw(self.size, &mut self.generator(index)))
    }

    fn len(&self) -> usize {
        self.num_pictures
    }
}

/// One to three shapes, all lighter or all darker than their background, under noise.
fn draw(size: usize, random: &mut StdRng) -> Picture {
    let background = random.random_range(-0.5..0.5);
    let contrast = random.random_range(0.5..1.0) * [-1.0, 1.0][random.random_range(0..2)];
    let extent = size as f32;
    let shapes: Vec<_> = (0..random.random_range(1..4))
        .map(|_| {
            let middle = [(); 2].map(|()| random.random_range(0.2 * extent..0.8 * extent));
            let radius = random.random_range(0.12 * extent..0.25 * extent);
            (Shape::random(random), middle, radius)
        })
        .collect();

    let mut picture = Picture {
        pixels: Vec::with_capacity(size * size),
        mask: Vec::with_capacity(size * size),
    };
    for (row, column) in (0..size).flat_map(|row| (0..size).map(move |column| (row, column))) {
        let covered = shapes.iter().any(|(shape, [x, y], radius)| {
            let from = |middle: f32, place: usize| (place as f32 + 0.5 - middle) / radius;
            shape.covers(from(*x, column), from(*y, row))
        });
        let grey = background + if covered { contrast } else { 0.0 };
        picture
            .pixels
            .push(grey + random.random_range(-NOISE..NOISE));
        picture.mask.push(i32::from(covered));
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_same_each_time_and_each_picture_another() {
        let pictures = |split, seed| Pictures::new(split, 8, 16, seed);
        let one = pictures(Split::Training, 3);
        let picture = one.get(5).unwrap();
        assert_eq!(picture, one.get(5).unwrap());
        for other in [
            one.get(4),
            pictures(Split::Training, 4).get(5),
            pictures(Split::Validation, 3).get(5),
        ] {
            assert_ne!(picture, other.unwrap());
        }
    }

    #[test]
    fn every_picture_has_both_shapes_and_background() {
        for picture in Pictures::new(Split::Training, 64, 16, 0).iter() {
            let picture = picture.unwrap();
            assert_eq!(picture.pixels.len(), 16 * 16);
            let covered = picture.mask.iter().sum::<i32>();
            assert!((4..16 * 16 - 4).contains(&covered), "{covered} pixels");
        }
    }
}
