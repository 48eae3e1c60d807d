use burn::data::dataset::{Dataset, DatasetError};

use super::glyphs::NUM_CLASSES;
use super::pen::{SIZE, draw};

/// An image, and the digit that it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Digit {
    /// Rows from the top, values from 0 to 255.
    pub image: [[f32; SIZE]; SIZE],
    /// From 0 to 9.
    pub label: u8,
}

/// Images of digits. Each is drawn when it is asked for, and the same every time; there are as many
/// of one digit as of another.
#[derive(Debug, Clone)]
pub struct Digits {
    num_images: usize,
    seed: u64,
}

impl Digits {
    /// Images to train on.
    pub fn train(num_images: usize) -> Self {
        Self {
            num_images,
            seed: 0,
        }
    }

    /// Other images, for validation.
    pub fn valid(num_images: usize) -> Self {
        Self {
            num_images,
            seed: 1,
        }
    }

    /// Yet other images, to tell the accuracy by.
    pub fn test(num_images: usize) -> Self {
        Self {
            num_images,
            seed: 2,
        }
    }
}

impl Dataset<Digit> for Digits {
    fn get(&self, index: usize) -> Result<Digit, DatasetError> {
        let label = (index % NUM_CLASSES) as u8;
        Ok(Digit {
            image: draw(label, (self.seed << 32) + index as u64),
            label,
        })
    }

    fn len(&self) -> usize {
        self.num_images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_every_time_and_like_no_other() {
        let all: Vec<_> = [Digits::train(30), Digits::valid(30), Digits::test(30)]
            .iter()
            .flat_map(|digits| (0..30).map(|index| digits.get(index).unwrap()))
            .collect();
        for (index, one) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other.image != one.image));
            assert!(
                one.image
                    .iter()
                    .flatten()
                    .all(|it| (0.0..=255.0).contains(it))
            );
        }
        assert_eq!(all[7], Digits::train(30).get(7).unwrap());
    }
}
