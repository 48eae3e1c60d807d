use super::{super::*, ready};
use crate::Shape;

impl Graph {
    /// Inception-v3 (Szegedy et al., 2015, table 1 and figures 5 to 7) on images of 299 x 299,
    /// without the auxiliary classifier: 23.8 million parameters.
    ///
    /// Sizes are those of the network as it was published with its weights. Batch norms are
    /// folded into the convolutions.
    ///
    /// # Panics
    ///
    /// If `batch` is 0.
    pub fn inception_v3(batch: usize) -> Self {
        let mut it = Inception::default();
        let x = it.builder.data(Shape([batch, 3, 299, 299]));
        let x = it.convolve("conv1", x, 32, [3, 3], 2, [0, 0]);
        let x = it.convolve("conv2", x, 32, [3, 3], 1, [0, 0]);
        let x = it.convolve("conv3", x, 64, [3, 3], 1, [1, 1]);
        let x = it.reduce("pool3", x);
        let x = it.convolve("conv4", x, 80, [1, 1], 1, [0, 0]);
        let x = it.convolve("conv5", x, 192, [3, 3], 1, [0, 0]);
        let mut x = it.reduce("pool5", x);
        for (name, pooled) in [("a1", 32), ("a2", 64), ("a3", 64)] {
            x = it.squares(name, x, pooled);
        }
        x = it.shrink_to_17("b", x);
        for (name, channels) in [("c1", 128), ("c2", 160), ("c3", 160), ("c4", 192)] {
            x = it.crosses(name, x, channels);
        }
        x = it.shrink_to_8("d", x);
        for name in ["e1", "e2"] {
            x = it.wide(name, x);
        }
        let mut builder = it.builder;
        let x = builder.global_pooling("pool6", x);
        let x = builder.fully_connected("fc7", x, 1000);
        builder.softmax("softmax", x);
        ready(builder)
    }
}

/// A branch of a module: each convolution's channels and kernel, padded to keep the size.
type Branch<'a> = &'a [(usize, [usize; 2])];

#[derive(Default)]
struct Inception {
    builder: GraphBuilder,
}

impl Inception {
    fn convolve(
        &mut self,
        name: &str,
        input: Value,
        channels: usize,
        kernel: [usize; 2],
        stride: usize,
        padding: [usize; 2],
    ) -> Value {
        let convolution = Convolution::new(channels, kernel).with_batch_norm();
        let convolution = convolution.with_stride(stride).with_padding(padding);
        self.builder.convolution(name, input, convolution)
    }

    /// Halves height and width with the largest of 3 x 3.
    fn reduce(&mut self, name: &str, input: Value) -> Value {
        let window = Window {
            stride: [2, 2],
            ..Window::new([3, 3])
        };
        self.builder.pooling(name, input, window)
    }

    fn branch(&mut self, name: &str, input: Value, branch: Branch) -> Value {
        let mut x = input;
        for (index, &(channels, [rows, columns])) in (1..).zip(branch) {
            let padding = [rows / 2, columns / 2];
            let name = format!("{name}.{index}");
            x = self.convolve(&name, x, channels, [rows, columns], 1, padding);
        }
        x
    }

    fn pooled(&mut self, name: &str, input: Value, channels: usize) -> Value {
        let window = Window {
            padding: [1, 1],
            ..Window::new([3, 3])
        };
        let x = self.builder.pooling(format!("{name}/pool"), input, window);
        self.convolve(&format!("{name}/pooled"), x, channels, [1, 1], 1, [0, 0])
    }

    fn join(&mut self, name: &str, inputs: &[Value]) -> Value {
        self.builder.concatenation(format!("{name}/join"), inputs)
    }

    /// Figure 5.
    fn squares(&mut self, name: &str, x: Value, pooled: usize) -> Value {
        let point = self.branch(&format!("{name}/1x1"), x, &[(64, [1, 1])]);
        let five = self.branch(&format!("{name}/5x5"), x, &[(48, [1, 1]), (64, [5, 5])]);
        let double: Branch = &[(64, [1, 1]), (96, [3, 3]), (96, [3, 3])];
        let double = self.branch(&format!("{name}/3x3"), x, double);
        let pooled = self.pooled(name, x, pooled);
        self.join(name, &[point, five, double, pooled])
    }

    fn shrink_to_17(&mut self, name: &str, x: Value) -> Value {
        let single = self.convolve(&format!("{name}/3x3"), x, 384, [3, 3], 2, [0, 0]);
        let double: Branch = &[(64, [1, 1]), (96, [3, 3])];
        let double = self.branch(&format!("{name}/double"), x, double);
        let double = self.convolve(&format!("{name}/double.3"), double, 96, [3, 3], 2, [0, 0]);
        let pool = self.reduce(&format!("{name}/pool"), x);
        self.join(name, &[single, double, pool])
    }

    /// Figure 6, with n = 7.
    fn crosses(&mut self, name: &str, x: Value, channels: usize) -> Value {
        let c = channels;
        let point = self.branch(&format!("{name}/1x1"), x, &[(192, [1, 1])]);
        let single: Branch = &[(c, [1, 1]), (c, [1, 7]), (192, [7, 1])];
        let single = self.branch(&format!("{name}/single"), x, single);
        let double: Branch = &[
            (c, [1, 1]),
            (c, [7, 1]),
            (c, [1, 7]),
            (c, [7, 1]),
            (192, [1, 7]),
        ];
        let double = self.branch(&format!("{name}/double"), x, double);
        let pooled = self.pooled(name, x, 192);
        self.join(name, &[point, single, double, pooled])
    }

    fn shrink_to_8(&mut self, name: &str, x: Value) -> Value {
        let single = self.branch(&format!("{name}/single"), x, &[(192, [1, 1])]);
        let single = self.convolve(&format!("{name}/single.2"), single, 320, [3, 3], 2, [0, 0]);
        let cross: Branch = &[(192, [1, 1]), (192, [1, 7]), (192, [7, 1])];
        let cross = self.branch(&format!("{name}/cross"), x, cross);
        let cross = self.convolve(&format!("{name}/cross.4"), cross, 192, [3, 3], 2, [0, 0]);
        let pool = self.reduce(&format!("{name}/pool"), x);
        self.join(name, &[single, cross, pool])
    }

    /// Figure 7.
    fn wide(&mut self, name: &str, x: Value) -> Value {
        let point = self.branch(&format!("{name}/1x1"), x, &[(320, [1, 1])]);
        let single = self.branch(&format!("{name}/single"), x, &[(384, [1, 1])]);
        let double: Branch = &[(448, [1, 1]), (384, [3, 3])];
        let double = self.branch(&format!("{name}/double"), x, double);
        let mut joined = vec![point];
        for (branch, input) in [("single", single), ("double", double)] {
            for (shape, kernel) in [("1x3", [1, 3]), ("3x1", [3, 1])] {
                let name = format!("{name}/{branch}/{shape}");
                joined.push(self.branch(&name, input, &[(384, kernel)]));
            }
        }
        joined.push(self.pooled(name, x, 192));
        self.join(name, &joined)
    }
}
