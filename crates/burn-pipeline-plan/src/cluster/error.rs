use thiserror::Error;

/// What is wrong with a description of machines, where, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ClusterError {
    /// There is nothing to compute on.
    #[error("the cluster has no devices: give it at least one host with at least one device")]
    NoDevices,

    /// A device computes nothing.
    #[error(
        "device {device} (`{name}`) computes {flops} floating point operations per second: give a \
         positive number"
    )]
    Flops {
        device: usize,
        name: String,
        flops: f64,
    },

    /// A link is none.
    #[error(
        "{place} has a latency of {latency} s and a bandwidth of {bandwidth} bytes per second: \
         give a latency that is not negative and a positive bandwidth"
    )]
    Link {
        place: String,
        latency: f64,
        bandwidth: f64,
    },

    /// A measured link is between devices that there are not.
    #[error(
        "a measured link goes from device {from} to device {to}, but the cluster has \
         {num_devices} devices: number them from 0"
    )]
    NoSuchDevice {
        from: usize,
        to: usize,
        num_devices: usize,
    },
}
