use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::{ClusterError, Link};

/// One device as a planner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// Its name, for tables and messages.
    pub name: String,
    /// Floating point operations per second that layers reach on it: not its peak, which nothing
    /// reaches. Measured times are scaled by the ratio of two devices' numbers.
    pub flops: f64,
    /// The bytes that it can hold; none means no limit.
    pub memory_bytes: Option<u64>,
}

/// Devices that share a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its devices.
    pub devices: Vec<DeviceSpec>,
    /// What connects any two of them.
    pub link: Link,
}

/// A described set of devices: up to thousands, on one machine or many.
///
/// Devices are numbered from 0, host after host. Two devices of a host are connected by the
/// host's link, devices of different hosts by the network, unless a link was measured between
/// them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Cluster {
    hosts: Vec<Host>,
    network: Link,
    /// By both devices; stored as a list.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "write_measured"
    )]
    measured: BTreeMap<(usize, usize), Link>,
    /// For each device, its host and its place there.
    #[serde(skip)]
    places: Vec<(usize, usize)>,
}

impl Cluster {
    /// Hosts connected by `network`.
    ///
    /// # Errors
    ///
    /// When there is no device, or a number is none that a device or link can have.
    pub fn new(hosts: Vec<Host>, network: Link) -> Result<Self, ClusterError> {
        let places = hosts.iter().enumerate().flat_map(|(host, it)| {
            let devices = 0..it.devices.len();
            devices.map(move |device| (host, device))
        });
        let cluster = Self {
            places: places.collect(),
            hosts,
            network,
            measured: BTreeMap::new(),
        };
        cluster.check()?;
        Ok(cluster)
    }

    /// `num_devices` equal devices on one host.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn uniform(
        num_devices: usize,
        device: DeviceSpec,
        link: Link,
    ) -> Result<Self, ClusterError> {
        let devices = vec![device; num_devices];
        Self::new(vec![Host { devices, link }], link)
    }

    /// The same cluster, with what was measured from device `from` to device `to`.
    ///
    /// # Errors
    ///
    /// When there is no such device, or the link is none.
    pub fn with_link(mut self, from: usize, to: usize, link: Link) -> Result<Self, ClusterError> {
        let num_devices = self.num_devices();
        if from.max(to) >= num_devices {
            return Err(ClusterError::NoSuchDevice {
                from,
                to,
                num_devices,
            });
        }
        check_link(&link, || {
            format!("the link from device {from} to device {to}")
        })?;
        self.measured.insert((from, to), link);
        Ok(self)
    }

    /// The same cluster, where each device can hold at most this many bytes.
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        let devices = self.hosts.iter_mut().flat_map(|it| &mut it.devices);
        for device in devices {
            let limit = device.memory_bytes.unwrap_or(bytes).min(bytes);
            device.memory_bytes = Some(limit);
        }
        self
    }

    /// The same cluster with other devices in the places of these, of a speed that is one.
    pub(crate) fn with_devices(mut self, of: impl Fn(usize, &DeviceSpec) -> DeviceSpec) -> Self {
        let devices = self.hosts.iter_mut().flat_map(|it| &mut it.devices);
        for (index, device) in devices.enumerate() {
            *device = of(index, device);
        }
        self
    }

    /// The number of devices, of all hosts.
    pub fn num_devices(&self) -> usize {
        self.places.len()
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A device.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn device(&self, device: usize) -> &DeviceSpec {
        let (host, place) = self.places[device];
        &self.hosts[host].devices[place]
    }

    /// The host that a device is on.
    fn host_of(&self, device: usize) -> usize {
        self.places[device].0
    }

    /// What connects one device to another.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn link(&self, from: usize, to: usize) -> Link {
        match self.measured.get(&(from, to)) {
            Some(link) => *link,
            None if from == to => Link::NONE,
            None if self.host_of(from) == self.host_of(to) => self.hosts[self.host_of(from)].link,
            None => self.network,
        }
    }

    fn check(&self) -> Result<(), ClusterError> {
        if self.places.is_empty() {
            return Err(ClusterError::NoDevices);
        }
        for device in 0..self.num_devices() {
            let spec = self.device(device);
            if !(spec.flops.is_finite() && spec.flops > 0.0) {
                return Err(ClusterError::Flops {
                    device,
                    name: spec.name.clone(),
                    flops: spec.flops,
                });
            }
        }
        for (index, host) in self.hosts.iter().enumerate() {
            check_link(&host.link, || format!("the link within host {index}"))?;
        }
        check_link(&self.network, || "the network".to_string())
    }
}

fn check_link(link: &Link, place: impl Fn() -> String) -> Result<(), ClusterError> {
    let is_link = link.latency.is_finite() && link.latency >= 0.0 && link.bandwidth > 0.0;
    match is_link {
        true => Ok(()),
        false => Err(ClusterError::Link {
            place: place(),
            latency: link.latency,
            bandwidth: link.bandwidth,
        }),
    }
}

fn write_measured<S: Serializer>(
    measured: &BTreeMap<(usize, usize), Link>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(measured.iter().map(|((from, to), link)| (from, to, link)))
}

/// A cluster as it is stored, before it is checked.
#[derive(Deserialize)]
#[serde(rename = "Cluster", deny_unknown_fields)]
struct Unchecked {
    hosts: Vec<Host>,
    network: Link,
    #[serde(default)]
    measured: Vec<(usize, usize, Link)>,
}

impl TryFrom<Unchecked> for Cluster {
    type Error = ClusterError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let cluster = Self::new(unchecked.hosts, unchecked.network)?;
        let mut measured = unchecked.measured.into_iter();
        measured.try_fold(cluster, |cluster, (from, to, link)| {
            cluster.with_link(from, to, link)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> DeviceSpec {
        DeviceSpec {
            name: "toy".to_string(),
            flops: 1e9,
            memory_bytes: Some(1 << 30),
        }
    }

    const FAST: Link = Link {
        latency: 1e-6,
        bandwidth: 1e10,
    };
    const SLOW: Link = Link {
        latency: 1e-4,
        bandwidth: 1e9,
    };

    fn two_hosts() -> Cluster {
        let host = Host {
            devices: vec![device(); 2],
            link: FAST,
        };
        Cluster::new(vec![host.clone(), host], SLOW).unwrap()
    }

    #[test]
    fn devices_of_a_host_are_connected_by_its_link_and_others_by_the_network() {
        let cluster = two_hosts();
        assert_eq!(cluster.num_devices(), 4);
        assert_eq!(cluster.link(0, 1), FAST);
        assert_eq!(cluster.link(1, 2), SLOW);
        assert_eq!(cluster.link(3, 3), Link::NONE);
        let measured = cluster.with_link(1, 2, FAST).unwrap();
        assert_eq!(measured.link(1, 2), FAST);
        assert_eq!(measured.link(2, 1), SLOW);
    }

    #[test]
    fn the_last_measurement_of_a_link_counts_and_a_list_of_them_is_stored() {
        let cluster = two_hosts().with_link(3, 0, FAST).unwrap();
        let cluster = cluster.with_link(0, 3, FAST).unwrap();
        let cluster = cluster.with_link(3, 0, SLOW).unwrap();
        assert_eq!(cluster.link(3, 0), SLOW);
        let stored = serde_json::to_value(&cluster).unwrap();
        let (fast, slow) = (serde_json::json!(FAST), serde_json::json!(SLOW));
        assert_eq!(
            stored["measured"],
            serde_json::json!([[0, 3, fast], [3, 0, slow]])
        );
    }

    #[test]
    fn a_memory_limit_is_that_of_every_device_that_holds_more() {
        let small = two_hosts().with_memory_limit(1 << 20);
        assert_eq!(small.device(3).memory_bytes, Some(1 << 20));
        assert_eq!(two_hosts().with_memory_limit(1 << 40), two_hosts());
    }

    #[test]
    fn a_cluster_whose_links_have_no_limit_is_read_as_it_was_stored() {
        let cluster = Cluster::uniform(2, device(), Link::NONE).unwrap();
        let cluster = cluster.with_link(0, 1, Link::NONE).unwrap();
        let json = serde_json::to_string(&cluster).unwrap();
        assert_eq!(serde_json::from_str::<Cluster>(&json).unwrap(), cluster);
    }

    #[test]
    fn a_stored_cluster_is_checked_when_it_is_read() {
        let cluster = two_hosts().with_link(0, 3, FAST).unwrap();
        let json = serde_json::to_string(&cluster).unwrap();
        assert_eq!(serde_json::from_str::<Cluster>(&json).unwrap(), cluster);
        let wrong = json.replace("1000000000.0", "-1.0");
        assert!(serde_json::from_str::<Cluster>(&wrong).is_err());
    }

    #[test]
    fn what_is_no_cluster_is_an_error_with_the_place() {
        let none = Cluster::new(Vec::new(), SLOW).unwrap_err();
        assert!(none.to_string().contains("no devices"));
        let dead = DeviceSpec {
            flops: 0.0,
            ..device()
        };
        let error = Cluster::uniform(2, dead, FAST).unwrap_err().to_string();
        assert!(error.starts_with("device 0 (`toy`) computes 0"), "{error}");
        let error = two_hosts().with_link(0, 4, FAST).unwrap_err().to_string();
        assert!(error.contains("from device 0 to device 4"), "{error}");
        let still = Link {
            bandwidth: 0.0,
            ..FAST
        };
        let error = two_hosts().with_link(0, 1, still).unwrap_err().to_string();
        assert!(error.contains("from device 0 to device 1"), "{error}");
    }
}
