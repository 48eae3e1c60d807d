//! What is shown while the model trains.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with the loss of the last step.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    batch_size: usize,
}

impl Progress {
    /// A bar of `num_steps` steps of `batch_size` pictures each.
    pub(crate) fn new(num_steps: usize, batch_size: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(num_steps as u64).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            bar,
            start: Instant::now(),
            batch_size,
        }
    }

    /// Show the loss of one more step.
    pub(crate) fn step(&self, loss: f32) {
        self.bar.inc(1);
        self.bar.set_message(format!("loss {loss:.4}"));
    }

    /// Put the bar away, and say in one line what it showed.
    pub(crate) fn finish(self) -> String {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        let num_pictures = self.bar.position() as f64 * self.batch_size as f64;
        format!(
            "trained for {} steps in {seconds:.1} s, {:.0} pictures/s",
            self.bar.position(),
            num_pictures / seconds
        )
    }
}
