use super::unit::duration;
use crate::Timeline;

/// A timeline in a drawing, under its name where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) timeline: &'a Timeline,
    /// The first of the named timelines, for those after it.
    reference: Option<(&'a str, &'a Timeline)>,
}

impl Panel<'_> {
    /// How long the timeline takes, and how that compares with the first one.
    pub(super) fn makespan(&self) -> String {
        let seconds = self.timeline.makespan();
        let makespan = format!("makespan {}", duration(seconds));
        match self.reference {
            Some((name, first)) if first.makespan() > 0.0 => {
                let than_first = difference(seconds / first.makespan());
                format!("{makespan}, {than_first} {name}")
            }
            _ => makespan,
        }
    }
}

fn difference(ratio: f64) -> String {
    let percent = format!("{:.1}", 100.0 * (ratio - 1.0).abs());
    match percent.as_str() {
        "0.0" => "as long as".to_string(),
        _ if ratio > 1.0 => format!("{percent} % longer than"),
        _ => format!("{percent} % shorter than"),
    }
}

/// Timelines drawn one above the other on one time axis. Each begins at its own first start.
#[derive(Clone, Debug)]
pub(super) struct Panels<'a> {
    panels: Vec<Panel<'a>>,
}

impl<'a> Panels<'a> {
    /// One timeline, without a name.
    pub(super) fn one(timeline: &'a Timeline) -> Self {
        let panel = Panel {
            name: None,
            timeline,
            reference: None,
        };
        Self {
            panels: vec![panel],
        }
    }

    /// Timelines under their names, the first one on top.
    pub(super) fn of(timelines: &[(&'a str, &'a Timeline)]) -> Self {
        let panel = |(index, &(name, timeline))| Panel {
            name: Some(name),
            timeline,
            reference: (index > 0).then(|| timelines[0]),
        };
        Self {
            panels: timelines.iter().enumerate().map(panel).collect(),
        }
    }

    /// The timelines from top to bottom.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Panel<'a>> {
        self.panels.iter().copied()
    }

    /// The longest makespan, in seconds: what the time axis spans.
    pub(super) fn seconds(&self) -> f64 {
        let makespans = self.iter().map(|it| it.timeline.makespan());
        makespans.fold(0.0, f64::max)
    }

    /// The most stages that a timeline has.
    pub(super) fn num_stages(&self) -> usize {
        let num_stages = self.iter().map(|it| it.timeline.num_stages());
        num_stages.max().unwrap_or(0)
    }
}

/// What the row of a stage is called.
pub(super) fn label(stage: usize) -> String {
    format!("stage {stage}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instruction, Span};
    use rstest::rstest;

    fn lasting(seconds: f64) -> Timeline {
        let span = Span::new(0, Instruction::forward(0), 1.0, 1.0 + seconds);
        Timeline::new(1, vec![span])
    }

    #[rstest]
    #[case(2.0, 2.5, "makespan 2.50 s, 25.0 % longer than simulated")]
    #[case(2.0, 1.5, "makespan 1.50 s, 25.0 % shorter than simulated")]
    #[case(2.0, 2.0005, "makespan 2.00 s, as long as simulated")]
    #[case(0.0, 2.0, "makespan 2.00 s")]
    fn a_makespan_is_compared_with_the_first(
        #[case] simulated: f64,
        #[case] measured: f64,
        #[case] expected: &str,
    ) {
        let (simulated, measured) = (lasting(simulated), lasting(measured));
        let panels = Panels::of(&[("simulated", &simulated), ("measured", &measured)]);
        let makespans: Vec<String> = panels.iter().map(|it| it.makespan()).collect();
        assert_eq!(makespans[1], expected);
        assert!(!makespans[0].contains("simulated"));
    }

    #[test]
    fn the_longest_timeline_spans_the_axis() {
        let (short, long) = (lasting(1.0), lasting(3.0));
        assert_eq!(Panels::of(&[("a", &short), ("b", &long)]).seconds(), 3.0);
        assert_eq!(Panels::of(&[]).seconds(), 0.0);
    }
}
