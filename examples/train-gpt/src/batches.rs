//! Mini-batches of a text: windows of bytes, and for each byte the one to predict.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::transform::{SelectionDataset, WindowsDataset};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Windows and their targets, both `[num_windows, context]`: the target of a byte is the next one.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The windows.
    pub inputs: Tensor<2, Int>,
    /// The byte after each byte of them.
    pub targets: Tensor<2, Int>,
}

/// The mini-batches of a whole training run: windows drawn at random, with replacement, by `seed`.
///
/// The nth is the same however many there are, so a run that is resumed leaves out those that it
/// has seen.
pub fn training_batches(
    bytes: &[u8],
    context: usize,
    batch_size: usize,
    seed: u64,
    num_batches: usize,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    let windows = windows(bytes, context);
    let mut random = StdRng::seed_from_u64(seed);
    let starts = (0..num_batches * batch_size)
        .map(|_| random.random_range(0..windows.len()))
        .collect();
    loader(windows, starts, batch_size, device)
}

/// Every window of `bytes`, one after the other. A rest shorter than a window is left out.
pub fn validation_batches(
    bytes: &[u8],
    context: usize,
    batch_size: usize,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    let windows = windows(bytes, context);
    let starts = (0..windows.len()).step_by(context).collect();
    loader(windows, starts, batch_size, device)
}

type ByteWindows = WindowsDataset<InMemDataset<u8>, u8>;

fn windows(bytes: &[u8], context: usize) -> ByteWindows {
    WindowsDataset::new(InMemDataset::new(bytes.to_vec()), context + 1)
}

fn loader(
    windows: ByteWindows,
    starts: Vec<usize>,
    batch_size: usize,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(ByteBatcher)
        .batch_size(batch_size)
        .set_device(device.clone())
        .build(SelectionDataset::from_indices_checked(windows, starts))
}

struct ByteBatcher;

impl Batcher<Vec<u8>, Batch> for ByteBatcher {
    fn batch(&self, windows: Vec<Vec<u8>>, device: &Device) -> Batch {
        let num_windows = windows.len();
        let num_bytes = windows.first().map_or(0, Vec::len);
        let bytes: Vec<i32> = windows.concat().into_iter().map(i32::from).collect();
        let data = TensorData::new(bytes, [num_windows, num_bytes]);
        let windows = Tensor::<2, Int>::from_data(data, device);
        Batch {
            inputs: windows.clone().narrow(1, 0, num_bytes - 1),
            targets: windows.narrow(1, 1, num_bytes - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(tensor: Tensor<2, Int>) -> Vec<u8> {
        let data = tensor.into_data().convert::<u8>();
        data.try_into_vec::<u8>().unwrap()
    }

    fn inputs(loader: &dyn DataLoader<Batch>) -> Vec<Vec<u8>> {
        loader
            .iter()
            .map(|batch| bytes(batch.unwrap().inputs))
            .collect()
    }

    #[test]
    fn validation_covers_every_whole_window_once() {
        let text: Vec<u8> = (0..100).collect();
        let loader = validation_batches(&text, 8, 5, &Device::flex());
        let batches: Vec<Batch> = loader.iter().map(Result::unwrap).collect();
        let sizes: Vec<_> = batches.iter().map(|batch| batch.inputs.dims()[0]).collect();
        assert_eq!(sizes, [5, 5, 2]);
        let seen: Vec<u8> = batches
            .iter()
            .flat_map(|it| bytes(it.inputs.clone()))
            .collect();
        let targets: Vec<u8> = batches
            .into_iter()
            .flat_map(|it| bytes(it.targets))
            .collect();
        assert_eq!(seen, (0..96).collect::<Vec<u8>>());
        assert_eq!(targets, (1..97).collect::<Vec<u8>>());
    }

    #[test]
    fn the_same_seed_draws_the_same_windows_however_many_there_are() {
        let text: Vec<u8> = (0..=255).collect();
        let draw = |seed, num_batches| {
            let loader = training_batches(&text, 8, 4, seed, num_batches, &Device::flex());
            inputs(loader.as_ref())
        };
        assert_eq!(draw(3, 2), draw(3, 5)[..2]);
        assert_ne!(draw(3, 2), draw(4, 2));
    }

    #[test]
    fn a_resumed_run_leaves_out_the_windows_it_has_seen() {
        let text: Vec<u8> = (0..=255).collect();
        let loader = training_batches(&text, 8, 4, 0, 5, &Device::flex());
        let rest = loader.slice(2 * 4, 5 * 4);
        assert_eq!(inputs(rest.as_ref()), inputs(loader.as_ref())[2..]);
    }
}
