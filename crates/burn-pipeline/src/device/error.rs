use thiserror::Error;

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is none that devices have.
    #[error("`{name}` names no device: {reason}")]
    Name {
        /// The name as it was given.
        name: String,
        /// What is wrong with it, and what names look like.
        reason: String,
    },

    /// There are more or fewer names than stages.
    #[error(
        "{num_names} devices are named for {num_stages} stages: name one per stage, or one for all"
    )]
    Count {
        /// The number of names.
        num_names: usize,
        /// The number of stages.
        num_stages: usize,
    },

    /// The program was built without the device's backend.
    #[error(
        "`{name}` needs the feature `{feature}` of burn-pipeline, which this build does not have; it has {available}"
    )]
    NotBuilt {
        /// The name as it was given.
        name: String,
        /// The feature of burn-pipeline that brings the backend.
        feature: String,
        /// The devices that there are.
        available: String,
    },

    /// The machine does not have the device.
    #[error("this machine has no `{name}`: {reason}; it has {available}")]
    NotFound {
        /// The name as it was given.
        name: String,
        /// What was looked for.
        reason: String,
        /// The devices that there are.
        available: String,
    },

    /// The device is there and computes wrong, or does not compute.
    #[error(
        "`{name}` cannot be trusted: {reason} (driver: {driver}); use another driver or version, or another device"
    )]
    Wrong {
        /// The device.
        name: String,
        /// Its driver and version, as far as the backend tells them.
        driver: String,
        /// What was computed, and what would have been right.
        reason: String,
    },

    /// The server of a remote device cannot be used.
    #[error("`{name}` cannot be reached: {reason}")]
    Unreachable {
        /// The address of the server.
        name: String,
        /// What happened, and what to look at.
        reason: String,
    },
}
