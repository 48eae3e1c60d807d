//! Which configurations a layer may have.

use super::{Axis, Configuration, Shape};

/// The configurations of a layer for so many devices: degrees along its axes, no larger than the
/// size along each, whose product divides the number of devices (Jia et al., 2018, section 5.1).
///
/// They are in the order of their degrees, that of the width first and that of the samples last.
pub(crate) fn legal_configurations(
    shape: &Shape,
    axes: &[Axis],
    num_devices: usize,
) -> Vec<Configuration> {
    let degrees = |axis: Axis, parts: usize| {
        let largest = match axes.contains(&axis) {
            true => shape.size(axis).min(num_devices),
            false => 1,
        };
        let divides = move |it: &usize| num_devices.is_multiple_of(parts * it);
        (1..=largest).filter(divides)
    };
    let mut configurations = Vec::new();
    for width in degrees(Axis::Width, 1) {
        for height in degrees(Axis::Height, width) {
            for channel in degrees(Axis::Channel, width * height) {
                for sample in degrees(Axis::Sample, width * height * channel) {
                    let degrees = [sample, channel, height, width];
                    configurations.push(Configuration::from_degrees(degrees));
                }
            }
        }
    }
    configurations
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::one_device([8, 8, 8, 8], &Axis::ALL, 1, 1)]
    #[case::four_devices([8, 8, 8, 8], &Axis::ALL, 4, 15)]
    #[case::sixteen_devices([16, 16, 16, 16], &Axis::ALL, 16, 70)]
    #[case::two_axes([16, 16, 16, 16], &[Axis::Sample, Axis::Channel], 16, 15)]
    #[case::small_images([16, 16, 1, 1], &Axis::ALL, 16, 15)]
    #[case::six_devices([6, 6, 1, 1], &Axis::ALL, 6, 9)]
    #[case::nothing([16, 16, 16, 16], &[], 16, 1)]
    fn degrees_divide_the_devices(
        #[case] sizes: [usize; 4],
        #[case] axes: &[Axis],
        #[case] num_devices: usize,
        #[case] expected: usize,
    ) {
        let found = legal_configurations(&Shape(sizes), axes, num_devices);
        assert_eq!(found.len(), expected);
        assert_eq!(found[0], Configuration::WHOLE);
        assert!(
            found
                .iter()
                .all(|it| num_devices.is_multiple_of(it.num_parts()))
        );
    }
}
