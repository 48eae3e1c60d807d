//! The devices that `--devices` names, and the bytes that tensors take on them.

use burn::tensor::{Device, MemoryPoolUsage};
use burn_pipeline::{DeviceError, open_devices};

use crate::ALLOCATOR;

/// The devices of the stages.
pub struct Devices {
    names: String,
    devices: Vec<Device>,
}

impl Devices {
    /// The devices with these `names`, with a comma between two.
    pub fn open(names: &str) -> Result<Self, DeviceError> {
        Ok(Self {
            devices: open_devices(names, names.split(',').count())?,
            names: names.to_string(),
        })
    }

    /// As they were named.
    pub fn names(&self) -> &str {
        &self.names
    }

    /// The device of the first stage, and of plain Burn.
    pub fn first(&self) -> &Device {
        &self.devices[0]
    }

    /// Make sure that there are enough names for each of these numbers of stages.
    ///
    /// # Errors
    ///
    /// When there are several, and fewer than stages.
    pub fn check(&self, nums_stages: &[usize]) -> Result<(), DeviceError> {
        let num_names = self.devices.len();
        match nums_stages.iter().max() {
            Some(&num_stages) if num_names > 1 && num_stages > num_names => {
                Err(DeviceError::Count {
                    num_names,
                    num_stages,
                })
            }
            _ => Ok(()),
        }
    }

    /// The devices of `num_stages` stages: the only one, or the first so many.
    pub fn of(&self, num_stages: usize) -> Vec<Device> {
        match self.devices.as_slice() {
            [device] => vec![device.clone(); num_stages],
            devices => devices[..num_stages].to_vec(),
        }
    }

    /// Whether all are Burn's CPU backend: it computes when it is asked to, on the threads of the
    /// pool that asks, in memory that the allocator counts.
    pub fn on_host(&self) -> bool {
        self.names.split(',').all(|name| name.trim() == "flex")
    }

    /// Run `work` with kernels on `num_threads` threads of its own. Elsewhere than on the host it
    /// runs right here: each new thread would be a new stream, with memory of its own.
    pub fn with_threads<T: Send>(&self, num_threads: usize, work: impl FnOnce() -> T + Send) -> T {
        if !self.on_host() {
            return work();
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(num_threads)
            .build()
            .expect("a machine can start a few threads")
            .install(work)
    }

    /// The threads that plain Burn is measured with: one, and all where they matter.
    pub fn plain_threads(&self) -> Vec<usize> {
        match self.on_host() {
            true => vec![
                1,
                std::thread::available_parallelism().map_or(1, usize::from),
            ],
            false => vec![1],
        }
    }

    /// Give back what earlier work left in the devices' pools. Each pipeline computes on streams of
    /// its own, and what is left in theirs is of no use to another.
    pub fn clean_up(&self) {
        for device in self.distinct() {
            device.memory_cleanup();
        }
    }

    /// Bytes that are alive: of the whole process on the host, of tensors elsewhere. Nothing where
    /// a device does not say.
    pub fn live_bytes(&self) -> Option<u64> {
        match self.on_host() {
            true => Some(ALLOCATOR.current_usage() as u64),
            false => self.in_pools(|pool| pool.bytes_in_use),
        }
    }

    /// How far live bytes rise while `work` runs. Where tensors live in a device's pools, it is
    /// what the pools must take of the device's memory, padding and rests of pages included, above
    /// what was alive before. Nothing where a device does not say.
    pub fn peak_bytes(&self, work: impl FnOnce()) -> Option<f64> {
        if self.on_host() {
            return self.peak_on_host(work).1;
        }
        self.clean_up();
        let before = self.live_bytes()?;
        work();
        let after = self.in_pools(|pool| pool.bytes_reserved)?;
        Some(after.saturating_sub(before) as f64)
    }

    /// What comes of `work`, and how far live bytes rise while it runs, which costs no time. On
    /// the host only: elsewhere nothing is counted.
    pub fn peak_on_host<T>(&self, work: impl FnOnce() -> T) -> (T, Option<f64>) {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let result = work();
        let peak = ALLOCATOR.peak_usage().saturating_sub(before) as f64;
        (result, self.on_host().then_some(peak))
    }

    fn in_pools(&self, bytes: fn(&MemoryPoolUsage) -> u64) -> Option<u64> {
        let pools = self.distinct().map(Device::memory_pool_usage);
        pools.map(|pool| Some(bytes(&pool?))).sum()
    }

    fn distinct(&self) -> impl Iterator<Item = &Device> {
        let devices = self.devices.iter().enumerate();
        devices
            .filter(|(place, device)| !self.devices[..*place].contains(device))
            .map(|(_, device)| device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_serves_all_stages_and_several_serve_the_first() {
        let one = Devices::open("flex").unwrap();
        assert_eq!(one.of(3).len(), 3);
        one.check(&[1, 8]).unwrap();

        let two = Devices::open("flex,flex").unwrap();
        assert_eq!(two.of(1).len(), 1);
        two.check(&[0, 1, 2]).unwrap();
        let error = two.check(&[1, 3]).unwrap_err().to_string();
        assert!(
            error.starts_with("2 devices are named for 3 stages"),
            "{error}"
        );
    }

    #[test]
    fn bytes_on_the_host_are_the_allocators() {
        let devices = Devices::open("flex, flex").unwrap();
        assert!(devices.live_bytes().unwrap() > 0);
        let peak = devices.peak_bytes(|| drop(std::hint::black_box(vec![0u8; 1 << 20])));
        // Tests beside this one free a little.
        assert!(peak.unwrap() >= (1 << 19) as f64);
    }
}
