use super::{super::*, ready};
use crate::Shape;

/// Channels within the blocks of table 1, and how many blocks there are of each.
const STAGES: [(usize, usize); 4] = [(64, 3), (128, 4), (256, 6), (512, 3)];

impl Graph {
    /// ResNet-50 (He et al., 2015, table 1) on images of 224 x 224: 25.6 million parameters.
    ///
    /// As in the paper, the first convolution of a block has its stride. Batch norms are folded
    /// into the convolutions.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    pub fn resnet50(batch: usize) -> Self {
        let mut it = GraphBuilder::new();
        let x = it.data(Shape([batch, 3, 224, 224]));
        let first = Convolution::new(64, [7, 7]).with_stride(2);
        let first = first.with_padding([3, 3]).with_batch_norm();
        let x = it.convolution("conv1", x, first);
        let pool = Window {
            stride: [2, 2],
            padding: [1, 1],
            ..Window::new([3, 3])
        };
        let mut x = it.pooling("pool1", x, pool);
        for (stage, (channels, num_blocks)) in (2..).zip(STAGES) {
            for block in 1..=num_blocks {
                let stride = if stage > 2 && block == 1 { 2 } else { 1 };
                let name = format!("conv{stage}_{block}");
                x = bottleneck(&mut it, &name, x, channels, stride);
            }
        }
        let x = it.global_pooling("pool5", x);
        let x = it.fully_connected("fc6", x, 1000);
        it.softmax("softmax", x);
        ready(it)
    }
}

fn bottleneck(
    it: &mut GraphBuilder,
    name: &str,
    input: Value,
    channels: usize,
    stride: usize,
) -> Value {
    let point = |channels| Convolution::new(channels, [1, 1]).with_batch_norm();
    let square = Convolution::new(channels, [3, 3]).with_padding([1, 1]);
    let Shape([_, before, ..]) = input.shape();
    let shortcut = match before == 4 * channels && stride == 1 {
        true => input,
        false => {
            let projection = point(4 * channels).with_stride(stride);
            it.convolution(format!("{name}/shortcut"), input, projection)
        }
    };
    let x = point(channels).with_stride(stride);
    let x = it.convolution(format!("{name}/a"), input, x);
    let x = it.convolution(format!("{name}/b"), x, square.with_batch_norm());
    let x = it.convolution(format!("{name}/c"), x, point(4 * channels));
    it.sum(format!("{name}/sum"), &[x, shortcut])
}
