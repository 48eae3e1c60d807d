//! What is to be found in a picture.

use rand::RngExt;

/// A shape with its middle at (0, 0) and corners, if it has any, at a distance of about 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    Disc,
    /// A square.
    Square,
    /// A triangle that stands on one side.
    Triangle,
}

impl Shape {
    /// Any of them.
    pub fn random(random: &mut impl RngExt) -> Self {
        match random.random_range(0..3) {
            0 => Self::Disc,
            1 => Self::Square,
            _ => Self::Triangle,
        }
    }

    /// Whether the point `x` to the right of the middle and `y` below it is in the shape.
    pub fn covers(self, x: f32, y: f32) -> bool {
        match self {
            Self::Disc => x * x + y * y <= 1.0,
            Self::Square => x.abs().max(y.abs()) <= 0.8,
            Self::Triangle => y.abs() <= 0.8 && x.abs() <= (y + 0.8) * 0.6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_covers_its_middle_and_nothing_far_away() {
        for shape in [Shape::Disc, Shape::Square, Shape::Triangle] {
            assert!(shape.covers(0.0, 0.0), "{shape:?}");
            assert!(!shape.covers(1.1, 0.0), "{shape:?}");
            assert!(!shape.covers(0.0, -1.1), "{shape:?}");
        }
        assert!(Shape::Square.covers(0.7, 0.7) && !Shape::Disc.covers(0.8, 0.8));
        assert!(Shape::Triangle.covers(0.7, 0.7) && !Shape::Triangle.covers(0.7, -0.7));
    }
}
