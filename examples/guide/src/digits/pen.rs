//! How a digit gets onto an image: slanted, turned, stretched, off the middle, and with noise.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::glyphs::ink;

/// The width and height of an image.
pub const SIZE: usize = 28;

/// Draw a digit, `seed` saying how: values from 0 to 255, as in MNIST.
pub(super) fn draw(label: u8, seed: u64) -> [[f32; SIZE]; SIZE] {
    let mut rng = StdRng::seed_from_u64(seed);
    let pixels_per_column = rng.random_range(2.2..3.4);
    let pixels_per_row = rng.random_range(2.2..3.0);
    let (sine, cosine) = f32::sin_cos(rng.random_range(-0.3..0.3));
    let slant = rng.random_range(-0.25..0.25);
    let middle = (SIZE as f32 - 1.0) / 2.0;
    let (x_centre, y_centre) = (
        middle + rng.random_range(-3.0..3.0),
        middle + rng.random_range(-3.0..3.0),
    );
    let brightness = rng.random_range(140.0..235.0);

    let mut image = [[0.0; SIZE]; SIZE];
    for (y, row) in image.iter_mut().enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (x, y) = (x as f32 - x_centre, y as f32 - y_centre);
            let down = y * cosine - x * sine;
            let right = x * cosine + y * sine + slant * down;
            let shade = ink(label, right / pixels_per_column, down / pixels_per_row);
            *pixel = shade * brightness + rng.random_range(0.0..20.0);
        }
    }
    image
}
