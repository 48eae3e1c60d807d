//! The shapes of the digits: a font of five by seven dots.

/// The number of digits.
pub const NUM_CLASSES: usize = 10;

const WIDTH: usize = 5;
const HEIGHT: usize = 7;

/// Rows from the top, each with its leftmost dot first.
const GLYPHS: [[&[u8; WIDTH]; HEIGHT]; NUM_CLASSES] = [
    [
        b" ### ", b"#   #", b"#  ##", b"# # #", b"##  #", b"#   #", b" ### ",
    ],
    [
        b"  #  ", b" ##  ", b"  #  ", b"  #  ", b"  #  ", b"  #  ", b" ### ",
    ],
    [
        b" ### ", b"#   #", b"    #", b"   # ", b"  #  ", b" #   ", b"#####",
    ],
    [
        b"#####", b"   # ", b"  #  ", b"   # ", b"    #", b"#   #", b" ### ",
    ],
    [
        b"   # ", b"  ## ", b" # # ", b"#  # ", b"#####", b"   # ", b"   # ",
    ],
    [
        b"#####", b"#    ", b"#### ", b"    #", b"    #", b"#   #", b" ### ",
    ],
    [
        b"  ## ", b" #   ", b"#    ", b"#### ", b"#   #", b"#   #", b" ### ",
    ],
    [
        b"#####", b"    #", b"   # ", b"  #  ", b" #   ", b" #   ", b" #   ",
    ],
    [
        b" ### ", b"#   #", b"#   #", b" ### ", b"#   #", b"#   #", b" ### ",
    ],
    [
        b" ### ", b"#   #", b"#   #", b" ####", b"    #", b"   # ", b" ##  ",
    ],
];

/// How much ink there is at a point `right` and `down` of the centre of `label`'s glyph, in dots:
/// from 0 to 1, and linear between the centres of dots.
pub(super) fn ink(label: u8, right: f32, down: f32) -> f32 {
    let column = right + (WIDTH as f32 - 1.0) / 2.0;
    let row = down + (HEIGHT as f32 - 1.0) / 2.0;
    let (left, top) = (column.floor(), row.floor());
    let (along, below) = (column - left, row - top);
    let dot = |row: f32, column: f32| -> f32 {
        let inside = row >= 0.0 && column >= 0.0 && row < HEIGHT as f32 && column < WIDTH as f32;
        match inside && GLYPHS[label as usize][row as usize][column as usize] == b'#' {
            true => 1.0,
            false => 0.0,
        }
    };
    let upper = dot(top, left) * (1.0 - along) + dot(top, left + 1.0) * along;
    let lower = dot(top + 1.0, left) * (1.0 - along) + dot(top + 1.0, left + 1.0) * along;
    upper * (1.0 - below) + lower * below
}

#[cfg(test)]
mod tests {
    use super::ink;

    #[test]
    fn ink_is_on_the_dots_and_fades_between_them() {
        // The 1 has a dot in the middle and none to the right of it.
        assert_eq!(ink(1, 0.0, 0.0), 1.0);
        assert_eq!(ink(1, 0.5, 0.0), 0.5);
        assert_eq!(ink(1, 1.0, 0.0), 0.0);
        assert_eq!(ink(1, 40.0, -40.0), 0.0);
    }
}
