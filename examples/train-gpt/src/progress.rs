//! What is shown while the model trains.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with the loss of the last step and the bytes trained on per second.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    bytes_per_step: usize,
    num_steps: usize,
}

impl Progress {
    /// A bar of `num_steps` steps, of which `done` were taken in an earlier run.
    pub(crate) fn new(num_steps: usize, done: usize, bytes_per_step: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(num_steps as u64)
            .with_style(style)
            .with_position(done as u64);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            bar,
            start: Instant::now(),
            bytes_per_step,
            num_steps: 0,
        }
    }

    /// Show the loss of one more step.
    pub(crate) fn step(&mut self, loss: f32) {
        self.num_steps += 1;
        let speed = self.speed();
        self.bar.inc(1);
        self.bar
            .set_message(format!("loss {loss:.3}, {speed:.0} tokens/s"));
    }

    /// Put the bar away, and say in one line what it showed.
    pub(crate) fn finish(self) -> String {
        self.bar.finish_and_clear();
        format!(
            "trained for {} steps in {:.1} s, {:.0} tokens/s",
            self.num_steps,
            self.start.elapsed().as_secs_f64(),
            self.speed()
        )
    }

    fn speed(&self) -> f64 {
        (self.num_steps * self.bytes_per_step) as f64 / self.start.elapsed().as_secs_f64()
    }
}
