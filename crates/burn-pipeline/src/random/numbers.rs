//! From a key and a range of the counter to tensors of random numbers.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use super::{tensor, threefry};

/// The numbers of one call: the words from number `first` on under `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) key: [u32; 2],
    pub(super) first: u64,
}

/// Who computes the words. They are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// This thread: one pass over the tensor, which the host hands to the device.
    Host,
    /// The device.
    Device,
}

static DRAW_ON_DEVICE: AtomicBool = AtomicBool::new(false);

/// Take [`Path::Device`] for every device from now on, to compare the two.
pub(crate) fn draw_on_device(always: bool) {
    DRAW_ON_DEVICE.store(always, Ordering::Relaxed);
}

impl Path {
    /// The faster one. Burn tells kinds of devices apart only in the name that `Debug` gives; a
    /// name that is not known means slower, not wrong.
    pub(super) fn of(device: &Device) -> Self {
        // LibTorch has no `u32`. The others compute in the host's memory.
        const HOSTS: [&str; 4] = ["Flex", "NdArray", "Cube(Cpu", "LibTorch"];
        let name = format!("{device:?}");
        let name = name.trim_start_matches("Device<");
        let on_host = HOSTS.iter().any(|host| name.starts_with(host));
        match on_host && !DRAW_ON_DEVICE.load(Ordering::Relaxed) {
            true => Self::Host,
            false => Self::Device,
        }
    }
}

impl Numbers {
    /// A mask `[len]`: 0 with probability `prob`, and else `1 / (1 - prob)`, rounded to `dtype`.
    ///
    /// `prob` itself is rounded to a multiple of 2^-32, and what is 0 has the same bits everywhere.
    pub(super) fn mask(
        self,
        len: usize,
        prob: f64,
        path: Path,
        dtype: DType,
        device: &Device,
    ) -> Tensor<1> {
        let threshold = (prob * 2f64.powi(32)).round() as u32;
        let scale = 1.0 / (1.0 - prob);
        match path {
            Path::Host => {
                let data = match dtype {
                    DType::F32 => TensorData::new(self.mask_f32(len, threshold, scale), [len]),
                    _ => TensorData::new(self.mask_f64(len, threshold, scale), [len]),
                };
                Tensor::from_data(data, (device, dtype))
            }
            Path::Device => {
                let (block, num_blocks, skip) = self.blocks(len);
                let words = tensor::blocks(self.key, block, num_blocks, device);
                let keep = tensor::interleaved(words, skip, len).greater_equal_scalar(threshold);
                Tensor::zeros([len], (device, dtype)).mask_fill(keep, scale)
            }
        }
    }

    /// Samples of the normal distribution with mean 0 and standard deviation `std`, `[len]`.
    ///
    /// By Box and Muller (*A note on the generation of random normal deviates*, 1958) in `f32` from
    /// 24 bits of each word, so that none is further out than 5.8 deviations. The words have the
    /// same bits everywhere; logarithm, root, sine and cosine of another device may differ in the
    /// last ones.
    pub(super) fn normal(
        self,
        len: usize,
        std: f64,
        path: Path,
        dtype: DType,
        device: &Device,
    ) -> Tensor<1> {
        let (block, num_blocks, skip) = self.blocks(len);
        let [first, second] = match path {
            Path::Host => self.blocks_on_host(block, num_blocks, device),
            Path::Device => tensor::blocks(self.key, block, num_blocks, device),
        };
        const UNIT: f32 = 1.0 / (1 << 24) as f32;
        let unit = |words: Tensor<1, Int>| {
            let words = words.bitwise_right_shift_scalar(8);
            words.cast(FloatDType::F32).mul_scalar(UNIT)
        };
        let radius = unit(first).add_scalar(UNIT).log();
        let radius = radius.mul_scalar(-2.0).sqrt();
        let angle = unit(second).mul_scalar(std::f64::consts::TAU);
        let pair = [radius.clone() * angle.clone().cos(), radius * angle.sin()];
        tensor::interleaved(pair, skip, len)
            .mul_scalar(std)
            .cast(dtype)
    }

    /// The first block, the number of blocks, and the words before the first number.
    fn blocks(self, len: usize) -> (u64, usize, usize) {
        let skip = (self.first % 2) as usize;
        (self.first / 2, (skip + len).div_ceil(2), skip)
    }

    fn mask_f32(self, len: usize, threshold: u32, scale: f64) -> Vec<f32> {
        let (mut mask, scale) = (vec![0.0; len], scale as f32);
        threefry::fill(self.key, self.first, &mut mask, |word| {
            if word >= threshold { scale } else { 0.0 }
        });
        mask
    }

    fn mask_f64(self, len: usize, threshold: u32, scale: f64) -> Vec<f64> {
        let mut mask = vec![0.0; len];
        threefry::fill(self.key, self.first, &mut mask, |word| {
            if word >= threshold { scale } else { 0.0 }
        });
        mask
    }

    fn blocks_on_host(self, block: u64, num_blocks: usize, device: &Device) -> [Tensor<1, Int>; 2] {
        let (mut first, mut second) = (vec![0; num_blocks], vec![0; num_blocks]);
        threefry::blocks(self.key, block, &mut first, &mut second);
        [first, second].map(|words: Vec<u32>| {
            Tensor::from_data(TensorData::new(words, [num_blocks]), (device, DType::U32))
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_device_is_the_host_where_burn_computes_on_it() {
        let device = Device::flex();
        assert_eq!(Path::of(&device), Path::Host);
    }

    /// The last two cases cross a multiple of 2^32 blocks.
    #[rstest]
    fn host_and_device_draw_the_same_bits(
        #[values(0, 1, 6, 7, (1 << 33) - 8, (1 << 33) - 5)] first: u64,
        #[values(1, 2, 7, 32, 1001)] len: usize,
        #[values(DType::F32, DType::F64)] dtype: DType,
    ) {
        let numbers = Numbers { key: [3, 4], first };
        let device = Device::flex();
        let [one, other] = [Path::Host, Path::Device]
            .map(|path| numbers.mask(len, 0.3, path, dtype, &device).into_data());
        one.assert_eq(&other, true);

        let [one, other] = [Path::Host, Path::Device]
            .map(|path| numbers.normal(len, 0.5, path, dtype, &device).into_data());
        one.assert_eq(&other, true);
        assert_eq!(one.dtype(), dtype);
    }

    #[rstest]
    fn parts_are_cut_from_the_whole(
        #[values(Path::Host, Path::Device)] path: Path,
        #[values(1, 2, 5)] cut: usize,
    ) {
        let device = Device::flex();
        let (len, rest) = (12, 12 - cut);
        let at = |first| Numbers { key: [3, 4], first };
        let mask = |numbers: Numbers, len| numbers.mask(len, 0.3, path, DType::F32, &device);
        let normal = |numbers: Numbers, len| numbers.normal(len, 0.3, path, DType::F32, &device);

        let parts = vec![mask(at(0), cut), mask(at(cut as u64), rest)];
        let whole = mask(at(0), len).into_data();
        Tensor::cat(parts, 0).into_data().assert_eq(&whole, true);

        let parts = vec![normal(at(0), cut), normal(at(cut as u64), rest)];
        let whole = normal(at(0), len).into_data();
        Tensor::cat(parts, 0).into_data().assert_eq(&whole, true);
    }
}
