//! The cuts of a candidate against every partition and every placement, counted without the
//! planner's tables: layer by layer, instruction by instruction.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::{
    BytesSource, Cluster, DeviceSpec, Host, LayerProfile, Link, Measurement, Op, Partition,
    Profile, Rematerialization, Schedule, ScheduleKind, rematerialize,
};

const MIB: u64 = 1 << 20;
const OPTIMIZER_BYTES: u64 = 2;

/// A small model on a few devices, and one way to run it with one chunk per stage.
#[derive(Clone, Debug)]
struct Case {
    profile: Profile,
    cluster: Cluster,
    num_stages: usize,
    num_micro_batches: usize,
    batch_size: usize,
    kind: ScheduleKind,
    rematerialization: Rematerialization,
}

impl Case {
    fn plan(&self) -> Result<Plan, PlanError> {
        let mut planner = Planner::new(&self.profile, &self.cluster)
            .with_num_stages([self.num_stages])
            .with_num_micro_batches([self.num_micro_batches])
            .with_schedules(std::slice::from_ref(&self.kind))
            .with_rematerializations(&[self.rematerialization])
            .with_optimizer_bytes(OPTIMIZER_BYTES as f64);
        planner.refines = false;
        planner.plan(self.batch_size)
    }

    fn samples(&self, micro_batch: usize) -> u64 {
        let start = |it: usize| self.batch_size * it / self.num_micro_batches;
        (start(micro_batch + 1) - start(micro_batch)) as u64
    }

    fn schedule(&self) -> Schedule {
        let schedule = self.kind.schedule(self.num_stages, self.num_micro_batches);
        rematerialize(schedule.unwrap(), self.rematerialization)
    }

    /// All measurements are of one sample: everything is in proportion to the samples.
    fn layers(&self, layers: Range<usize>) -> impl Iterator<Item = &Measurement> {
        self.profile.layers[layers]
            .iter()
            .map(|it| &it.measurements[0])
    }

    fn boundary_bytes(&self, layer: usize) -> u64 {
        match layer {
            0 => self.profile.input_bytes_per_sample as u64,
            _ => self.layers(layer - 1..layer).next().unwrap().output_bytes,
        }
    }

    /// What a stage takes per micro-batch, in the mean.
    fn seconds(&self, stage: usize, device: usize, layers: Range<usize>) -> f64 {
        let factor = self.cluster.device(0).flops / self.cluster.device(device).flops;
        let schedule = self.schedule();
        let is_recomputed = |micro_batch: usize| {
            let mut stage = schedule.stage(stage).iter();
            stage.any(|it| it.op() == Op::Recompute && it.micro_batch() == micro_batch)
        };
        let seconds = (0..self.num_micro_batches).map(|micro_batch| {
            let times = self.layers(layers.clone()).map(|it| {
                let forward = match is_recomputed(micro_batch) {
                    true => it.forward,
                    false => 0.0,
                };
                forward + it.recorded_forward + it.backward
            });
            let sent = self.layers(layers.end - 1..layers.end).next().unwrap();
            let pull_back = match layers.end == self.profile.num_layers() {
                true => 0.0,
                false => sent.pull_back,
            };
            self.samples(micro_batch) as f64 * (times.sum::<f64>() + pull_back)
        });
        factor * seconds.sum::<f64>() / self.num_micro_batches as f64
    }

    /// The bottleneck of cuts and devices where links are overlapped, and where they are waited for.
    fn bottlenecks(&self, partition: &Partition, devices: &[usize]) -> [f64; 2] {
        let most = (0..self.num_micro_batches).map(|it| self.samples(it)).max();
        let mut bottlenecks = [0f64; 2];
        for (stage, layers) in partition.stages().enumerate() {
            let device = devices[stage];
            let seconds = self.seconds(stage, device, layers.clone());
            let way = |from: usize, to: usize| {
                let bytes = most.unwrap() * self.boundary_bytes(layers.start);
                self.cluster.link(from, to).seconds(bytes)
            };
            let (there, back) = match stage {
                0 => (0.0, 0.0),
                _ => (
                    way(devices[stage - 1], device),
                    way(device, devices[stage - 1]),
                ),
            };
            bottlenecks[0] = bottlenecks[0].max(seconds).max(there).max(back);
            bottlenecks[1] = bottlenecks[1].max(seconds + there + back);
        }
        bottlenecks
    }

    /// What a stage needs at its worst moment.
    fn need(&self, stage: usize, layers: Range<usize>) -> u64 {
        let parameters = self.profile.layers[layers.clone()].iter();
        let parameters: u64 = parameters.map(|it| it.parameter_bytes).sum();
        let boundary = self.boundary_bytes(layers.start);
        let activations = self.layers(layers.clone()).map(|it| it.activation_bytes);
        let activations: u64 = activations.sum();
        let mut kept = vec![0; self.num_micro_batches];
        let (mut has_gradients, mut most_kept) = (false, 0);
        let schedule = self.schedule();
        let stage = schedule.stage(stage);
        for it in stage {
            let micro_batch = it.micro_batch();
            let later = |other: &&crate::Instruction| {
                other.op() == Op::Recompute && other.micro_batch() == micro_batch
            };
            let mut gradients = u64::from(has_gradients);
            kept[micro_batch] = match it.op() {
                Op::Forward if stage.iter().any(|it| later(&it)) => boundary,
                Op::Forward | Op::Recompute => boundary + activations,
                Op::Backward => {
                    gradients += 1;
                    has_gradients = true;
                    0
                }
            };
            let bytes = kept.iter().enumerate();
            let bytes: u64 = bytes.map(|(index, it)| self.samples(index) * it).sum();
            most_kept = most_kept.max(bytes + gradients * parameters);
        }
        let most = (0..self.num_micro_batches).map(|it| self.samples(it)).max();
        let working = self.layers(layers);
        let working = working.map(|it| it.activation_bytes + it.output_bytes);
        let working = most.unwrap() * working.max().unwrap();
        (1 + OPTIMIZER_BYTES) * parameters + most_kept + working
    }

    fn fits(&self, partition: &Partition, devices: &[usize]) -> bool {
        let mut stages = partition.stages().enumerate();
        stages.all(|(stage, layers)| {
            let limit = self.cluster.device(devices[stage]).memory_bytes;
            limit.is_none_or(|limit| self.need(stage, layers) <= limit)
        })
    }

    /// Every partition on every placement.
    fn all(&self) -> Vec<(Partition, Vec<usize>)> {
        let (num_layers, num_devices) = (self.profile.num_layers(), self.cluster.num_devices());
        let masks = (0..1usize << (num_layers - 1))
            .filter(|it| it.count_ones() as usize + 1 == self.num_stages);
        let partitions = masks.map(|mask| {
            let cuts: Vec<usize> = (1..num_layers)
                .filter(|it| mask >> (it - 1) & 1 == 1)
                .collect();
            Partition::from_cuts(&cuts, num_layers).unwrap()
        });
        let placements = (0..num_devices.pow(self.num_stages as u32)).filter_map(|number| {
            let digit = |stage: usize| number / num_devices.pow(stage as u32) % num_devices;
            let devices: Vec<usize> = (0..self.num_stages).map(digit).collect();
            let twice = (1..devices.len()).any(|it| devices[..it].contains(&devices[it]));
            (!twice).then_some(devices)
        });
        let placements: Vec<Vec<usize>> = placements.collect();
        let on = |partition: Partition| {
            let placements = placements.iter().cloned();
            let pairs = placements.map(move |devices| (partition.clone(), devices));
            pairs.collect::<Vec<_>>()
        };
        partitions.flat_map(on).collect()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let layer = (1..9u64, 0..9u64, 0..9u64, 0..5u64, 0..4u64);
    let device = (1..3u32, prop::option::weighted(0.7, 10..150u64));
    let link = prop_oneof![Just(0.0), Just(1e-3), Just(8e-3)];
    let how = (1..4usize, 1..7usize, 1..9usize, any::<bool>(), 0..3usize);
    let layers = prop::collection::vec(layer, 1..6);
    let devices = prop::collection::vec(device, 1..4);
    (layers, devices, link, how).prop_map(|(layers, devices, latency, how)| {
        let layer = |(index, it): (usize, &(u64, u64, u64, u64, u64))| LayerProfile {
            name: format!("blocks.{index}"),
            parameter_bytes: it.3 * MIB,
            measurements: vec![Measurement {
                num_samples: 1,
                forward: 1e-3 * it.0 as f64,
                recorded_forward: 1.25e-3 * it.0 as f64,
                backward: 2e-3 * it.0 as f64,
                pull_back: 1e-3 * it.4 as f64,
                activation_bytes: it.1 * MIB,
                output_bytes: it.2 * MIB / 4,
                working_bytes: None,
            }],
        };
        let device = |it: &(u32, Option<u64>)| DeviceSpec {
            name: "toy".to_string(),
            flops: 1e9 * f64::from(it.0),
            memory_bytes: it.1.map(|it| it * MIB),
        };
        let bandwidth = if latency == 0.0 { f64::INFINITY } else { 1e9 };
        let link = Link { latency, bandwidth };
        let hosts = vec![Host {
            devices: devices.iter().map(device).collect(),
            link,
        }];
        let (num_stages, num_micro_batches, batch_size, is_gpipe, mode) = how;
        let modes = [
            Rematerialization::Never,
            Rematerialization::ExceptLast,
            Rematerialization::Always,
        ];
        Case {
            num_stages: num_stages.min(layers.len()).min(devices.len()),
            num_micro_batches: num_micro_batches.min(batch_size),
            batch_size,
            kind: match is_gpipe {
                true => ScheduleKind::GPipe,
                false => ScheduleKind::OneForwardOneBackward,
            },
            rematerialization: modes[mode],
            cluster: Cluster::new(hosts, link).unwrap(),
            profile: Profile {
                device: "toy".to_string(),
                input_bytes_per_sample: 4096.0,
                bytes_source: BytesSource::Given,
                layers: layers.iter().enumerate().map(layer).collect(),
                shared_parameters: Vec::new(),
                loss: Vec::new(),
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_candidate_has_the_least_bottleneck_of_what_fits(case in cases()) {
        let all = case.all();
        let fitting: Vec<_> = all.iter().filter(|it| case.fits(&it.0, &it.1)).collect();
        let plan = match case.plan() {
            Ok(plan) => plan,
            Err(PlanError::Memory { .. }) => {
                prop_assert!(fitting.is_empty(), "{:?} fits", fitting[0]);
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let (partition, devices) = (plan.partition(), plan.devices());
        prop_assert!(case.fits(partition, devices), "{plan}");
        for (stage, layers) in partition.stages().enumerate() {
            prop_assert_eq!(plan.memory()[stage].bytes(), case.need(stage, layers));
        }
        let found = case.bottlenecks(partition, devices);
        let is_least = (0..2).any(|way| {
            let all = fitting.iter().map(|it| case.bottlenecks(&it.0, &it.1)[way]);
            found[way] <= all.fold(f64::INFINITY, f64::min) * (1.0 + 1e-9)
        });
        prop_assert!(is_least, "{plan}");
    }
}
