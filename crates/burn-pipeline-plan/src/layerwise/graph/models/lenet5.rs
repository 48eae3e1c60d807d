use super::{super::*, ready};
use crate::Shape;

impl Graph {
    /// LeNet-5 (LeCun et al., 1998, section II.B) on images of 32 x 32, with the second
    /// convolution over all channels: 61,706 parameters.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    pub fn lenet5(batch: usize) -> Self {
        let mut it = GraphBuilder::new();
        let pool = Window {
            stride: [2, 2],
            ..Window::new([2, 2])
        };
        let x = it.data(Shape([batch, 1, 32, 32]));
        let x = it.convolution("conv1", x, Convolution::new(6, [5, 5]));
        let x = it.pooling("pool1", x, pool);
        let x = it.convolution("conv2", x, Convolution::new(16, [5, 5]));
        let x = it.pooling("pool2", x, pool);
        let x = it.fully_connected("fc3", x, 120);
        let x = it.fully_connected("fc4", x, 84);
        let x = it.fully_connected("fc5", x, 10);
        it.softmax("softmax", x);
        ready(it)
    }
}
