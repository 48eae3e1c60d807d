use super::{super::*, ready};
use crate::Shape;

/// Channels of the blocks of table 1, and how many convolutions each has.
const BLOCKS: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

impl Graph {
    /// VGG-16 (Simonyan and Zisserman, 2014, table 1, column D) on images of 224 x 224: 138.4
    /// million parameters.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    pub fn vgg16(batch: usize) -> Self {
        let mut it = GraphBuilder::new();
        let pool = Window {
            stride: [2, 2],
            ..Window::new([2, 2])
        };
        let mut x = it.data(Shape([batch, 3, 224, 224]));
        for (block, (channels, num_convolutions)) in (1..).zip(BLOCKS) {
            for index in 1..=num_convolutions {
                let convolution = Convolution::new(channels, [3, 3]).with_padding([1, 1]);
                x = it.convolution(format!("conv{block}_{index}"), x, convolution);
            }
            x = it.pooling(format!("pool{block}"), x, pool);
        }
        let x = it.fully_connected("fc6", x, 4096);
        let x = it.fully_connected("fc7", x, 4096);
        let x = it.fully_connected("fc8", x, 1000);
        it.softmax("softmax", x);
        ready(it)
    }
}
