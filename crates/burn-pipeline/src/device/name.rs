//! The names that devices have in commands and configurations.

use core::fmt;

use super::DeviceError;

/// A device by name: which backend, and which of its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeviceName {
    Flex,
    Cpu,
    Cuda(usize),
    Rocm(usize),
    Graphics(Api, Adapter),
    Remote { url: String, index: usize },
}

/// Through which interface a GPU is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Wgpu,
    Vulkan,
    Metal,
}

/// Which GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adapter {
    Default,
    Discrete(usize),
    Integrated(usize),
    Virtual(usize),
    Cpu,
}

const EXAMPLES: &str = "names are `flex`, `cpu`, `cuda:0`, `rocm:0`, `wgpu` (also `vulkan`, `metal`) alone or with \
     `:discrete:0`, `:integrated:0`, `:virtual:0`, `:cpu`, and `remote:ws://host:3000/0`";

impl DeviceName {
    pub(super) fn parse(name: &str) -> Result<Self, DeviceError> {
        let error = |reason: String| DeviceError::Name {
            name: name.to_string(),
            reason: format!("{reason}; {EXAMPLES}"),
        };
        let (backend, rest) = match name.trim().split_once(':') {
            Some((backend, rest)) => (backend, Some(rest)),
            None => (name.trim(), None),
        };
        let number = |text: &str| {
            text.parse::<usize>()
                .map_err(|_| error(format!("`{text}` is no number of a device, from 0")))
        };
        let index = || rest.map_or(Ok(0), number);
        let alone = |device: Self| match rest {
            None => Ok(device),
            Some(rest) => Err(error(format!(
                "`{backend}` is one device, so nothing follows it, but `:{rest}` does"
            ))),
        };
        let adapter = || {
            let Some(rest) = rest else {
                return Ok(Adapter::Default);
            };
            let (kind, index) = match rest.split_once(':') {
                Some((kind, index)) => (kind, Some(number(index)?)),
                None => (rest, None),
            };
            match (kind, index) {
                ("default", None) => Ok(Adapter::Default),
                ("cpu", None) => Ok(Adapter::Cpu),
                ("discrete", index) => Ok(Adapter::Discrete(index.unwrap_or(0))),
                ("integrated", index) => Ok(Adapter::Integrated(index.unwrap_or(0))),
                ("virtual", index) => Ok(Adapter::Virtual(index.unwrap_or(0))),
                _ => Err(error(format!("`{rest}` is no kind of GPU"))),
            }
        };
        match backend {
            "flex" => alone(Self::Flex),
            "cpu" => alone(Self::Cpu),
            "cuda" => Ok(Self::Cuda(index()?)),
            "rocm" => Ok(Self::Rocm(index()?)),
            "wgpu" => Ok(Self::Graphics(Api::Wgpu, adapter()?)),
            "vulkan" => Ok(Self::Graphics(Api::Vulkan, adapter()?)),
            "metal" => Ok(Self::Graphics(Api::Metal, adapter()?)),
            "remote" => {
                let (url, index) = remote(rest.unwrap_or_default()).map_err(error)?;
                Ok(Self::Remote { url, index })
            }
            "" => Err(error("it is empty".to_string())),
            _ => Err(error(format!("there is no backend `{backend}`"))),
        }
    }

    /// The feature of this crate that brings the backend.
    pub(super) fn feature(&self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::Rocm(_) => "rocm",
            Self::Graphics(Api::Wgpu, _) => "wgpu",
            Self::Graphics(Api::Vulkan, _) => "vulkan",
            Self::Graphics(Api::Metal, _) => "metal",
            Self::Remote { .. } => "remote",
        }
    }
}

/// `ws://host:3000/1` as the address of the server and the number of its device.
fn remote(address: &str) -> Result<(String, usize), String> {
    let (scheme, rest) = address
        .split_once("://")
        .ok_or_else(|| format!("`{address}` is no address of a server"))?;
    if !matches!(scheme, "ws" | "wss") {
        return Err(format!("servers are reached by ws, not by `{scheme}`"));
    }
    let (host, index) = match rest.split_once('/') {
        Some((host, "")) => (host, 0),
        Some((host, index)) => {
            let index = index
                .parse()
                .map_err(|_| format!("`{index}` is no number of a device of the server, from 0"))?;
            (host, index)
        }
        None => (rest, 0),
    };
    let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok((format!("{scheme}://{host}"), index)),
        _ => Err(format!("`{host}` has no port: say `host:3000`")),
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Rocm(index) => write!(f, "rocm:{index}"),
            Self::Graphics(_, adapter) => {
                f.write_str(self.feature())?;
                match adapter {
                    Adapter::Default => Ok(()),
                    Adapter::Discrete(index) => write!(f, ":discrete:{index}"),
                    Adapter::Integrated(index) => write!(f, ":integrated:{index}"),
                    Adapter::Virtual(index) => write!(f, ":virtual:{index}"),
                    Adapter::Cpu => f.write_str(":cpu"),
                }
            }
            Self::Remote { url, index } => write!(f, "remote:{url}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("flex", "flex")]
    #[case("cpu", "cpu")]
    #[case("cuda", "cuda:0")]
    #[case("cuda:1", "cuda:1")]
    #[case("rocm:2", "rocm:2")]
    #[case("wgpu", "wgpu")]
    #[case("wgpu:default", "wgpu")]
    #[case("wgpu:discrete:0", "wgpu:discrete:0")]
    #[case("vulkan:cpu", "vulkan:cpu")]
    #[case("metal:integrated", "metal:integrated:0")]
    #[case("vulkan:virtual:3", "vulkan:virtual:3")]
    #[case("remote:ws://host:3000/1", "remote:ws://host:3000/1")]
    #[case("remote:ws://host:3000", "remote:ws://host:3000/0")]
    #[case("remote:ws://[::1]:3000/", "remote:ws://[::1]:3000/0")]
    fn a_name_is_read_and_written(#[case] name: &str, #[case] written: &str) {
        let parsed = DeviceName::parse(name).unwrap();
        assert_eq!(parsed.to_string(), written);
        assert_eq!(DeviceName::parse(written).unwrap(), parsed);
    }

    #[rstest]
    #[case("", "it is empty")]
    #[case("abacus", "there is no backend `abacus`")]
    #[case("flex:1", "`flex` is one device, so nothing follows it, but `:1` does")]
    #[case("cuda:one", "`one` is no number of a device")]
    #[case("wgpu:big", "`big` is no kind of GPU")]
    #[case("wgpu:cpu:1", "`cpu:1` is no kind of GPU")]
    #[case("remote", "`` is no address of a server")]
    #[case("remote:http://host:1", "servers are reached by ws, not by `http`")]
    #[case("remote:ws://host", "`host` has no port")]
    #[case(
        "remote:ws://host:3000/x",
        "`x` is no number of a device of the server"
    )]
    fn a_name_that_is_none_is_refused(#[case] name: &str, #[case] reason: &str) {
        let error = DeviceName::parse(name).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{name}` names no device: ")),
            "{error}"
        );
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("`cuda:0`"), "{error}");
    }
}
