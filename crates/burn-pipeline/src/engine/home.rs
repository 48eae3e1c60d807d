//! What is known of the devices where a stage computes.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use crate::device::{is_remote, label};
#[cfg(feature = "remote")]
use crate::remote::{Server, server_of};
use crate::signal::{Member, StageDevice};

/// The time-out of a server that was not connected to through this crate.
const UNKNOWN: Duration = Duration::from_secs(5);

/// The devices of a stage, as errors speak of them.
#[derive(Debug, Clone)]
pub(crate) struct Home(Vec<Site>);

/// One of them.
#[derive(Debug, Clone)]
struct Site {
    label: String,
    is_remote: bool,
    #[cfg(feature = "remote")]
    server: Option<Server>,
}

/// One that does not answer.
pub(crate) struct Gone {
    site: Site,
    pub(crate) reason: String,
}

impl Gone {
    /// The name of the device.
    pub(crate) fn label(&self) -> &str {
        &self.site.label
    }
}

impl Home {
    pub(crate) fn of(stage: &StageDevice) -> Self {
        Self(stage.members().map(Member::device).map(Site::of).collect())
    }

    /// The names of the devices.
    pub(crate) fn label(&self) -> String {
        let labels: Vec<_> = self.0.iter().map(|site| site.label.as_str()).collect();
        labels.join(" and ")
    }

    /// The name of the first of these devices, those of `stage`, that refuses what it is told. One
    /// that has not answered yet may be busy.
    pub(super) fn forgotten(&self, stage: &StageDevice) -> Option<&str> {
        let mut sites = self.0.iter().zip(stage.members());
        let (site, _) = sites.find(|(site, member)| site.has_forgotten(member))?;
        Some(&site.label)
    }

    /// How long the servers of this stage may take to answer, if it has any.
    pub(super) fn time_out(&self) -> Option<Duration> {
        self.0.iter().filter_map(Site::time_out).max()
    }

    /// Whether a device of the stage is on the server of one that is gone.
    pub(super) fn is_with(&self, gone: &Gone) -> bool {
        self.0.iter().any(|site| site.is_with(&gone.site))
    }

    /// Ask the servers of this stage, if it has any, for an answer.
    pub(crate) fn check(&self) -> Result<(), Gone> {
        for site in &self.0 {
            site.check().map_err(|reason| Gone {
                site: site.clone(),
                reason,
            })?;
        }
        Ok(())
    }
}

impl Site {
    fn of(device: &Device) -> Self {
        Self {
            label: label(device),
            is_remote: is_remote(device),
            #[cfg(feature = "remote")]
            server: server_of(device),
        }
    }

    fn has_forgotten(&self, device: &Member) -> bool {
        let began = Instant::now();
        let time_out = self.time_out().unwrap_or(UNKNOWN);
        let mut waited = true;
        let proof = device.prove_alive(|| {
            waited = began.elapsed() < time_out;
            waited
        });
        proof.is_err() && waited
    }

    fn time_out(&self) -> Option<Duration> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.server {
            return Some(server.time_out());
        }
        self.is_remote.then_some(UNKNOWN)
    }

    fn is_with(&self, other: &Self) -> bool {
        #[cfg(feature = "remote")]
        if let (Some(server), Some(of_other)) = (&self.server, &other.server) {
            return server.is(of_other);
        }
        self.label == other.label
    }

    fn check(&self) -> Result<(), String> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.server {
            return server.check();
        }
        Ok(())
    }
}
