//! The figures of GPipe (Huang et al., 2018) that predictions are printed beside.

/// Table 1: the largest model on so many accelerators; 0 is one accelerator without GPipe.
pub struct Largest {
    pub devices: usize,
    /// Normal cells, or blocks.
    pub layers: usize,
    /// Filters of an AmoebaNet.
    pub filters: u64,
    pub parameters: f64,
}

/// AmoebaNet-D on accelerators of 8 GiB, mini-batches of 128 images.
pub const AMOEBANET_LARGEST: [Largest; 5] = [
    largest(0, 18, 208, 82e6),
    largest(1, 18, 416, 318e6),
    largest(2, 18, 544, 542e6),
    largest(4, 36, 544, 1.05e9),
    largest(8, 72, 512, 1.8e9),
];

/// The Transformer on accelerators of 16 GiB, mini-batches of 32 sentences.
pub const TRANSFORMER_LARGEST: [Largest; 4] = [
    largest(0, 3, 0, 282.2e6),
    largest(1, 13, 0, 785.8e6),
    largest(8, 103, 0, 5.3e9),
    largest(128, 1663, 0, 83.9e9),
];

const fn largest(devices: usize, layers: usize, filters: u64, parameters: f64) -> Largest {
    Largest {
        devices,
        layers,
        filters,
        parameters,
    }
}

/// The columns of Table 2.
pub const STAGES: [usize; 3] = [2, 4, 8];
/// Its rows.
pub const MICRO_BATCHES: [usize; 3] = [1, 4, 32];
/// Throughput of AmoebaNet-D (18, 256) by that of 2 stages and 1 micro-batch.
pub const AMOEBANET_THROUGHPUT: [[f64; 3]; 3] =
    [[1.0, 1.13, 1.38], [1.07, 1.26, 1.72], [1.21, 1.84, 3.48]];
/// The same of a Transformer of 48 blocks.
pub const TRANSFORMER_THROUGHPUT: [[f64; 3]; 3] =
    [[1.0, 1.07, 1.3], [1.7, 3.2, 4.8], [1.8, 3.4, 6.3]];
