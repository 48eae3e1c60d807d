//! The closed forms of the papers, for every schedule of a range of sizes.

use rstest::rstest;

use crate::{Cost, Costs, Rematerialization, Schedule, ScheduleKind, rematerialize, simulate};

const NUM_STAGES: std::ops::RangeInclusive<usize> = 1..=8;
const NUM_MICRO_BATCHES: std::ops::RangeInclusive<usize> = 1..=32;

/// A backward takes twice as long as a forward.
const COST: Cost = Cost {
    forward: 1.0,
    recompute: 1.0,
    backward: 2.0,
    boundary: 0.0,
    gradient: 0.0,
    boundary_bytes: 1,
    activation_bytes: 100,
};

fn sizes() -> impl Iterator<Item = (usize, usize)> {
    NUM_STAGES.flat_map(|k| NUM_MICRO_BATCHES.map(move |m| (k, m)))
}

/// Checks that the stages of a schedule wait for `num_waits` chunks forward and backward each.
fn check_bubble(schedule: &Schedule, num_waits: usize) {
    let timeline = simulate(schedule, &Costs::equal(COST)).unwrap().timeline;
    let per_stage = schedule.num_chunks() * schedule.num_micro_batches();
    let makespan = (per_stage + num_waits) as f64 * 3.0;
    assert_eq!(timeline.makespan(), makespan, "{schedule}");
    let share = num_waits as f64 / (per_stage + num_waits) as f64;
    assert!(
        (timeline.bubble_share() - share).abs() < 1e-12,
        "{schedule}"
    );
}

#[rstest]
#[case(ScheduleKind::GPipe)]
#[case(ScheduleKind::OneForwardOneBackward)]
fn stages_of_one_chunk_wait_for_all_other_stages_once(#[case] kind: ScheduleKind) {
    for (k, m) in sizes() {
        check_bubble(&kind.schedule(k, m).unwrap(), k - 1);
    }
}

#[rstest]
fn chunks_divide_the_bubble(
    #[values(1, 2, 3, 4)] num_chunks: usize,
    #[values(true, false)] interleaved: bool,
) {
    let kind = match interleaved {
        true => ScheduleKind::Interleaved { num_chunks },
        false => ScheduleKind::BreadthFirst { num_chunks },
    };
    for (k, m) in sizes() {
        let num_waits = k - 1 + (num_chunks - 1) * k.saturating_sub(m);
        check_bubble(&kind.schedule(k, m).unwrap(), num_waits);
    }
}

#[test]
fn closed_forms_hold_for_many_stages_and_micro_batches() {
    let interleaved = ScheduleKind::Interleaved { num_chunks: 8 };
    check_bubble(&interleaved.schedule(64, 1024).unwrap(), 63);
    let plain = ScheduleKind::OneForwardOneBackward;
    check_bubble(&plain.schedule(128, 2048).unwrap(), 127);
}

#[rstest]
fn inference_waits_for_all_other_stages_once(#[values(1, 2, 3)] num_chunks: usize) {
    for (k, m) in sizes().filter(|(k, m)| m >= k) {
        let schedule = crate::forward_only(k, num_chunks, m).unwrap();
        let timeline = simulate(&schedule, &Costs::equal(COST)).unwrap().timeline;
        assert_eq!(timeline.makespan(), (num_chunks * m + k - 1) as f64);
    }
}

#[test]
fn interleaving_keeps_what_its_warm_up_takes_in() {
    for (k, m) in sizes().filter(|(k, m)| m % k == 0) {
        for v in 2..=4 {
            let schedule = ScheduleKind::Interleaved { num_chunks: v }
                .schedule(k, m)
                .unwrap();
            for s in 0..k {
                let expected = (2 * (k - 1 - s) + (v - 1) * k + 1).min(v * m);
                assert_eq!(schedule.peak_in_flight(s), expected);
            }
        }
    }
}

#[test]
fn a_stage_keeps_what_is_in_flight_on_it() {
    for (k, m) in sizes() {
        let peak = |kind: ScheduleKind, stage: usize| {
            let schedule = kind.schedule(k, m).unwrap();
            let simulation = simulate(&schedule, &Costs::equal(COST)).unwrap();
            let in_flight = schedule.peak_in_flight(stage);
            assert_eq!(simulation.peak_bytes[stage], 100 * in_flight as u64);
            in_flight
        };
        for s in 0..k {
            assert_eq!(peak(ScheduleKind::GPipe, s), m);
            assert_eq!(peak(ScheduleKind::OneForwardOneBackward, s), (k - s).min(m));
        }
    }
}

#[test]
fn rematerialization_keeps_boundaries_and_one_micro_batch() {
    for (k, m) in sizes() {
        let schedule = ScheduleKind::GPipe.schedule(k, m).unwrap();
        let schedule = rematerialize(schedule, Rematerialization::Always);
        let simulation = simulate(&schedule, &Costs::equal(COST)).unwrap();
        assert_eq!(simulation.peak_bytes, vec![m as u64 - 1 + 100; k]);
    }
}
