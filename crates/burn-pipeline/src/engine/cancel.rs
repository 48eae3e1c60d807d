//! The word that a step has failed, for those who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Given to everything that waits in a step; once it is said, nothing waits any longer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn say(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_said(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
