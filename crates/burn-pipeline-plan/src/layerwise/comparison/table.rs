//! A comparison as text.

use std::fmt;

use super::{Comparison, bytes::size};
use crate::trace::duration;

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = format!("{} devices", self.num_devices);
        let head = ["step", "ratio", "compute", "gradients", "transfers"];
        write!(f, "{devices:<18}")?;
        for it in head {
            write!(f, "{it:>10}")?;
        }
        write!(f, "{:>16}{:>16}", "gradient bytes", "transfer bytes")?;
        let searched = self.searched.cost.seconds();
        for it in self.strategies() {
            let cost = &it.cost;
            write!(f, "\n{:<18}", it.name)?;
            write!(f, "{:>10}", duration(cost.seconds()))?;
            write!(f, "{:>10.2}", cost.seconds() / searched)?;
            for seconds in [
                cost.compute_seconds(),
                cost.synchronization_seconds(),
                cost.transfer_seconds(),
            ] {
                write!(f, "{:>10}", duration(seconds))?;
            }
            for bytes in [cost.synchronization_bytes(), cost.transfer_bytes()] {
                write!(f, "{:>16}", size(bytes))?;
            }
        }
        Ok(())
    }
}
