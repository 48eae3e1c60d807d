//! The solver against every partition and every order of devices of small problems.

use proptest::prelude::*;

use super::*;
use crate::Link;

/// A small problem in numbers that add up without rounding.
#[derive(Clone, Debug)]
struct Case {
    weights: Vec<u32>,
    bytes: Vec<u64>,
    boundary_bytes: Vec<u64>,
    /// Speed and memory.
    devices: Vec<(u32, Option<u64>)>,
    /// The bandwidth between two devices is 1 where their parities agree.
    slow: u64,
    sending: Sending,
    /// More is kept on earlier stages, as under 1F1B.
    in_flight: bool,
    free: Option<usize>,
    together: Option<(usize, usize)>,
    cut_before: Option<usize>,
}

impl Case {
    fn num_stages(&self) -> usize {
        self.free.unwrap_or(self.devices.len())
    }

    fn need(&self, stage: usize, layers: std::ops::Range<usize>) -> u64 {
        let factor = match self.in_flight {
            true => (self.num_stages() - stage) as u64,
            false => 1,
        };
        self.bytes[layers].iter().sum::<u64>() * factor
    }

    fn link(&self, from: usize, to: usize) -> Link {
        let near = from % 2 == to % 2;
        Link {
            latency: 1.0,
            bandwidth: if near { 1.0 } else { 1.0 / self.slow as f64 },
        }
    }

    fn solve(&self) -> Result<BestPartition, UnsolvableError> {
        self.with_problem(|it| it.solve())
    }

    fn with_problem<T>(&self, then: impl FnOnce(&PartitionProblem) -> T) -> T {
        let weights = self.weights.iter().map(|it| f64::from(*it)).collect();
        let devices = self
            .devices
            .iter()
            .map(|&(speed, memory_bytes)| StageDevice {
                speed: f64::from(speed),
                memory_bytes,
            });
        let mut problem = PartitionProblem::new(weights, devices.collect())
            .with_need(|stage, layers| self.need(stage, layers))
            .with_links(
                self.boundary_bytes.clone(),
                |from, to| self.link(from, to),
                self.sending,
            )
            .with_least_seconds(|_, device, layers| {
                let weight: u32 = self.weights[layers].iter().sum();
                f64::from(weight) / f64::from(self.devices[device].0)
            })
            .with_least_need(|stage, _device, layers| self.need(stage, layers));
        if let Some(num_stages) = self.free {
            problem = problem.in_free_order(num_stages);
        }
        if let Some((start, len)) = self.together {
            problem = problem.together(start..start + len);
        }
        if let Some(layer) = self.cut_before {
            problem = problem.cut_before(layer);
        }
        then(&problem)
    }

    /// Whether a partition minds the pins.
    fn allows(&self, partition: &Partition) -> bool {
        let starts: Vec<usize> = partition.stages().map(|it| it.start).collect();
        let parted = |&(start, len): &(usize, usize)| {
            starts.iter().any(|it| start < *it && *it < start + len)
        };
        let is_cut = self.cut_before.is_none_or(|it| starts.contains(&it));
        is_cut && !self.together.as_ref().is_some_and(parted)
    }

    /// The bottleneck of a partition on devices, if it is allowed.
    fn value(&self, partition: &Partition, devices: &[usize]) -> Option<f64> {
        if !self.allows(partition) {
            return None;
        }
        let mut bottleneck = 0f64;
        for (stage, layers) in partition.stages().enumerate() {
            let (speed, limit) = self.devices[devices[stage]];
            if limit.is_some_and(|limit| self.need(stage, layers.clone()) > limit) {
                return None;
            }
            let weight: u32 = self.weights[layers.clone()].iter().sum();
            let mut value = f64::from(weight) / f64::from(speed);
            if stage > 0 {
                let way = |from: usize, to: usize| {
                    let bytes = self.boundary_bytes[layers.start];
                    self.link(devices[from], devices[to]).seconds(bytes)
                };
                let ways = (way(stage - 1, stage), way(stage, stage - 1));
                value = match self.sending {
                    Sending::Overlapped => value.max(ways.0).max(ways.1),
                    Sending::Waited => value + ways.0 + ways.1,
                };
            }
            bottleneck = bottleneck.max(value);
        }
        Some(bottleneck)
    }

    /// The greatest ratio of need and limit of a partition on devices, if pins allow it.
    fn ratio(&self, partition: &Partition, devices: &[usize]) -> Option<f64> {
        let stages = partition.stages().enumerate().map(|(stage, layers)| {
            let limit = self.devices[devices[stage]].1;
            limit.map_or(0.0, |limit| self.need(stage, layers) as f64 / limit as f64)
        });
        self.allows(partition).then(|| stages.fold(0.0, f64::max))
    }

    fn brute_force(&self) -> Option<f64> {
        self.least(Self::value)
    }

    /// The least of any partition in any order.
    fn least(&self, of: impl Fn(&Self, &Partition, &[usize]) -> Option<f64>) -> Option<f64> {
        let num_stages = self.num_stages();
        let orders = match self.free {
            None => vec![(0..num_stages).collect()],
            Some(_) => orders(self.devices.len(), num_stages),
        };
        let mut best: Option<f64> = None;
        for partition in partitions(self.weights.len(), num_stages) {
            let values = orders.iter().filter_map(|it| of(self, &partition, it));
            best = values.chain(best).reduce(f64::min);
        }
        best
    }
}

/// Every way to choose `len` of `num` numbers in a row, in every order.
fn orders(num: usize, len: usize) -> Vec<Vec<usize>> {
    (0..len).fold(vec![Vec::new()], |orders, _| {
        let longer = orders.iter().flat_map(|order| {
            let next = (0..num).filter(|it| !order.contains(it));
            next.map(|it| [order.as_slice(), &[it]].concat())
        });
        longer.collect()
    })
}

/// Every partition of `num_layers` into `num_stages`.
fn partitions(num_layers: usize, num_stages: usize) -> Vec<Partition> {
    let all = 0..1usize << (num_layers - 1);
    let chosen = all.filter(|it| it.count_ones() as usize + 1 == num_stages);
    let partition = |mask: usize| {
        let cuts: Vec<usize> = (1..num_layers)
            .filter(|it| mask >> (it - 1) & 1 == 1)
            .collect();
        Partition::from_cuts(&cuts, num_layers).unwrap()
    };
    chosen.map(partition).collect()
}

fn cases(free: bool, links: bool, memory: bool, pins: bool) -> impl Strategy<Value = Case> {
    let numbers = (1..8usize).prop_flat_map(|n| (Just(n), 1..=n.min(4)));
    let case = move |(num_layers, num_stages): (usize, usize)| {
        let num_devices = if free {
            num_stages..=4
        } else {
            num_stages..=num_stages
        };
        let list = move |most: u32| prop::collection::vec(0..most, num_layers);
        let memory_bytes = match memory {
            true => prop::option::weighted(0.8, 5..60u64).boxed(),
            false => Just(None).boxed(),
        };
        let speeds = prop_oneof![Just(1u32), Just(2), Just(4)];
        let devices = prop::collection::vec((speeds, memory_bytes), num_devices);
        let cut = match pins && num_layers > 1 {
            true => prop::option::of(1..num_layers).boxed(),
            false => Just(None).boxed(),
        };
        let together = match pins {
            true => {
                let range = (0..num_layers)
                    .prop_flat_map(move |start| (Just(start), 1..=num_layers - start));
                prop::option::of(range).boxed()
            }
            false => Just(None).boxed(),
        };
        let rest = (1..5u64, any::<bool>(), any::<bool>(), together, cut);
        (
            list(20),
            list(10),
            list(if links { 12 } else { 1 }),
            devices,
            rest,
        )
            .prop_map(
                move |(
                    weights,
                    bytes,
                    boundary,
                    devices,
                    (slow, waited, in_flight, together, cut),
                )| {
                    let wide = |list: Vec<u32>| list.into_iter().map(u64::from).collect();
                    Case {
                        weights,
                        bytes: wide(bytes),
                        boundary_bytes: wide(boundary),
                        devices,
                        slow,
                        sending: if waited {
                            Sending::Waited
                        } else {
                            Sending::Overlapped
                        },
                        in_flight,
                        free: free.then_some(num_stages),
                        together,
                        cut_before: cut,
                    }
                },
            )
    };
    numbers.prop_flat_map(case)
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let best = case.solve();
    match (case.brute_force(), &best) {
        (Some(expected), Ok(best)) => {
            prop_assert_eq!(best.bottleneck, expected);
            prop_assert_eq!(case.value(&best.partition, &best.devices), Some(expected));
            let slowest = best.stages[best.slowest_stage()];
            let cuts = best
                .cuts
                .iter()
                .copied()
                .filter(|_| case.sending == Sending::Overlapped);
            prop_assert_eq!(cuts.fold(slowest, f64::max), expected);
        }
        (
            None,
            Err(UnsolvableError::Memory {
                need,
                limit,
                layers,
                stage,
                device,
                ..
            }),
        ) => {
            prop_assert!(need > limit);
            prop_assert_eq!(*need, case.need(*stage, layers.clone()));
            prop_assert_eq!(Some(*limit), case.devices[*device].1);
            let (ratio, least) = (*need as f64 / *limit as f64, case.least(Case::ratio));
            // One layer may stand for its stage where it is too large alone.
            match layers.len() {
                1 => prop_assert!(Some(ratio) <= least),
                _ => prop_assert_eq!(Some(ratio), least),
            }
        }
        (None, Err(_)) => prop_assert!(case.together.is_some() || case.cut_before.is_some()),
        (expected, found) => prop_assert!(false, "{expected:?} but {found:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn unequal_devices_in_order_have_the_least_bottleneck(case in cases(false, false, false, false)) {
        check(&case)?;
    }

    #[test]
    fn links_count_as_in_every_partition(case in cases(false, true, false, false)) {
        check(&case)?;
    }

    #[test]
    fn memory_limits_hold_and_are_missed_only_where_they_must(case in cases(false, true, true, false)) {
        check(&case)?;
    }

    #[test]
    fn pins_hold(case in cases(false, true, true, true)) {
        check(&case)?;
    }

    #[test]
    fn a_free_order_is_the_best_of_all_orders(case in cases(true, false, true, false)) {
        check(&case)?;
    }

    #[test]
    fn a_free_order_minds_links_memory_and_pins(case in cases(true, true, true, true)) {
        check(&case)?;
    }

    #[test]
    fn below_a_time_the_partition_is_the_same_or_none(
        case in cases(true, true, true, true),
        most in 1..30u32,
    ) {
        let most = f64::from(most);
        let below = case.with_problem(|it| it.solve_below(most));
        match case.solve() {
            Err(UnsolvableError::Memory { .. }) => prop_assert_eq!(below, Ok(None)),
            Err(error) => prop_assert_eq!(below, Err(error)),
            Ok(best) => {
                let seconds = |stage: usize| {
                    let layers = best.partition.stage(stage);
                    let weight: u32 = case.weights[layers].iter().sum();
                    f64::from(weight) / f64::from(case.devices[best.devices[stage]].0)
                };
                let stages = 0..best.devices.len();
                match below.unwrap() {
                    Some(below) => prop_assert_eq!(below, best),
                    None => prop_assert!(stages.map(seconds).any(|it| it > most)),
                }
            }
        }
    }

    #[test]
    fn the_partition_for_memory_has_the_least_ratio_to_the_limits(
        case in prop_oneof![cases(false, true, true, false), cases(true, true, true, true)]
    ) {
        match (case.with_problem(|it| it.solve_for_memory()), case.least(Case::ratio)) {
            (Ok(best), least) => {
                prop_assert_eq!(Some(best.bottleneck), least);
                prop_assert_eq!(case.ratio(&best.partition, &best.devices), least);
                let greatest = best.stages[best.slowest_stage()];
                prop_assert_eq!(Some(greatest), least);
            }
            (Err(_), least) => prop_assert_eq!(least, None),
        }
    }
}
