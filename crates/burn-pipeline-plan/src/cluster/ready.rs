//! Clusters of papers, ready to be planned for.

use super::{Cluster, ClusterError, DeviceSpec, Host, Link};

const GIB: u64 = 1 << 30;

fn tpu(name: &str, flops: f64, memory_bytes: u64) -> DeviceSpec {
    DeviceSpec {
        name: name.to_string(),
        flops,
        memory_bytes: Some(memory_bytes),
    }
}

fn p100() -> DeviceSpec {
    DeviceSpec {
        name: "P100".to_string(),
        // The peak in single precision is 9.3e12 over PCIe.
        flops: 6e12,
        memory_bytes: Some(16 * GIB),
    }
}

impl Cluster {
    /// Cloud TPUv2 cores of 8 GiB each, connected by their own network: GPipe (Huang et al., 2018),
    /// section 3, for AmoebaNet. A core has a peak of 22.5e12 floating point operations per second in
    /// bfloat16, of which layers are taken to reach about half.
    ///
    /// # Errors
    ///
    /// When `num_devices` is 0.
    pub fn tpu_v2(num_devices: usize) -> Result<Self, ClusterError> {
        Self::uniform(num_devices, tpu("TPUv2", 11e12, 8 * GIB), TPU_LINK)
    }

    /// Cloud TPUv3 cores of 16 GiB each: GPipe (Huang et al., 2018), section 3, for the
    /// Transformer. A core has a peak of 61.5e12 floating point operations per second in bfloat16, of
    /// which layers are taken to reach about half.
    ///
    /// # Errors
    ///
    /// When `num_devices` is 0.
    pub fn tpu_v3(num_devices: usize) -> Result<Self, ClusterError> {
        Self::uniform(num_devices, tpu("TPUv3", 30e12, 16 * GIB), TPU_LINK)
    }

    /// P100 of 16 GiB on one host, connected by PCIe alone: GPipe (Huang et al., 2018), section 3.
    ///
    /// # Errors
    ///
    /// When `num_devices` is 0.
    pub fn p100_pcie(num_devices: usize) -> Result<Self, ClusterError> {
        Self::uniform(num_devices, p100(), PCIE)
    }

    /// Hosts of four P100 each, connected by NVLink within a host and by InfiniBand between hosts:
    /// Jia et al. (2018), section 7.
    ///
    /// # Errors
    ///
    /// When `num_devices` is 0.
    pub fn p100_nvlink(num_devices: usize) -> Result<Self, ClusterError> {
        let host = |first: usize| Host {
            devices: vec![p100(); (num_devices - first).min(4)],
            link: NVLINK,
        };
        let hosts = (0..num_devices).step_by(4).map(host).collect();
        Self::new(hosts, INFINIBAND)
    }
}

/// Two lanes of a TPU's own network.
const TPU_LINK: Link = Link {
    latency: 5e-6,
    bandwidth: 60e9,
};
/// PCIe 3 with 16 lanes through the host, as measured copies reach it.
const PCIE: Link = Link {
    latency: 2e-5,
    bandwidth: 10e9,
};
/// One direction of NVLink 1 between two P100.
const NVLINK: Link = Link {
    latency: 1e-5,
    bandwidth: 18e9,
};
/// 100 Gb/s EDR.
const INFINIBAND: Link = Link {
    latency: 2e-5,
    bandwidth: 11e9,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_core_reaches_about_half_of_its_own_peak() {
        let (v2, v3) = (Cluster::tpu_v2(2).unwrap(), Cluster::tpu_v3(2).unwrap());
        for (cluster, peak) in [(v2, 22.5e12), (v3, 61.5e12)] {
            let share = cluster.device(1).flops / peak;
            assert!((0.45..0.5).contains(&share), "{share}");
        }
    }

    #[test]
    fn a_cluster_of_nvlink_hosts_has_four_devices_in_each() {
        let cluster = Cluster::p100_nvlink(10).unwrap();
        assert_eq!(cluster.num_devices(), 10);
        assert_eq!(cluster.hosts().len(), 3);
        assert_eq!(cluster.link(0, 3), NVLINK);
        assert_eq!(cluster.link(3, 4), INFINIBAND);
        assert!(Cluster::p100_nvlink(0).is_err());
    }
}
