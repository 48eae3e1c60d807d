use serde::{Deserialize, Serialize};

use super::Span;
use crate::{
    Schedule, ScheduleError,
    schedule::{Layout, Slots, validate_running},
};

/// Who ran which instruction from when to when: simulated or measured.
///
/// It answers where the time of a step went. The bubble of K equal stages under GPipe, for one,
/// is (K-1)/(M+K-1) with M micro-batches (Huang et al., 2018, section 2.3):
///
/// ```
/// use burn_pipeline_plan::{ScheduleKind, Timeline};
///
/// let schedule = ScheduleKind::GPipe.schedule(3, 4)?;
/// let timeline = Timeline::of_slots(&schedule)?;
/// assert_eq!(timeline.makespan(), 12.0);
/// assert_eq!(timeline.busy(0), 8.0);
/// assert!((timeline.bubble_share() - 2.0 / 6.0).abs() < 1e-12);
/// # Ok::<(), burn_pipeline_plan::ScheduleError>(())
/// ```
///
/// A measured timeline is the workers' own: on a device that runs asynchronously, a span is the time
/// in which work was handed over, not that in which the device did it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Unchecked")]
pub struct Timeline {
    stages: Vec<Vec<Span>>,
}

/// A timeline as it is stored: what was changed by hand may be in any order.
#[derive(Deserialize)]
struct Unchecked {
    stages: Vec<Vec<Span>>,
}

impl From<Unchecked> for Timeline {
    fn from(unchecked: Unchecked) -> Self {
        let stages = unchecked.stages.into_iter().enumerate();
        let own = stages.map(|(stage, spans)| {
            let own = spans.into_iter().map(|span| Span { stage, ..span });
            own.collect()
        });
        Self::sorted(own.collect())
    }
}

impl Timeline {
    /// A timeline of these spans, in any order.
    ///
    /// # Panics
    ///
    /// If a span is of a stage that is not below `num_stages`.
    pub fn new(num_stages: usize, spans: Vec<Span>) -> Self {
        let mut stages = vec![Vec::new(); num_stages];
        for span in spans {
            assert!(
                span.stage < num_stages,
                "a span of stage {} in a timeline of {num_stages} stages",
                span.stage
            );
            stages[span.stage].push(span);
        }
        Self::sorted(stages)
    }

    fn sorted(mut stages: Vec<Vec<Span>>) -> Self {
        for stage in &mut stages {
            stage.sort_by(|a, b| a.start.total_cmp(&b.start));
        }
        Self { stages }
    }

    /// The timeline of a schedule in which every instruction takes one second, and runs as soon
    /// as it can.
    ///
    /// A schedule that [`validate`](crate::validate()) refuses is the same error here.
    pub fn of_slots(schedule: &Schedule) -> Result<Self, ScheduleError> {
        let executed = validate_running(schedule, Slots)?;
        let stages = (0..schedule.num_stages()).map(|stage| {
            let spans = executed.spans(stage);
            let span = move |(instruction, start, end)| {
                Span::new(stage, instruction, f64::from(start), f64::from(end))
            };
            spans.map(span).collect()
        });
        Ok(Self::of_stages(stages.collect()))
    }

    /// A timeline of these spans, by stage and in order of start.
    pub(crate) fn of_stages(stages: Vec<Vec<Span>>) -> Self {
        Self { stages }
    }

    /// How the chunks of its stages follow each other along the model.
    pub(crate) fn layout(&self) -> Layout {
        let last = self.spans().map(|it| it.instruction.chunk()).max();
        Layout {
            num_stages: self.num_stages(),
            num_chunks: last.map_or(0, |last| last + 1),
        }
    }

    /// How many stages there are, busy or not.
    pub fn num_stages(&self) -> usize {
        self.stages.len()
    }

    /// All spans, stage after stage, each stage's in order of start.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.stages.iter().flatten()
    }

    /// The spans of a stage, in order of start.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn stage(&self, stage: usize) -> impl ExactSizeIterator<Item = &Span> {
        self.stages[stage].iter()
    }

    /// The schedule that was run: what each stage ran, in order of start.
    pub fn schedule(&self) -> Schedule {
        let stages = self.stages.iter().map(|stage| {
            let instructions = stage.iter().map(|it| it.instruction);
            instructions.collect()
        });
        Schedule::new(stages.collect())
    }

    /// From the first start to the last end, in seconds.
    pub fn makespan(&self) -> f64 {
        let end = self.spans().map(|it| it.end).reduce(f64::max);
        end.unwrap_or(0.0) - self.start()
    }

    /// The first start, in seconds.
    pub(crate) fn start(&self) -> f64 {
        let starts = self.stages.iter().filter_map(|it| it.first());
        starts.map(|it| it.start).reduce(f64::min).unwrap_or(0.0)
    }

    /// How long a stage runs something, in seconds. Where its spans overlap, time counts once.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn busy(&self, stage: usize) -> f64 {
        let mut busy = 0.0;
        let mut until = f64::NEG_INFINITY;
        for span in self.stage(stage) {
            busy += (span.end - span.start.max(until)).max(0.0);
            until = until.max(span.end);
        }
        busy
    }

    /// The share of the makespan in which a stage runs nothing, from 0 to 1.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn bubble(&self, stage: usize) -> f64 {
        idle_share(self.busy(stage), self.makespan())
    }

    /// The share of the makespan in which a stage runs nothing, over all stages, from 0 to 1.
    pub fn bubble_share(&self) -> f64 {
        let busy: f64 = (0..self.num_stages()).map(|stage| self.busy(stage)).sum();
        idle_share(busy, self.makespan() * self.num_stages() as f64)
    }
}

/// No time at all is no idle time.
fn idle_share(busy: f64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        (1.0 - busy / seconds).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instruction;

    fn span(stage: usize, micro_batch: usize, start: f64, end: f64) -> Span {
        Span::new(stage, Instruction::forward(micro_batch), start, end)
    }

    #[test]
    fn spans_are_given_back_in_order_of_start() {
        let spans = vec![
            span(1, 1, 3.0, 4.0),
            span(0, 0, 1.0, 2.0),
            span(1, 0, 2.0, 3.0),
        ];
        let timeline = Timeline::new(2, spans.clone());
        let stage: Vec<Span> = timeline.stage(1).copied().collect();
        assert_eq!(stage, [spans[2], spans[0]]);
        let all: Vec<Span> = timeline.spans().copied().collect();
        assert_eq!(all, [spans[1], spans[2], spans[0]]);
    }

    #[test]
    fn the_schedule_is_what_was_run() {
        let schedule = crate::ScheduleKind::GPipe.schedule(2, 3).unwrap();
        assert_eq!(Timeline::of_slots(&schedule).unwrap().schedule(), schedule);
    }

    #[test]
    fn the_makespan_begins_with_the_first_instruction() {
        let timeline = Timeline::new(2, vec![span(0, 0, 10.0, 11.0), span(1, 0, 12.0, 14.0)]);
        assert_eq!(timeline.makespan(), 4.0);
        assert_eq!((timeline.bubble(0), timeline.bubble(1)), (0.75, 0.5));
        assert_eq!(timeline.bubble_share(), 0.625);
    }

    #[test]
    fn a_stage_without_spans_is_all_bubble() {
        let timeline = Timeline::new(2, vec![span(0, 0, 0.0, 1.0)]);
        assert_eq!((timeline.bubble(0), timeline.bubble(1)), (0.0, 1.0));
    }

    #[test]
    fn overlapping_spans_are_busy_once() {
        let spans = vec![
            span(0, 0, 0.0, 4.0),
            span(0, 1, 1.0, 2.0),
            span(0, 2, 3.0, 6.0),
        ];
        assert_eq!(Timeline::new(1, spans).busy(0), 6.0);
    }

    #[test]
    fn an_empty_timeline_has_no_bubble() {
        for num_stages in [0, 2] {
            let timeline = Timeline::new(num_stages, vec![]);
            assert_eq!((timeline.makespan(), timeline.bubble_share()), (0.0, 0.0));
        }
    }

    #[test]
    fn a_timeline_is_read_as_it_was_stored() {
        let timeline = Timeline::new(2, vec![span(1, 0, 0.25, 0.5)]);
        let json = serde_json::to_string(&timeline).unwrap();
        assert_eq!(serde_json::from_str::<Timeline>(&json).unwrap(), timeline);
    }

    #[test]
    fn a_stored_timeline_may_be_in_any_order() {
        let timeline = Timeline::new(1, vec![span(0, 0, 0.0, 1.0), span(0, 1, 2.0, 3.0)]);
        let mut stored = serde_json::to_value(&timeline).unwrap();
        let spans = stored["stages"][0].as_array_mut().unwrap();
        spans.reverse();
        spans[0]["stage"] = 7.into();
        assert_eq!(
            serde_json::from_value::<Timeline>(stored).unwrap(),
            timeline
        );
    }

    #[test]
    fn a_schedule_that_cannot_run_has_no_timeline() {
        let schedule = "stage 0 F0 B0\nstage 1 F0".parse().unwrap();
        assert!(Timeline::of_slots(&schedule).is_err());
    }

    #[test]
    #[should_panic(expected = "a span of stage 2 in a timeline of 2 stages")]
    fn a_span_of_no_stage_is_refused() {
        Timeline::new(2, vec![span(2, 0, 0.0, 1.0)]);
    }
}
