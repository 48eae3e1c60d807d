use super::{Cost, CostError, Costs};
use crate::{Op, Timeline, schedule::Layout};

impl Costs {
    /// What instructions took in measured steps: for each chunk, the median over all its
    /// micro-batches in all of the timelines.
    ///
    /// Moving data is part of the instruction that moves it, so boundaries and gradients arrive at
    /// no further cost. Where nothing was recomputed, a Recompute costs what a Forward does. Bytes
    /// are not measured: they are zero.
    ///
    /// A chunk whose Forward was never measured is [`CostError::Unmeasured`], and one whose
    /// Backward was not, unless no chunk's was.
    pub fn measured(timelines: &[Timeline]) -> Result<Self, CostError> {
        let num_stages = timelines.iter().map(Timeline::num_stages).max();
        let num_chunks = timelines.iter().map(|it| it.layout().num_chunks).max();
        let layout = Layout {
            num_stages: num_stages.unwrap_or(0),
            num_chunks: num_chunks.unwrap_or(0),
        };
        let mut seconds = vec![<[Vec<f64>; 3]>::default(); layout.num_stages * layout.num_chunks];
        for span in timelines.iter().flat_map(Timeline::spans) {
            let place = layout.place(span.stage, span.instruction.chunk());
            seconds[place][span.instruction.op() as usize].push(span.end - span.start);
        }
        let trains = seconds
            .iter()
            .any(|it| !it[Op::Backward as usize].is_empty());

        let mut costs = Vec::with_capacity(seconds.len());
        for (place, [forwards, recomputes, backwards]) in seconds.into_iter().enumerate() {
            let (stage, chunk) = layout.at(place);
            let missing = |field| CostError::Unmeasured {
                stage,
                chunk,
                field,
            };
            let forward = median(forwards).ok_or_else(|| missing("forward"))?;
            let backward = match trains {
                true => median(backwards).ok_or_else(|| missing("backward"))?,
                false => 0.0,
            };
            costs.push(Cost {
                forward,
                recompute: median(recomputes).unwrap_or(forward),
                backward,
                ..Cost::default()
            });
        }
        Ok(Self::per_chunk(costs))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values[below] + values[above]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Span};

    fn span(stage: usize, instruction: Instruction, seconds: f64) -> Span {
        let start = 10.0 * instruction.micro_batch() as f64;
        Span::new(stage, instruction, start, start + seconds)
    }

    #[test]
    fn a_chunk_costs_the_median_of_what_it_took() {
        let forwards = [1.0, 9.0, 2.0, 3.0].into_iter().enumerate();
        let spans = forwards.map(|(m, seconds)| span(0, Instruction::forward(m), seconds));
        let backward = span(0, Instruction::backward(5), 5.0);
        let costs = Costs::measured(&[
            Timeline::new(1, spans.collect()),
            Timeline::new(1, vec![backward]),
        ]);
        let expected = Cost {
            forward: 2.5,
            recompute: 2.5,
            backward: 5.0,
            ..Cost::default()
        };
        assert_eq!(costs, Ok(Costs::equal(expected)));
    }

    #[test]
    fn a_stage_that_was_not_measured_is_named() {
        let timeline = Timeline::new(2, vec![span(0, Instruction::forward(0), 1.0)]);
        let error = Costs::measured(&[timeline]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no forward of chunk 0 of stage 1 has been measured: measure whole steps"
        );
    }
}
