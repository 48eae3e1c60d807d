use std::{cell::RefCell, collections::HashMap, ops::Range, rc::Rc};

use crate::{Measurement, ProfileCosts, WorkingBytes};

/// What stages of any layers cost, from sums that are made once.
pub(super) struct Tables<'a> {
    pub(super) costs: &'a ProfileCosts<'a>,
    /// For each device, the first one that is like it.
    like: Vec<usize>,
    sizes: RefCell<HashMap<usize, Rc<Size>>>,
    parameters: Vec<u64>,
    /// Bytes and layers of the parameters that several layers hold.
    shared: Vec<(u64, Vec<usize>)>,
    parameter_factor: f64,
    working_factor: f64,
}

/// Micro-batches of one number of samples.
pub(super) struct Size {
    /// For each device, shared by those that are alike.
    devices: Vec<Rc<Sums>>,
    pub(super) least: Least,
    /// The bytes that each layer receives.
    pub(super) boundary_bytes: Vec<u64>,
    /// The bytes that each layer keeps, on the device where it keeps least.
    pub(super) least_activation_bytes: Vec<u64>,
}

/// The times of one micro-batch with every layer on the device that is fastest for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Least {
    pub(super) forward: f64,
    /// Forward with its graph, and backward.
    pub(super) recorded: f64,
    /// Forward in whichever way is faster, and backward.
    pub(super) pass: f64,
}

/// Sums over the first `i` layers, the loss being one more after the last.
pub(super) struct Sums {
    forward: Vec<f64>,
    recorded: Vec<f64>,
    backward: Vec<f64>,
    /// What the backward pass of a stage takes on top that ends before layer `i`.
    pull_back: Vec<f64>,
    activation_bytes: Vec<u64>,
    working: Greatest,
}

/// The times of one micro-batch on a stage, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    pub(super) forward: f64,
    pub(super) recorded: f64,
    pub(super) backward: f64,
}

/// How long stages of any layers compute for all micro-batches of a step, in seconds.
pub(super) struct Busy {
    sums: Vec<f64>,
    pull_back: Vec<f64>,
}

impl Busy {
    pub(super) fn of(&self, layers: Range<usize>) -> f64 {
        self.least(layers.clone()) + self.pull_back[layers.end]
    }

    /// What no stage of these layers and more takes less than.
    pub(super) fn least(&self, layers: Range<usize>) -> f64 {
        self.sums[layers.end] - self.sums[layers.start]
    }
}

impl<'a> Tables<'a> {
    pub(super) fn new(
        costs: &'a ProfileCosts<'a>,
        parameter_factor: f64,
        working_factor: f64,
    ) -> Self {
        let cluster = costs.cluster();
        let like = |device: usize| {
            let it = cluster.device(device);
            let same = (0..device).find(|other| {
                let other = cluster.device(*other);
                (other.flops, other.memory_bytes) == (it.flops, it.memory_bytes)
            });
            same.unwrap_or(device)
        };
        let profile = costs.profile();
        let shared = profile.shared_parameters.iter();
        Self {
            like: (0..cluster.num_devices()).map(like).collect(),
            sizes: RefCell::default(),
            parameters: sums(profile.layers.iter().map(|it| it.parameter_bytes)),
            shared: shared.map(|it| (it.bytes, it.layers.clone())).collect(),
            parameter_factor,
            working_factor,
            costs,
        }
    }

    pub(super) fn num_layers(&self) -> usize {
        self.costs.profile().num_layers()
    }

    /// One device of each kind.
    pub(super) fn kinds(&self) -> impl Iterator<Item = usize> + '_ {
        let devices = self.like.iter().enumerate();
        devices
            .filter(|(device, like)| device == *like)
            .map(|it| it.0)
    }

    pub(super) fn size(&self, num_samples: usize) -> Rc<Size> {
        let mut sizes = self.sizes.borrow_mut();
        let size = sizes.entry(num_samples).or_insert_with(|| {
            let layers = 0..self.num_layers();
            let boundary_bytes = layers.map(|it| self.costs.boundary_bytes(it, num_samples));
            let mut devices: Vec<Rc<Sums>> = Vec::new();
            for (device, &like) in self.like.iter().enumerate() {
                devices.push(match devices.get(like) {
                    Some(known) => Rc::clone(known),
                    None => Rc::new(self.sums(device, num_samples)),
                });
            }
            let least_activation_bytes = (0..self.num_layers()).map(|layer| {
                let kinds = self.kinds();
                let bytes = kinds.map(|it| {
                    let sums = &devices[it].activation_bytes;
                    sums[layer + 1] - sums[layer]
                });
                bytes.min().unwrap_or(0)
            });
            Rc::new(Size {
                least_activation_bytes: least_activation_bytes.collect(),
                devices,
                least: self.least(num_samples),
                boundary_bytes: boundary_bytes.collect(),
            })
        });
        Rc::clone(size)
    }

    fn least(&self, num_samples: usize) -> Least {
        let mut least = Least::default();
        for layer in 0..=self.num_layers() {
            let kinds = self
                .kinds()
                .map(|it| self.costs.layer(layer, it, num_samples));
            let kinds: Vec<_> = kinds.collect();
            let of = |time: fn(&Measurement) -> f64| {
                let times = kinds.iter().map(time);
                times.fold(f64::INFINITY, f64::min)
            };
            least.forward += of(|it| it.forward);
            least.recorded += of(|it| it.recorded_forward + it.backward);
            least.pass += of(|it| it.forward.min(it.recorded_forward) + it.backward);
        }
        least
    }

    fn sums(&self, device: usize, num_samples: usize) -> Sums {
        let layers = 0..=self.num_layers();
        let layers = layers.map(|it| self.costs.layer(it, device, num_samples));
        let layers: Vec<_> = layers.collect();
        let working = layers.iter().map(|it| {
            let guessed = it.activation_bytes.saturating_add(it.output_bytes);
            let bytes = it.working_bytes.map_or(guessed, WorkingBytes::most);
            (bytes as f64 * self.working_factor).ceil() as u64
        });
        let last = self.num_layers();
        let pull_back = |end: usize| match end {
            end if end == 0 || end >= last => 0.0,
            end => layers[end - 1].pull_back,
        };
        Sums {
            pull_back: (0..=last + 1).map(pull_back).collect(),
            forward: sums(layers.iter().map(|it| it.forward)),
            recorded: sums(layers.iter().map(|it| it.recorded_forward)),
            backward: sums(layers.iter().map(|it| it.backward)),
            activation_bytes: sums(layers.iter().map(|it| it.activation_bytes)),
            working: Greatest::new(working.collect()),
        }
    }

    /// The layers, and the loss with the last.
    fn with_loss(&self, layers: Range<usize>) -> Range<usize> {
        layers.start..layers.end + usize::from(layers.end == self.num_layers())
    }

    pub(super) fn times(&self, size: &Size, device: usize, layers: Range<usize>) -> Times {
        let sums = &size.devices[device];
        let Range { start, end } = self.with_loss(layers);
        let of = |sums: &[f64]| sums[end] - sums[start];
        Times {
            forward: of(&sums.forward),
            recorded: of(&sums.recorded),
            backward: of(&sums.backward) + sums.pull_back[end],
        }
    }

    /// How long stages of any layers compute for all micro-batches, on a device.
    pub(super) fn busy(&self, sizes: [(&Size, (f64, f64)); 2], device: usize) -> Busy {
        let at = |end: usize| {
            let of = |(size, (num, num_recomputed)): &(&Size, (f64, f64))| {
                let sums = &size.devices[device];
                let recorded = sums.recorded[end] + sums.backward[end];
                (
                    num * recorded + num_recomputed * sums.forward[end],
                    num * sums.pull_back[end],
                )
            };
            let [small, large] = [of(&sizes[0]), of(&sizes[1])];
            (small.0 + large.0, small.1 + large.1)
        };
        let last = self.num_layers();
        // The loss is computed with the last layer.
        let ends = (0..=last).map(|it| at(it + usize::from(it == last)));
        let (sums, pull_back) = ends.unzip();
        Busy { sums, pull_back }
    }

    /// One device of each kind that a device is like.
    pub(super) fn like(&self, device: usize) -> usize {
        self.like[device]
    }

    /// What one micro-batch keeps on a stage, its boundary included.
    pub(super) fn activation_bytes(&self, size: &Size, device: usize, layers: Range<usize>) -> u64 {
        let sums = &size.devices[device].activation_bytes;
        let boundary = size.boundary_bytes[layers.start];
        let Range { start, end } = self.with_loss(layers);
        boundary.saturating_add(sums[end] - sums[start])
    }

    /// What the layer of a stage that needs most works with.
    pub(super) fn working_bytes(&self, size: &Size, device: usize, layers: Range<usize>) -> u64 {
        let sums = &size.devices[device];
        sums.working.of(self.with_loss(layers))
    }

    /// Parameters and optimizer state of a stage that holds these ranges of layers.
    pub(super) fn parameter_bytes(&self, ranges: &[Range<usize>]) -> u64 {
        let bytes = self.trained_bytes(ranges);
        (bytes as f64 * self.parameter_factor + 0.5) as u64
    }

    /// The parameters that train of a stage that holds these ranges of layers, or as many
    /// gradients. What several of its layers share is there once.
    pub(super) fn trained_bytes(&self, ranges: &[Range<usize>]) -> u64 {
        let own = ranges
            .iter()
            .map(|it| self.parameters[it.end] - self.parameters[it.start]);
        let holds = |layers: &[usize]| {
            let mut layers = layers.iter();
            layers.any(|layer| ranges.iter().any(|it| it.contains(layer)))
        };
        let shared = self.shared.iter().filter(|it| holds(&it.1)).map(|it| it.0);
        own.chain(shared).fold(0, u64::saturating_add)
    }
}

/// Sums of the first `i` numbers, for all `i`.
fn sums<T: Copy + Default + std::ops::Add<Output = T>>(numbers: impl Iterator<Item = T>) -> Vec<T> {
    let mut sum = T::default();
    let rest = numbers.map(|it| {
        sum = sum + it;
        sum
    });
    let mut sums = vec![T::default()];
    sums.extend(rest);
    sums
}

/// The greatest number of any range in constant time, from those of all ranges whose length is a
/// power of two.
struct Greatest {
    levels: Vec<Vec<u64>>,
}

impl Greatest {
    fn new(numbers: Vec<u64>) -> Self {
        let mut levels = vec![numbers];
        let mut half = 1;
        while 2 * half <= levels[0].len() {
            let below = levels.last().expect("there is a first level");
            let pairs = below.iter().zip(&below[half..]);
            let level = pairs.map(|(a, b)| *a.max(b)).collect();
            levels.push(level);
            half *= 2;
        }
        Self { levels }
    }

    fn of(&self, range: Range<usize>) -> u64 {
        let level = range.len().ilog2() as usize;
        let numbers = &self.levels[level];
        numbers[range.start].max(numbers[range.end - (1 << level)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_greatest_of_a_range_is_that_of_its_numbers(
            numbers in prop::collection::vec(0..100u64, 1..20)
        ) {
            let greatest = Greatest::new(numbers.clone());
            for start in 0..numbers.len() {
                for end in start + 1..=numbers.len() {
                    let expected = numbers[start..end].iter().max();
                    prop_assert_eq!(Some(&greatest.of(start..end)), expected);
                }
            }
        }
    }
}
