//! Where the cuts of a candidate fall: a partition problem.

use std::ops::Range;

use super::{
    PlanError,
    candidate::Candidate,
    search::{Cuts, Search},
    shape::{Kept, Shape},
    sizes::{Counts, Sizes},
    tables::Size,
};
use crate::{PartitionProblem, Sending, StageDevice};

impl Search<'_> {
    pub(super) fn solve(
        &self,
        candidate: &Candidate,
        shape: &Shape,
        sizes: &[usize],
        order: Option<&[usize]>,
        sending: Sending,
        limited: bool,
    ) -> Result<Cuts, PlanError> {
        let (problem, named) = self.problem(candidate, shape, sizes, order, sending, limited);
        let best = problem.solve()?;
        let devices = named.of(&best.devices, candidate.num_stages);
        Ok((best.partition, devices))
    }

    /// The cuts as a problem, and how its devices are called in the cluster.
    pub(super) fn problem<'p>(
        &'p self,
        candidate: &'p Candidate,
        shape: &'p Shape,
        sizes: &'p [usize],
        order: Option<&[usize]>,
        sending: Sending,
        limited: bool,
    ) -> (PartitionProblem<'p>, Named) {
        let cluster = self.tables.costs.cluster();
        let num_chunks = candidate.kind.num_chunks();
        let named = Named(match order {
            Some(order) => order.repeat(num_chunks),
            None => (0..cluster.num_devices()).collect(),
        });
        let devices = named.0.iter().map(|&it| {
            let limit = cluster.device(it).memory_bytes.filter(|_| limited);
            StageDevice {
                speed: cluster.device(it).flops,
                memory_bytes: limit.map(|it| it / num_chunks as u64),
            }
        });
        let micro_batches = Sizes::of(self.tables, sizes);
        let for_need = micro_batches.clone();
        let boundary_bytes = micro_batches.large.boundary_bytes.clone();
        let counts = shape.recomputed.iter().map(|it| micro_batches.counts(it));
        let counts: Vec<Counts> = counts.collect();
        let (of_time, of_need) = (named.clone(), named.clone());
        let of_link = named.clone();
        let weights = vec![0.0; self.tables.num_layers()];
        let mut problem = PartitionProblem::new(weights, devices.collect())
            .with_seconds(move |place, device, layers| {
                let device = of_time.0[device];
                let busy = micro_batches.busy(self.tables, &counts[place], device, layers);
                busy.0 / sizes.len() as f64
            })
            .with_links(
                boundary_bytes,
                move |from, to| cluster.link(of_link.0[from], of_link.0[to]),
                sending,
            );
        if limited {
            problem = problem.with_need(move |place, layers| {
                // Bytes are those of any device, unless a rule says otherwise: then of the first.
                let device = of_need.0[place.min(of_need.0.len() - 1)];
                self.need(&shape.kept[place], &for_need, device, layers)
            });
        }
        if order.is_none() {
            problem = problem.in_free_order(candidate.num_stages);
        }
        (problem, named)
    }

    /// What a place needs: exact for a stage of one chunk.
    fn need(&self, kept: &[Kept], sizes: &Sizes, device: usize, layers: Range<usize>) -> u64 {
        let one = |size: &Size| {
            let activations = self.tables.activation_bytes(size, device, layers.clone());
            (size.boundary_bytes[layers.start], activations)
        };
        let ones = [one(&sizes.small), one(&sizes.large)];
        let bytes = |moment: &Kept| {
            let sizes = moment.iter().zip(&ones);
            let bytes = sizes.map(|(number, one)| {
                let boundaries = one.0.saturating_mul(number.0);
                boundaries.saturating_add(one.1.saturating_mul(number.1))
            });
            bytes.fold(0, u64::saturating_add)
        };
        let kept = kept.iter().map(bytes).max().unwrap_or(0);
        let working = self
            .tables
            .working_bytes(&sizes.large, device, layers.clone());
        let parameters = self.tables.parameter_bytes(&[layers]);
        parameters.saturating_add(kept).saturating_add(working)
    }
}

/// What the devices of a problem are in the cluster.
#[derive(Clone)]
pub(super) struct Named(Vec<usize>);

impl Named {
    /// The devices of the stages, from those of the places.
    pub(super) fn of(&self, devices: &[usize], num_stages: usize) -> Vec<usize> {
        let stages = devices.iter().take(num_stages);
        stages.map(|it| self.0[*it]).collect()
    }
}
