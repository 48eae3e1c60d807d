use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::Value;

use super::ChromeTrace;
use crate::{
    Cost, Costs, Instruction, Rematerialization, ScheduleKind, Span, Timeline, forward_only,
    rematerialize, simulate,
};

fn costs() -> Costs {
    Costs::equal(Cost {
        forward: 0.1,
        recompute: 0.1,
        backward: 0.2,
        boundary: 0.01,
        gradient: 0.02,
        boundary_bytes: 10,
        activation_bytes: 100,
    })
}

fn simulated(kind: ScheduleKind, num_stages: usize, mode: Rematerialization) -> Timeline {
    let schedule = rematerialize(kind.schedule(num_stages, 8).unwrap(), mode);
    simulate(&schedule, &costs()).unwrap().timeline
}

fn events(trace: &ChromeTrace) -> Vec<Value> {
    let trace: Value = serde_json::from_str(&trace.to_string()).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

fn nanoseconds(value: &Value) -> i64 {
    (1e3 * value.as_f64().unwrap()).round() as i64
}

fn phase<'a>(events: &'a [Value], phase: &str) -> Vec<&'a Value> {
    events.iter().filter(|it| it["ph"] == phase).collect()
}

/// Start and end of each slice, by row.
fn slices(events: &[Value]) -> BTreeMap<(u64, u64), Vec<(i64, i64)>> {
    let mut rows = BTreeMap::<_, Vec<_>>::new();
    for slice in phase(events, "X") {
        let start = nanoseconds(&slice["ts"]);
        let end = start + nanoseconds(&slice["dur"]);
        rows.entry(row(slice)).or_default().push((start, end));
    }
    rows
}

fn row(event: &Value) -> (u64, u64) {
    (
        event["pid"].as_u64().unwrap(),
        event["tid"].as_u64().unwrap(),
    )
}

#[test]
fn a_trace_has_names_then_slices_then_arrows_then_counters() {
    let moves = |span, moving| Span { moving, ..span };
    let timeline = Timeline::new(
        2,
        vec![
            Span::new(0, Instruction::forward(0), 5.0, 6.0),
            moves(Span::new(1, Instruction::forward(0), 6.5, 7.5), 0.25),
            Span::new(1, Instruction::backward(0), 7.5, 9.5),
            Span::new(0, Instruction::recompute(0), 6.0, 7.0),
            Span::new(0, Instruction::backward(0), 9.5, 11.0),
        ],
    );
    let memory = costs().memory(&timeline);
    let trace = ChromeTrace::of(&[("a \"step\"", &timeline)]).with_memory(&[&memory]);
    insta::assert_snapshot!(trace, @r#"
    {"traceEvents":[
    {"ph":"M","name":"process_name","pid":3,"tid":0,"args":{"name":"a \"step\""}},
    {"ph":"M","name":"process_sort_index","pid":3,"tid":0,"args":{"sort_index":0}},
    {"ph":"M","name":"thread_name","pid":3,"tid":0,"args":{"name":"stage 0"}},
    {"ph":"M","name":"thread_sort_index","pid":3,"tid":0,"args":{"sort_index":0}},
    {"ph":"M","name":"thread_name","pid":3,"tid":1,"args":{"name":"stage 1"}},
    {"ph":"M","name":"thread_sort_index","pid":3,"tid":1,"args":{"sort_index":1}},
    {"ph":"X","name":"F0","cat":"forward","pid":3,"tid":0,"ts":0.0,"dur":1000000.0,"args":{"micro_batch":0,"chunk":0}},
    {"ph":"X","name":"R0","cat":"recompute","pid":3,"tid":0,"ts":1000000.0,"dur":1000000.0,"args":{"micro_batch":0,"chunk":0}},
    {"ph":"X","name":"B0","cat":"backward","pid":3,"tid":0,"ts":4500000.0,"dur":1500000.0,"args":{"micro_batch":0,"chunk":0,"waited_us":2500000.0,"waited_for":"gradient"}},
    {"ph":"X","name":"F0","cat":"forward","pid":3,"tid":1,"ts":1500000.0,"dur":1000000.0,"args":{"micro_batch":0,"chunk":0,"moving_us":250000.0,"waited_us":1500000.0,"waited_for":"boundary"}},
    {"ph":"X","name":"B0","cat":"backward","pid":3,"tid":1,"ts":2500000.0,"dur":2000000.0,"args":{"micro_batch":0,"chunk":0}},
    {"ph":"s","id":0,"name":"gradient","cat":"gradient","pid":3,"tid":1,"ts":3500000.0},
    {"ph":"f","id":0,"name":"gradient","cat":"gradient","bp":"e","pid":3,"tid":0,"ts":4500000.0},
    {"ph":"s","id":1,"name":"boundary","cat":"boundary","pid":3,"tid":0,"ts":500000.0},
    {"ph":"f","id":1,"name":"boundary","cat":"boundary","bp":"e","pid":3,"tid":1,"ts":1500000.0},
    {"ph":"C","name":"stage 0 in flight","pid":3,"tid":0,"ts":0.0,"args":{"micro-batches":1}},
    {"ph":"C","name":"stage 0 in flight","pid":3,"tid":0,"ts":6000000.0,"args":{"micro-batches":0}},
    {"ph":"C","name":"stage 0 kept","pid":3,"tid":0,"ts":0.0,"args":{"bytes":10}},
    {"ph":"C","name":"stage 0 kept","pid":3,"tid":0,"ts":1000000.0,"args":{"bytes":100}},
    {"ph":"C","name":"stage 0 kept","pid":3,"tid":0,"ts":6000000.0,"args":{"bytes":0}},
    {"ph":"C","name":"stage 1 in flight","pid":3,"tid":1,"ts":1500000.0,"args":{"micro-batches":1}},
    {"ph":"C","name":"stage 1 in flight","pid":3,"tid":1,"ts":4500000.0,"args":{"micro-batches":0}},
    {"ph":"C","name":"stage 1 kept","pid":3,"tid":1,"ts":1500000.0,"args":{"bytes":100}},
    {"ph":"C","name":"stage 1 kept","pid":3,"tid":1,"ts":4500000.0,"args":{"bytes":0}}
    ],"displayTimeUnit":"ms"}
    "#);
}

#[rstest]
fn an_arrow_leads_from_a_slice_to_a_later_one(
    #[values(
        ScheduleKind::GPipe,
        ScheduleKind::OneForwardOneBackward,
        ScheduleKind::Interleaved { num_chunks: 2 }
    )]
    kind: ScheduleKind,
    #[values(1, 4)] num_stages: usize,
) {
    let num_chunks = kind.num_chunks();
    let timeline = simulated(kind, num_stages, Rematerialization::Never);
    let events = events(&ChromeTrace::of(&[("a", &timeline), ("b", &timeline)]));
    let slices = slices(&events);
    let (tails, heads) = (phase(&events, "s"), phase(&events, "f"));
    assert_eq!(tails.len(), 2 * 2 * 8 * (num_stages * num_chunks - 1));
    assert_eq!(heads.len(), tails.len());

    let ids: BTreeSet<_> = tails.iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), tails.len());
    for (tail, head) in tails.into_iter().zip(heads) {
        assert_eq!(head["bp"], "e");
        for key in ["id", "name", "cat", "pid"] {
            assert_eq!(tail[key], head[key]);
        }
        let (from, to) = (nanoseconds(&tail["ts"]), nanoseconds(&head["ts"]));
        assert!(from < to);
        let leaves = |&(start, end): &(i64, i64)| start < from && from < end;
        let arrives = |&(start, end): &(i64, i64)| start <= to && to < end;
        let leaves = slices[&row(tail)].iter().find(|it| leaves(it)).unwrap();
        let arrives = slices[&row(head)].iter().find(|it| arrives(it)).unwrap();
        assert!(leaves.1 <= arrives.0);
    }
}

#[test]
fn a_slice_is_written_before_the_arrows_that_touch_it() {
    let timeline = simulated(ScheduleKind::GPipe, 3, Rematerialization::Always);
    let events = events(&ChromeTrace::new(&timeline));
    let last_slice = events.iter().rposition(|it| it["ph"] == "X");
    let first_arrow = events
        .iter()
        .position(|it| it["ph"] == "s" || it["ph"] == "f");
    assert!(last_slice < first_arrow);
}

#[rstest]
fn slices_of_a_stage_touch_but_never_overlap(#[values(0.0, 1e5)] start: f64) {
    let third = 1e-3 / 3.0;
    let at = |m: usize| start + third * m as f64;
    let spans = (0..3000).map(|m| Span::new(0, Instruction::forward(m), at(m), at(m + 1)));
    let timeline = Timeline::new(1, spans.collect());
    let slices = slices(&events(&ChromeTrace::new(&timeline)));
    let slices = &slices[&(2, 0)];
    assert_eq!(slices.len(), 3000);
    assert!(slices.windows(2).all(|pair| pair[0].1 == pair[1].0));
}

#[rstest]
fn counters_end_at_zero(
    #[values(
        Rematerialization::Never,
        Rematerialization::ExceptLast,
        Rematerialization::Always
    )]
    mode: Rematerialization,
) {
    let timeline = simulated(ScheduleKind::OneForwardOneBackward, 3, mode);
    let memory = costs().memory(&timeline);
    let trace = ChromeTrace::new(&timeline).with_memory(&[&memory]);
    let mut counters = BTreeMap::<String, Vec<(i64, u64)>>::new();
    for counter in phase(&events(&trace), "C") {
        let (key, level) = counter["args"].as_object().unwrap().iter().next().unwrap();
        let name = format!("{} {key}", counter["name"].as_str().unwrap());
        let level = (nanoseconds(&counter["ts"]), level.as_u64().unwrap());
        counters.entry(name).or_default().push(level);
    }
    assert_eq!(counters.len(), 2 * 3);
    for (stage, in_flight) in [(0, 3), (1, 2), (2, 1)] {
        let kept = &counters[&format!("stage {stage} kept bytes")];
        let micro_batches = &counters[&format!("stage {stage} in flight micro-batches")];
        for levels in [kept, micro_batches] {
            assert!(levels.is_sorted_by(|a, b| a.0 < b.0));
            assert_eq!(levels.last().map(|it| it.1), Some(0));
        }
        assert_eq!(micro_batches.iter().map(|it| it.1).max(), Some(in_flight));
    }
}

#[test]
fn what_takes_no_time_has_no_arrow() {
    let timeline = Timeline::new(
        2,
        vec![
            Span::new(0, Instruction::forward(0), 0.0, 0.0),
            Span::new(1, Instruction::forward(0), 1.0, 2.0),
        ],
    );
    let events = events(&ChromeTrace::new(&timeline));
    assert_eq!(phase(&events, "X").len(), 2);
    assert!(phase(&events, "s").is_empty() && phase(&events, "f").is_empty());
}

#[test]
fn inference_has_nothing_in_flight() {
    let schedule = forward_only(2, 1, 4).unwrap();
    let timeline = Timeline::of_slots(&schedule).unwrap();
    assert!(phase(&events(&ChromeTrace::new(&timeline)), "C").is_empty());
}

#[test]
fn a_trace_of_nothing_is_still_a_trace() {
    assert!(events(&ChromeTrace::of(&[])).is_empty());
    let timeline = Timeline::new(1, vec![]);
    assert_eq!(events(&ChromeTrace::new(&timeline)).len(), 4);
}

#[test]
#[should_panic(expected = "memories of 0 timelines for a trace of 1")]
fn each_timeline_needs_its_memory() {
    let _ = ChromeTrace::new(&Timeline::new(1, vec![])).with_memory(&[]);
}
