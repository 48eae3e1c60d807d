//! What a step moves between stages, by either route.

use std::fmt;

use crate::{Args, Batch, Error, Training};

/// One step with skips and one through the stages, of the same model on the same mini-batch.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// What each stage received with skips, in bytes.
    pub skips: Vec<u64>,
    /// What each stage received when the same values went through every stage.
    pub through_stages: Vec<u64>,
    /// The loss, by either route.
    pub losses: [f32; 2],
}

impl Traffic {
    /// Take both steps, each in a pipeline of its own.
    ///
    /// # Errors
    ///
    /// When a pipeline cannot be made, or a stage fails.
    pub fn measure(args: &Args, batch: &Batch) -> Result<Self, Error> {
        let step = |through_stages| -> Result<(Vec<u64>, f32), Error> {
            let args = Args {
                through_stages,
                ..args.clone()
            };
            let step = Training::new(&args)?.gradients(batch.clone())?;
            Ok((step.bytes_received, step.loss.try_into_scalar::<f32>()?))
        };
        let (skips, loss) = step(false)?;
        let (through_stages, other) = step(true)?;
        Ok(Self {
            skips,
            through_stages,
            losses: [loss, other],
        })
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: &u64| format!("{:>9.1}", *bytes as f64 / 1024.0);
        let row = |bytes: &[u64]| {
            let stages = bytes.iter().map(kib).collect::<Vec<_>>().concat();
            format!("{}{stages}", kib(&bytes.iter().sum()))
        };
        let stages = (0..self.skips.len()).map(|stage| format!("{:>9}", format!("stage {stage}")));
        let stages = stages.collect::<Vec<_>>().concat();
        let same = match self.losses[0].to_bits() == self.losses[1].to_bits() {
            true => "The losses have the same bits.",
            false => "The losses differ.",
        };
        writeln!(f, "KiB received in a step      all{stages}")?;
        writeln!(f, "  with skips          {}", row(&self.skips))?;
        writeln!(f, "  through the stages  {}", row(&self.through_stages))?;
        write!(f, "{same}")
    }
}
