//! Threefry-2x32 with 20 rounds, on the host.
//!
//! A counter-based generator (Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as
//! 1, 2, 3*, SC 2011, section 4.3): a function from a key and a counter to random words, without a
//! state. It takes additions, rotations and exclusive ors of 32-bit words only, which every device
//! has.

/// How far each round of a group rotates: the groups take turns.
pub(super) const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// Groups of four rounds, each followed by an injection of the key.
pub(super) const NUM_GROUPS: usize = 5;

/// How many blocks are in work at once: they stay in the first cache.
const NUM_BLOCKS: usize = 256;

/// The words of the key that are injected in turn.
pub(super) fn key_schedule(key: [u32; 2]) -> [u32; 3] {
    [key[0], key[1], 0x1bd1_1bda ^ key[0] ^ key[1]]
}

/// The two random words of one block.
#[inline(always)]
pub(super) fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let key = key_schedule(key);
    let mut x0 = counter[0].wrapping_add(key[0]);
    let mut x1 = counter[1].wrapping_add(key[1]);
    for group in 0..NUM_GROUPS {
        for rotation in ROTATIONS[group % 2] {
            x0 = x0.wrapping_add(x1);
            x1 = x1.rotate_left(rotation) ^ x0;
        }
        x0 = x0.wrapping_add(key[(group + 1) % 3]);
        x1 = x1
            .wrapping_add(key[(group + 2) % 3])
            .wrapping_add(group as u32 + 1);
    }
    [x0, x1]
}

/// Fill `out` with what `map` makes of the words from number `first` on: word `i` is word `i % 2` of
/// block `i / 2`.
pub(super) fn fill<T>(key: [u32; 2], first: u64, out: &mut [T], map: impl Fn(u32) -> T) {
    let mut block = first / 2;
    let mut rest = out;
    if first % 2 == 1
        && let Some((second, others)) = std::mem::take(&mut rest).split_first_mut()
    {
        *second = map(threefry(key, counter(block))[1]);
        block += 1;
        rest = others;
    }
    for part in rest.chunks_mut(2 * NUM_BLOCKS) {
        let mut words = [[0; NUM_BLOCKS]; 2];
        let [first, second] = &mut words;
        let num_blocks = part.len().div_ceil(2);
        blocks(
            key,
            block,
            &mut first[..num_blocks],
            &mut second[..num_blocks],
        );
        block += num_blocks as u64;

        let mut pairs = part.chunks_exact_mut(2);
        for (pair, (first, second)) in (&mut pairs).zip(first.iter().zip(second.iter())) {
            pair[0] = map(*first);
            pair[1] = map(*second);
        }
        if let [last] = pairs.into_remainder() {
            *last = map(first[num_blocks - 1]);
        }
    }
}

/// The first and the second words of the blocks from number `block` on.
pub(super) fn blocks(key: [u32; 2], block: u64, first: &mut [u32], second: &mut [u32]) {
    let [low, high] = counter(block);
    for (index, (first, second)) in first.iter_mut().zip(second).enumerate() {
        let counted = low.wrapping_add(index as u32);
        let carry = u32::from(counted < low);
        [*first, *second] = threefry(key, [counted, high.wrapping_add(carry)]);
    }
}

/// A counter of 64 bits as two words, the low one first.
fn counter(block: u64) -> [u32; 2] {
    [block as u32, (block >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// From `kat_vectors` of Random123.
    #[rstest]
    #[case([0, 0], [0, 0], [0x6b20_0159, 0x99ba_4efe])]
    #[case([u32::MAX, u32::MAX], [u32::MAX, u32::MAX], [0x1cb9_96fc, 0xbb00_2be7])]
    #[case(
        [0x1319_8a2e, 0x0370_7344],
        [0x243f_6a88, 0x85a3_08d3],
        [0xc492_3a9c, 0x483d_f7a0]
    )]
    fn a_block_has_the_published_words(
        #[case] key: [u32; 2],
        #[case] counter: [u32; 2],
        #[case] words: [u32; 2],
    ) {
        assert_eq!(threefry(key, counter), words);
    }

    #[rstest]
    fn words_come_one_by_one_as_they_come_together(
        #[values(0, 1, 6, 7, (1 << 33) - 5, (1 << 33) - 4, u64::MAX - 2000)] first: u64,
        #[values(0, 1, 2, 5, 511, 512, 513, 1100)] len: usize,
    ) {
        let key = [7, 11];
        let mut words = vec![0; len];
        fill(key, first, &mut words, |word| word);
        for (index, word) in words.into_iter().enumerate() {
            let number = first + index as u64;
            let block = threefry(key, counter(number / 2));
            assert_eq!(word, block[(number % 2) as usize], "word {number}");
        }
    }
}
