//! Which configurations a layer may have.

use super::{Axis, Configuration, Node};

/// The configurations of a layer for so many devices: degrees along its axes, no larger than the
/// size along each, whose product divides the number of devices (Jia et al., 2018, section 5.1). A
/// degree by channel divides the units that channels come in.
///
/// They are in the order of their degrees, that of the width first and that of the samples last.
pub(crate) fn legal_configurations(node: &Node, num_devices: usize) -> Vec<Configuration> {
    let degrees = |axis: Axis, parts: usize| {
        let largest = match node.axes.contains(&axis) {
            true => node.shape.size(axis).min(num_devices),
            false => 1,
        };
        let units = node.channel_units.filter(|_| axis == Axis::Channel);
        let divides = move |it: &usize| {
            num_devices.is_multiple_of(parts * it)
                && units.is_none_or(|units| units.is_multiple_of(*it))
        };
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
    use crate::Shape;
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
        let node = Node {
            axes: axes.to_vec(),
            ..Node::new("toy", Shape(sizes))
        };
        let found = legal_configurations(&node, num_devices);
        assert_eq!(found.len(), expected);
        assert_eq!(found[0], Configuration::WHOLE);
        assert!(
            found
                .iter()
                .all(|it| num_devices.is_multiple_of(it.num_parts()))
        );
    }
    #[test]
    fn a_degree_by_channel_divides_the_heads() {
        let node = Node {
            axes: vec![Axis::Channel],
            channel_units: Some(6),
            ..Node::new("attention", Shape([8, 48, 1, 1]))
        };
        let degrees = legal_configurations(&node, 8);
        let degrees: Vec<_> = degrees.iter().map(|it| it.channel).collect();
        assert_eq!(degrees, [1, 2]);
    }
}
