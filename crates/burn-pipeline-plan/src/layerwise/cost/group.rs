use crate::{Cluster, Link};

/// The devices that layers are split over: part `i` of a layer is on the `i`th.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    flops: Vec<f64>,
    /// From each device to each.
    links: Vec<Link>,
}

impl Group {
    /// Devices of a cluster, by number.
    pub(crate) fn new(cluster: &Cluster, devices: &[usize]) -> Self {
        let links = devices
            .iter()
            .flat_map(|&from| devices.iter().map(move |&to| cluster.link(from, to)));
        Self {
            flops: devices.iter().map(|&it| cluster.device(it).flops).collect(),
            links: links.collect(),
        }
    }

    pub(crate) fn num_devices(&self) -> usize {
        self.flops.len()
    }

    pub(crate) fn flops(&self, device: usize) -> f64 {
        self.flops[device]
    }

    pub(crate) fn link(&self, from: usize, to: usize) -> Link {
        self.links[from * self.num_devices() + to]
    }
}
