use super::super::AxisReads;

/// A window that slides over an image: heights before widths. Where the last window does not fit,
/// it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its elements.
    pub kernel: [usize; 2],
    /// The elements between the starts of two windows.
    pub stride: [usize; 2],
    /// The elements of padding on each side of the input.
    pub padding: [usize; 2],
    /// The elements between two that it looks at.
    pub dilation: [usize; 2],
}

impl Window {
    /// A window that slides by 1, without padding and dilation.
    pub fn new(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
        }
    }

    /// The size of the output along one of the two axes.
    pub(super) fn output(&self, axis: usize, size: usize) -> usize {
        let covers = (self.kernel[axis].saturating_sub(1)) * self.dilation[axis] + 1;
        match size + 2 * self.padding[axis] {
            padded if padded < covers => 0,
            padded => (padded - covers) / self.stride[axis].max(1) + 1,
        }
    }

    /// What is read along one of the two axes.
    pub(super) fn reads(&self, axis: usize) -> AxisReads {
        AxisReads::Window {
            kernel: self.kernel[axis],
            stride: self.stride[axis],
            padding: self.padding[axis],
            dilation: self.dilation[axis],
        }
    }
}

/// A convolution, with what is folded into it: a bias, or a batch norm, and the activation behind
/// it, which moves no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// The channels of its output.
    pub channels: usize,
    /// Its window.
    pub window: Window,
    /// The parameters of a channel besides its weights: 1 for a bias, 2 for a batch norm.
    pub channel_parameters: usize,
}

impl Convolution {
    /// A convolution with a bias, that slides by 1 and is not padded.
    pub fn new(channels: usize, kernel: [usize; 2]) -> Self {
        Self {
            channels,
            window: Window::new(kernel),
            channel_parameters: 1,
        }
    }

    /// The same, with a batch norm folded into it in place of the bias.
    pub fn with_batch_norm(mut self) -> Self {
        self.channel_parameters = 2;
        self
    }

    /// The same, sliding by `stride` along both axes.
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.window.stride = [stride; 2];
        self
    }

    /// The same, padded so.
    pub fn with_padding(mut self, padding: [usize; 2]) -> Self {
        self.window.padding = padding;
        self
    }
}
