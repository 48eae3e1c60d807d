//! Where the cuts of a candidate fall: a partition problem.

use std::{ops::Range, rc::Rc};

use super::{
    candidate::Candidate,
    search::{Cuts, Search},
    shape::{Kept, Shape},
    sizes::{Counts, Sizes},
    tables::{Busy, Size},
};
use crate::{BestPartition, PartitionProblem, Sending, StageDevice};

impl Search<'_> {
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
        let boundary_bytes = micro_batches.large.boundary_bytes.clone();
        let busy = Rc::new(self.busy(shape, &micro_batches));
        let (of_time, of_least, of_link) = (named.clone(), named.clone(), named.clone());
        let (for_least, num_micro_batches) = (Rc::clone(&busy), sizes.len() as f64);
        let weights = vec![0.0; self.tables.num_layers()];
        let mut problem = PartitionProblem::new(weights, devices.collect())
            .with_seconds(move |place, device, layers| {
                busy.of(place, of_time.0[device]).of(layers) / num_micro_batches
            })
            .with_least_seconds(move |place, device, layers| {
                let busy = for_least.of(place, of_least.0[device]);
                busy.least(layers) / num_micro_batches
            })
            .with_links(
                boundary_bytes,
                move |from, to| cluster.link(of_link.0[from], of_link.0[to]),
                sending,
            );
        if limited {
            let (for_need, of_need) = (micro_batches.clone(), named.clone());
            let (for_least, of_least) = (micro_batches, named.clone());
            let need = |place: usize, sizes: &Sizes, device, layers, boundaries| {
                self.need(&shape.kept[place], sizes, device, layers, boundaries)
            };
            problem = problem
                .with_need_on(move |place, device, layers| {
                    need(place, &for_need, of_need.0[device], layers, true)
                })
                .with_least_need(move |place, device, layers| {
                    need(place, &for_least, of_least.0[device], layers, false)
                });
        }
        if order.is_none() {
            problem = problem.in_free_order(candidate.num_stages);
        }
        (problem, named)
    }

    fn busy(&self, shape: &Shape, sizes: &Sizes) -> PlacesBusy {
        let mut different: Vec<Counts> = Vec::new();
        let places = shape.recomputed.iter().map(|recomputed| {
            let counts = sizes.counts(recomputed);
            let known = different.iter().position(|it| *it == counts);
            known.unwrap_or_else(|| {
                different.push(counts);
                different.len() - 1
            })
        });
        let counts = places.collect();
        let num_devices = self.tables.costs.cluster().num_devices();
        let like: Vec<usize> = (0..num_devices).map(|it| self.tables.like(it)).collect();
        let of = |device: usize| {
            let different = different.iter();
            let tables = different.map(|it| sizes.table(self.tables, it, device));
            match like[device] == device {
                true => tables.collect(),
                false => Vec::new(),
            }
        };
        PlacesBusy {
            devices: (0..num_devices).map(of).collect(),
            like,
            counts,
        }
    }

    /// What a place needs: exact for a stage of one chunk. Without boundaries, more layers never
    /// need less.
    fn need(
        &self,
        kept: &[Kept],
        sizes: &Sizes,
        device: usize,
        layers: Range<usize>,
        boundaries: bool,
    ) -> u64 {
        let one = |size: &Size| {
            let boundary = size.boundary_bytes[layers.start];
            let activations = self.tables.activation_bytes(size, device, layers.clone());
            match boundaries {
                true => (boundary, activations),
                false => (0, activations.saturating_sub(boundary)),
            }
        };
        let ones = [one(&sizes.small), one(&sizes.large)];
        let trained = self.tables.trained_bytes(std::slice::from_ref(&layers));
        let bytes = |moment: &Kept| {
            let sizes = moment.micro_batches.iter().zip(&ones);
            let bytes = sizes.map(|(number, one)| {
                let boundaries = one.0.saturating_mul(number.0);
                boundaries.saturating_add(one.1.saturating_mul(number.1))
            });
            let gradients = trained.saturating_mul(moment.gradients);
            bytes.fold(gradients, u64::saturating_add)
        };
        let kept = kept.iter().map(bytes).max().unwrap_or(0);
        let working = self
            .tables
            .working_bytes(&sizes.large, device, layers.clone());
        let parameters = self.tables.parameter_bytes(&[layers]);
        parameters.saturating_add(kept).saturating_add(working)
    }
}

/// How long places compute, on any device.
struct PlacesBusy {
    /// For each place, which of the tables of a device is its.
    counts: Vec<usize>,
    like: Vec<usize>,
    devices: Vec<Vec<Busy>>,
}

impl PlacesBusy {
    fn of(&self, place: usize, device: usize) -> &Busy {
        &self.devices[self.like[device]][self.counts[place]]
    }
}

/// What the devices of a problem are in the cluster.
#[derive(Clone)]
pub(super) struct Named(Vec<usize>);

impl Named {
    /// The cuts, and the devices of the stages, from those of the places.
    pub(super) fn cuts(&self, best: BestPartition, num_stages: usize) -> Cuts {
        let stages = best.devices.iter().take(num_stages);
        let devices = stages.map(|it| self.0[*it]).collect();
        (best.partition, devices)
    }
}
