use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What it takes to move bytes from one device to another.
///
/// It is stored as its two numbers. A bandwidth without a limit is stored as none, `null` in JSON,
/// which has no infinite numbers; one that is left out is an error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The time until the first byte arrives, in seconds.
    pub latency: f64,
    /// Bytes per second.
    #[serde(
        serialize_with = "write_bandwidth",
        deserialize_with = "read_bandwidth"
    )]
    pub bandwidth: f64,
}

impl Link {
    /// A way that takes no time: from a device to itself.
    pub const NONE: Self = Self {
        latency: 0.0,
        bandwidth: f64::INFINITY,
    };

    /// The time to move `bytes`, in seconds; nothing for no bytes.
    pub fn seconds(&self, bytes: u64) -> f64 {
        match bytes {
            0 => 0.0,
            _ => self.latency + bytes as f64 / self.bandwidth,
        }
    }
}

fn write_bandwidth<S: Serializer>(bandwidth: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let limit = Some(*bandwidth).filter(|it| *it != f64::INFINITY);
    limit.serialize(serializer)
}

fn read_bandwidth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let limit = Option::<f64>::deserialize(deserializer)?;
    Ok(limit.unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_a_limit_is_stored_as_none() {
        let json = serde_json::to_string(&Link::NONE).unwrap();
        assert_eq!(json, r#"{"latency":0.0,"bandwidth":null}"#);
        assert_eq!(serde_json::from_str::<Link>(&json).unwrap(), Link::NONE);
        let link = Link {
            latency: 1e-5,
            bandwidth: 1e9,
        };
        let json = serde_json::to_string(&link).unwrap();
        assert_eq!(serde_json::from_str::<Link>(&json).unwrap(), link);
    }

    #[test]
    fn a_link_without_a_bandwidth_is_refused() {
        let error = serde_json::from_str::<Link>(r#"{"latency":0.0}"#).unwrap_err();
        assert!(error.to_string().starts_with("missing field `bandwidth`"));
    }
}
