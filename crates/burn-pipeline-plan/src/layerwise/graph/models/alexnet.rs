use super::{super::*, ready};
use crate::Shape;

impl Graph {
    /// AlexNet in one tower (Krizhevsky, 2014, section 5) on images of 224 x 224: 61.1 million
    /// parameters.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    pub fn alexnet(batch: usize) -> Self {
        let mut it = GraphBuilder::new();
        let pool = Window {
            stride: [2, 2],
            ..Window::new([3, 3])
        };
        let x = it.data(Shape([batch, 3, 224, 224]));
        let first = Convolution::new(64, [11, 11]).with_stride(4);
        let x = it.convolution("conv1", x, first.with_padding([2, 2]));
        let x = it.pooling("pool1", x, pool);
        let second = Convolution::new(192, [5, 5]).with_padding([2, 2]);
        let x = it.convolution("conv2", x, second);
        let mut x = it.pooling("pool2", x, pool);
        for (name, channels) in [("conv3", 384), ("conv4", 256), ("conv5", 256)] {
            let convolution = Convolution::new(channels, [3, 3]).with_padding([1, 1]);
            x = it.convolution(name, x, convolution);
        }
        let x = it.pooling("pool5", x, pool);
        let x = it.fully_connected("fc6", x, 4096);
        let x = it.fully_connected("fc7", x, 4096);
        let x = it.fully_connected("fc8", x, 1000);
        it.softmax("softmax", x);
        ready(it)
    }
}
