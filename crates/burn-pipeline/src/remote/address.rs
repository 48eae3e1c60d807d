//! Where a server is.

use std::net::{SocketAddr, ToSocketAddrs};

/// The address of a server: `ws://host:3000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    scheme: String,
    /// Host and port.
    authority: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("ws", url));
        let authority = rest.split('/').next().unwrap_or_default();
        match authority.rsplit_once(':').map(|(_, port)| port.parse()) {
            Some(Ok::<u16, _>(_)) => Ok(Self {
                scheme: scheme.to_string(),
                authority: authority.to_string(),
            }),
            _ => Err(format!(
                "`{url}` is no address of a server: it looks like `ws://host:3000`"
            )),
        }
    }

    /// The address of a server, as Burn is to see it. Burn keeps one session per address for as
    /// long as the process lives, also when it has ended: a server that is connected to again gets
    /// another user name, which servers do not look at.
    pub(super) fn for_session(&self, session: usize) -> String {
        match session {
            0 => self.to_string(),
            _ => format!("{}://{session}@{}", self.scheme, self.authority),
        }
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The addresses that the host's name stands for.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let found = self.authority.to_socket_addrs().map_err(|error| {
            format!("the name of the host is not known ({error}): check its spelling")
        })?;
        Ok(found.collect())
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_its_own_has_an_address_of_its_own() {
        let address = Address::parse("ws://host:3000/").unwrap();
        assert_eq!(address.for_session(0), "ws://host:3000");
        assert_eq!(address.for_session(2), "ws://2@host:3000");
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        let error = Address::parse("ws://host").unwrap_err();
        assert!(error.contains("`ws://host:3000`"), "{error}");
    }
}
