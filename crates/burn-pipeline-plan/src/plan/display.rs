//! A plan as people read it.

use std::fmt;

use super::{Alternative, Finding, MoreMicroBatches, Plan};
use crate::{bytes::bytes, trace::duration};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let num_stages = self.devices().len();
        writeln!(
            f,
            "{} for {} samples: {num_stages} stages, {} micro-batches, {}, rematerialization `{}`",
            duration(self.step_seconds()),
            self.batch_size(),
            self.num_micro_batches(),
            self.schedule_kind(),
            self.rematerialization(),
        )?;
        self.write_stages(f)?;
        let explanation = self.explanation();
        write!(
            f,
            "tried {} ways: {} ruled out by bounds, {} too large, {} simulated",
            explanation.num_candidates,
            explanation.num_pruned,
            explanation.num_too_large,
            explanation.num_simulated,
        )?;
        if let Some(second) = &explanation.second {
            let more = second.seconds / self.step_seconds() - 1.0;
            let more = if more.is_finite() { more } else { 0.0 };
            write!(f, "\nsecond: {second}, {} longer", percent(more))?;
        }
        for finding in &explanation.findings {
            write!(f, "\n- {finding}")?;
        }
        Ok(())
    }
}

impl Plan {
    fn write_stages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeline = self.timeline();
        let num_stages = self.devices().len();
        let head = ["stage", "layers", "device", "busy", "waits", "memory", "of"];
        let mut rows = vec![head.map(String::from)];
        for (stage, memory) in self.memory().iter().enumerate() {
            let places = (stage..self.partition().num_stages()).step_by(num_stages);
            let layers = places.map(|it| format!("{:?}", self.partition().stage(it)));
            let (device, name) = (self.devices()[stage], &self.device_names()[stage]);
            rows.push([
                stage.to_string(),
                layers.collect::<Vec<_>>().join(" "),
                format!("{device} ({name})"),
                duration(timeline.busy(stage)),
                percent(timeline.bubble(stage)),
                bytes(memory.bytes()),
                memory.limit_bytes.map_or("no limit".to_string(), bytes),
            ]);
        }
        let width = |column: usize| rows.iter().map(|it| it[column].chars().count()).max();
        let widths: Vec<usize> = (0..head.len()).map(|it| width(it).unwrap_or(0)).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} stages, {} micro-batches, {}, `{}` in {}",
            self.num_stages,
            self.num_micro_batches,
            self.schedule,
            self.rematerialization,
            duration(self.seconds)
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bubble { share, twice } => {
                write!(f, "the bubble is {} of a step: {twice}", percent(*share))
            }
            Self::SlowStage {
                share,
                stage,
                times_mean,
                layer,
                name,
                layer_times_mean,
                split_seconds,
            } => {
                write!(
                    f,
                    "stage {stage} is {times_mean:.2} times the mean, and the others wait for it \
                     {} of a step: layer {layer} (`{name}`) alone takes {layer_times_mean:.2} of \
                     the mean",
                    percent(*share)
                )?;
                match split_seconds {
                    Some(seconds) => {
                        write!(f, "; split in two, a step takes {}", duration(*seconds))
                    }
                    None => Ok(()),
                }
            }
            Self::Link {
                share,
                from_place,
                seconds,
                twice_as_fast_seconds,
            } => write!(
                f,
                "links take {} of a step, the slowest from part {from_place} to the next with {} \
                 for a signal: with links twice as fast a step takes {}",
                percent(*share),
                duration(*seconds),
                duration(*twice_as_fast_seconds)
            ),
            Self::Memory {
                share,
                faster,
                device,
                need,
                limit,
            } => write!(
                f,
                "memory takes {} of a step: {faster} needs {} on device {device}, which holds {}",
                percent(*share),
                bytes(*need),
                bytes(*limit)
            ),
        }
    }
}

impl fmt::Display for MoreMicroBatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewSamples {
                num_micro_batches,
                batch_size,
            } => write!(
                f,
                "twice as many micro-batches need {num_micro_batches} samples, but there are \
                 {batch_size}"
            ),
            Self::TooLarge {
                num_micro_batches,
                share,
                need,
                limit,
            } => write!(
                f,
                "with {num_micro_batches} micro-batches it would be {}, but they need {} where a \
                 device holds {}",
                percent(*share),
                bytes(*need),
                bytes(*limit)
            ),
            Self::Fits {
                num_micro_batches,
                share,
                seconds,
            } => write!(
                f,
                "with {num_micro_batches} micro-batches it would be {}, and a step would take {}",
                percent(*share),
                duration(*seconds)
            ),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
