use std::collections::HashMap;

use super::{Cost, CostError, Costs};
use crate::{Op, Timeline, schedule::Layout};

impl Costs {
    /// What instructions took in measured steps: for each micro-batch of each chunk, the mean over
    /// the steps of usual length. Of four steps and more, the quarter that was fastest and the
    /// quarter that was slowest do not count.
    ///
    /// They are what the timelines say: on a device that runs asynchronously, the time in which work
    /// was handed to it. Moving data is part of the instruction that moves it, so boundaries and
    /// gradients arrive at no further cost. Where nothing was recomputed, a Recompute costs what a
    /// Forward does. Bytes are not measured: they are zero, and [`with_bytes`](Self::with_bytes) adds
    /// them. To predict another number of micro-batches of the same size, take the mean with
    /// [`averaged`](Self::averaged).
    ///
    /// # Errors
    ///
    /// [`CostError::Unmeasured`] for a chunk that has not run some micro-batch forward, or has not
    /// run it backward while others were: steps of different numbers of micro-batches, say.
    pub fn measured(timelines: &[Timeline]) -> Result<Self, CostError> {
        let durations = Durations::of(&usual(timelines));
        let layout = durations.layout;
        let num_places = layout.num_stages * layout.num_chunks;
        let place = |place| {
            let micro_batches = 0..durations.num_micro_batches;
            let costs = micro_batches.map(|micro_batch| durations.cost(place, micro_batch));
            costs.collect::<Result<Vec<_>, _>>()
        };
        let places = (0..num_places).map(place);
        Ok(Self::new(places.collect::<Result<_, _>>()?))
    }

    /// The same cost for all micro-batches of a chunk: the mean of theirs.
    pub fn averaged(&self) -> Self {
        let places = self.places().iter().map(|costs| mean(costs));
        Self::per_chunk(places.collect())
    }
}

/// How long each operation took, by place, then by micro-batch.
struct Durations {
    layout: Layout,
    num_micro_batches: usize,
    seconds: HashMap<(usize, usize, Op), Vec<f64>>,
    trains: bool,
}

impl Durations {
    fn of(timelines: &[&Timeline]) -> Self {
        let most = |of: fn(&Timeline) -> usize| {
            let numbers = timelines.iter().map(|it| of(it));
            numbers.max().unwrap_or(0).max(1)
        };
        let mut durations = Self {
            layout: Layout {
                num_stages: most(Timeline::num_stages),
                num_chunks: most(|it| it.layout().num_chunks),
            },
            num_micro_batches: 1,
            seconds: HashMap::new(),
            trains: false,
        };
        for span in timelines.iter().flat_map(|it| it.spans()) {
            let instruction = span.instruction;
            let place = durations.layout.place(span.stage, instruction.chunk());
            let micro_batch = instruction.micro_batch();
            durations.num_micro_batches = durations.num_micro_batches.max(micro_batch + 1);
            durations.trains |= instruction.op() == Op::Backward;
            let key = (place, micro_batch, instruction.op());
            let seconds = durations.seconds.entry(key).or_default();
            seconds.push(span.end - span.start);
        }
        durations
    }

    fn cost(&self, place: usize, micro_batch: usize) -> Result<Cost, CostError> {
        let (stage, chunk) = self.layout.at(place);
        let mean = |op| {
            let seconds = self.seconds.get(&(place, micro_batch, op))?;
            Some(seconds.iter().sum::<f64>() / seconds.len() as f64)
        };
        let missing = |field| CostError::Unmeasured {
            stage,
            chunk,
            micro_batch,
            field,
        };
        let forward = mean(Op::Forward).ok_or_else(|| missing("forward"))?;
        let backward = match self.trains {
            true => mean(Op::Backward).ok_or_else(|| missing("backward"))?,
            false => 0.0,
        };
        Ok(Cost {
            forward,
            recompute: mean(Op::Recompute).unwrap_or(forward),
            backward,
            ..Cost::default()
        })
    }
}

fn mean(costs: &[Cost]) -> Cost {
    let num_costs = costs.len().max(1);
    let seconds = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / num_costs as f64;
    let bytes = |of: fn(&Cost) -> u64| {
        let sum: u128 = costs.iter().map(|it| u128::from(of(it))).sum();
        (sum / num_costs as u128) as u64
    };
    Cost {
        forward: seconds(|it| it.forward),
        recompute: seconds(|it| it.recompute),
        backward: seconds(|it| it.backward),
        boundary: seconds(|it| it.boundary),
        gradient: seconds(|it| it.gradient),
        boundary_bytes: bytes(|it| it.boundary_bytes),
        activation_bytes: bytes(|it| it.activation_bytes),
    }
}

/// The steps between the first and the last quarter by makespan.
fn usual(timelines: &[Timeline]) -> Vec<&Timeline> {
    let mut timelines: Vec<&Timeline> = timelines.iter().collect();
    timelines.sort_by(|a, b| a.makespan().total_cmp(&b.makespan()));
    let quarter = timelines.len() / 4;
    timelines.drain(..quarter);
    timelines.truncate(timelines.len() - quarter);
    timelines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Span};

    fn step(forwards: [f64; 2], backward: f64) -> Timeline {
        let span = |instruction: Instruction, seconds| {
            let start = 10.0 * instruction.micro_batch() as f64;
            Span::new(0, instruction, start, start + seconds)
        };
        Timeline::new(
            1,
            vec![
                span(Instruction::forward(0), forwards[0]),
                span(Instruction::forward(1), forwards[1]),
                span(Instruction::backward(0), backward),
                span(Instruction::backward(1), backward),
            ],
        )
    }

    fn cost(forward: f64, backward: f64) -> Cost {
        Cost {
            forward,
            recompute: forward,
            backward,
            ..Cost::default()
        }
    }

    #[test]
    fn a_micro_batch_costs_its_mean_over_the_usual_steps() {
        let steps = [
            step([1.0, 5.0], 9.0),
            step([1.0, 5.0], 90.0),
            step([3.0, 7.0], 3.0),
            step([1.0, 5.0], 1.0),
        ];
        let costs = Costs::measured(&steps).unwrap();
        assert_eq!(
            costs,
            Costs::new(vec![vec![cost(2.0, 6.0), cost(6.0, 6.0)]])
        );
        assert_eq!(costs.averaged(), Costs::equal(cost(4.0, 6.0)));
    }

    #[test]
    fn the_mean_of_bytes_is_exact_however_many_they_are() {
        let bytes = |activation_bytes| Cost {
            activation_bytes,
            ..Cost::default()
        };
        let costs = Costs::new(vec![vec![bytes(u64::MAX), bytes(u64::MAX - 2)]]);
        assert_eq!(costs.averaged(), Costs::equal(bytes(u64::MAX - 1)));
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let span = Span::new(0, Instruction::forward(0), 0.0, 1.0);
        let error = Costs::measured(&[Timeline::new(2, vec![span])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no forward of micro-batch 0 on chunk 0 of stage 1 has been measured: measure whole \
             steps of one schedule"
        );
    }

    #[test]
    fn nothing_measured_is_an_error() {
        for timelines in [vec![], vec![Timeline::new(2, vec![])]] {
            let error = Costs::measured(&timelines).unwrap_err().to_string();
            assert!(error.starts_with("no forward of micro-batch 0 on chunk 0 of stage 0 has"));
        }
    }
}
