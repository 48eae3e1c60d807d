//! Threefry-2x32 with 20 rounds, in tensor operations on a device.
//!
//! About 120 of them, each over all blocks: a backend that fuses makes fewer kernels of them. They are
//! of `u32`, which every backend of Burn 0.22 but LibTorch has: its additions wrap, its right shifts
//! bring in zeros, and no 64-bit integers are needed.

use burn::tensor::{DType, Device, Int, Tensor};

use super::threefry::{NUM_GROUPS, ROTATIONS, key_schedule};

/// The first and the second words of `num_blocks` blocks from number `block` on, each `[num_blocks]`.
pub(super) fn blocks(
    key: [u32; 2],
    block: u64,
    num_blocks: usize,
    device: &Device,
) -> [Tensor<1, Int>; 2] {
    // The low word of the counter is one addition away from an index, up to where it wraps.
    let before_wrap = (1 << 32) - (block & 0xffff_ffff);
    if num_blocks as u64 <= before_wrap {
        return blocks_without_carry(key, block, num_blocks, device);
    }
    let [one, two] = blocks_without_carry(key, block, before_wrap as usize, device);
    let rest = num_blocks - before_wrap as usize;
    let [other_one, other_two] = blocks(key, block + before_wrap, rest, device);
    [
        Tensor::cat(vec![one, other_one], 0),
        Tensor::cat(vec![two, other_two], 0),
    ]
}

fn blocks_without_carry(
    key: [u32; 2],
    block: u64,
    num_blocks: usize,
    device: &Device,
) -> [Tensor<1, Int>; 2] {
    let key = key_schedule(key);
    let low = (block as u32).wrapping_add(key[0]);
    let high = ((block >> 32) as u32).wrapping_add(key[1]);
    let mut x0 = Tensor::arange(0..num_blocks as i64, (device, DType::U32)).add_scalar(low);
    let mut x1 = Tensor::full([num_blocks], high, (device, DType::U32));
    for group in 0..NUM_GROUPS {
        for rotation in ROTATIONS[group % 2] {
            x0 = x0.add(x1.clone());
            x1 = rotate_left(x1, rotation).bitwise_xor(x0.clone());
        }
        x0 = x0.add_scalar(key[(group + 1) % 3]);
        x1 = x1.add_scalar(key[(group + 2) % 3].wrapping_add(group as u32 + 1));
    }
    [x0, x1]
}

fn rotate_left(words: Tensor<1, Int>, by: u32) -> Tensor<1, Int> {
    let high = words.clone().bitwise_left_shift_scalar(by);
    high.bitwise_or(words.bitwise_right_shift_scalar(32 - by))
}

/// The words in their order: `[a0, a1, ..]` and `[b0, b1, ..]` to `[a0, b0, a1, b1, ..]`, and of
/// those `len` from number `skip` on.
pub(super) fn interleaved<K: burn::tensor::kind::Basic>(
    [first, second]: [Tensor<1, K>; 2],
    skip: usize,
    len: usize,
) -> Tensor<1, K> {
    let pairs: Tensor<2, K> = Tensor::stack(vec![first, second], 1);
    let words: Tensor<1, K> = pairs.flatten(0, 1);
    match words.dims() == [len] {
        true => words,
        false => words.narrow(0, skip, len),
    }
}
