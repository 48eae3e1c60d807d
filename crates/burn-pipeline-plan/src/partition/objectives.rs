//! What a partition is to keep low: the time of stages, or the memory that they need.

use std::ops::Range;

use super::{PartitionProblem, Sending, optimal::Objective};

/// Sums of the first `i` numbers, for all `i`.
pub(super) fn sums(numbers: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let rest = numbers.iter().map(|it| {
        sum += it;
        sum
    });
    std::iter::once(0.0).chain(rest).collect()
}

pub(super) fn sums_of_bytes(bytes: &[u64]) -> Vec<u128> {
    let mut sum = 0;
    let rest = bytes.iter().map(|&it| {
        sum += u128::from(it);
        sum
    });
    std::iter::once(0).chain(rest).collect()
}

/// The time of stages, under the memory limits.
pub(super) struct Time<'p, 'a> {
    pub(super) problem: &'p PartitionProblem<'a>,
    pub(super) sums: Vec<f64>,
    pub(super) bytes: Vec<u128>,
    /// What no stage may be above, cuts aside.
    pub(super) most: f64,
}

impl Objective for Time<'_, '_> {
    fn stage(&self, stage: usize, device: usize, layers: Range<usize>) -> f64 {
        match &self.problem.seconds {
            Some(seconds) => seconds(stage, device, layers),
            None => {
                let weight = self.sums[layers.end] - self.sums[layers.start];
                weight / self.problem.devices[device].speed
            }
        }
    }

    fn with_cut(&self, value: f64, from: usize, to: usize, layer: usize) -> f64 {
        let cut = self.problem.seconds_at_cut(from, to, layer);
        match self.problem.sending {
            Sending::Overlapped => value.max(cut),
            Sending::Waited => value + cut,
        }
    }

    fn fits(&self, stage: usize, device: usize, layers: Range<usize>) -> bool {
        let limit = self.problem.devices[device].memory_bytes;
        limit.is_none_or(|limit| self.problem.need(stage, device, layers, &self.bytes) <= limit)
    }

    fn least(&self, _stage: usize, _device: usize, _layers: Range<usize>, value: f64) -> f64 {
        value
    }

    fn rules_out(&self, stage: usize, device: usize, layers: Range<usize>) -> bool {
        let limit = self.problem.devices[device].memory_bytes;
        let least = self.problem.least_seconds(stage, device, layers.clone());
        least > self.most
            || limit.is_some_and(|limit| {
                self.problem.least_need(stage, device, layers, &self.bytes) > limit
            })
    }
}

/// The ratio of need and limit of each stage.
pub(super) struct Ratio<'p, 'a> {
    pub(super) problem: &'p PartitionProblem<'a>,
    pub(super) bytes: Vec<u128>,
    /// What no stage may be above.
    pub(super) most: f64,
}

impl Ratio<'_, '_> {
    fn of(&self, device: usize, need: impl FnOnce() -> u64) -> f64 {
        match self.problem.devices[device].memory_bytes {
            None => 0.0,
            Some(limit) => need() as f64 / limit.max(1) as f64,
        }
    }
}

impl Objective for Ratio<'_, '_> {
    fn stage(&self, stage: usize, device: usize, layers: Range<usize>) -> f64 {
        self.of(device, || {
            self.problem.need(stage, device, layers, &self.bytes)
        })
    }

    fn with_cut(&self, value: f64, _from: usize, _to: usize, _layer: usize) -> f64 {
        value
    }

    fn fits(&self, _stage: usize, _device: usize, _layers: Range<usize>) -> bool {
        true
    }

    fn least(&self, stage: usize, device: usize, layers: Range<usize>, _value: f64) -> f64 {
        // A need may be of any form, and the boundary that a stage receives is part of it.
        self.of(device, || {
            self.problem.least_need(stage, device, layers, &self.bytes)
        })
    }

    fn rules_out(&self, stage: usize, device: usize, layers: Range<usize>) -> bool {
        self.least(stage, device, layers, 0.0) > self.most
    }
}
