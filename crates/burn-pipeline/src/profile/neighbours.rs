//! Threads that keep a machine as busy as other stages would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::window::Window;
use crate::engine::Workers;
use crate::layer::Sequential;

/// Workers that run a few layers over and over, until this is dropped.
pub(super) struct Neighbours {
    stop: Arc<AtomicBool>,
    /// Ends when all have stopped.
    ended: Receiver<()>,
}

impl Neighbours {
    /// Let every worker but the first run `window`, and wait until each has done so once.
    pub(super) fn start<M: Sequential + 'static>(
        workers: &Workers,
        num_neighbours: usize,
        window: &Window<M>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ending, ended) = channel();
        let (ready, started) = channel();
        for neighbour in 1..=num_neighbours {
            let (window, stop) = (window.clone(), stop.clone());
            let (ending, mut ready) = (ending.clone(), Some(ready.clone()));
            workers.start(
                neighbour,
                Box::new(move || {
                    // Where the layer fails, the worker that is measured says so.
                    let _ = window.run(|| {
                        if let Some(ready) = ready.take() {
                            let _ = ready.send(());
                        }
                        !stop.load(Ordering::Relaxed)
                    });
                    drop(ending);
                }),
            );
        }
        drop((ready, ending));
        for _ in 0..num_neighbours {
            // Nothing comes from one that has failed.
            let _ = started.recv();
        }
        Self { stop, ended }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.ended.recv();
    }
}
