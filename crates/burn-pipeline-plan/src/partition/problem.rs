use std::ops::Range;

use super::{
    Partition, UnsolvableError,
    objectives::{Ratio, Time, sums, sums_of_bytes},
    optimal::{Best, Objective, solve},
    pins::{Pieces, Pins},
    route::Route,
};
use crate::Link;

/// A device that a stage may be on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageDevice {
    /// How fast it is: layers take their weight divided by it.
    pub speed: f64,
    /// The bytes that it can hold; none means no limit.
    pub memory_bytes: Option<u64>,
}

impl Default for StageDevice {
    /// A device of speed 1 without a limit.
    fn default() -> Self {
        Self {
            speed: 1.0,
            memory_bytes: None,
        }
    }
}

/// How the time to move the signal at a cut counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sending {
    /// It travels while stages compute, both ways at once: a cut is a bottleneck of its own, as a
    /// stage is, and takes as long as the slower way.
    #[default]
    Overlapped,
    /// The stage that begins at the cut waits for the signal to come and for its gradient to be
    /// handed over: both are part of the stage's time.
    Waited,
}

type Seconds<'a> = Box<dyn Fn(usize, usize, Range<usize>) -> f64 + 'a>;
type Need<'a> = Box<dyn Fn(usize, Range<usize>) -> u64 + 'a>;
type Links<'a> = Box<dyn Fn(usize, usize) -> Link + 'a>;

/// Layers to be divided among devices so that the slowest stage is as fast as can be.
///
/// Weights are anything that adds up: seconds, or bytes of parameters or of memory for stages that
/// are balanced by those. Every device is given at least one layer.
///
/// ```
/// use burn_pipeline_plan::{PartitionProblem, StageDevice};
///
/// let twice_as_fast = StageDevice { speed: 2.0, ..StageDevice::default() };
/// let devices = vec![StageDevice::default(), twice_as_fast];
/// let best = PartitionProblem::new(vec![1.0, 2.0, 3.0, 2.0, 1.0], devices).solve()?;
/// assert_eq!(best.partition.to_string(), "0..2 | 2..5");
/// assert_eq!((best.bottleneck, best.slowest_stage()), (3.0, 0));
/// # Ok::<(), burn_pipeline_plan::UnsolvableError>(())
/// ```
pub struct PartitionProblem<'a> {
    num_layers: usize,
    names: Vec<String>,
    weights: Vec<f64>,
    pub(super) devices: Vec<StageDevice>,
    pub(super) seconds: Option<Seconds<'a>>,
    bytes: Vec<u64>,
    need: Option<Need<'a>>,
    boundary_bytes: Vec<u64>,
    links: Option<Links<'a>>,
    pub(super) sending: Sending,
    free: Option<usize>,
    pins: Pins,
}

/// Where the best cuts fall.
#[derive(Clone, Debug, PartialEq)]
pub struct BestPartition {
    /// The layers of each stage.
    pub partition: Partition,
    /// The device of each stage.
    pub devices: Vec<usize>,
    /// The least that the slowest stage can take, or the slowest cut where that takes longer.
    pub bottleneck: f64,
    /// What each stage takes, with the cut before it where that is waited for.
    pub stages: Vec<f64>,
    /// What moving the signal at each cut takes.
    pub cuts: Vec<f64>,
}

impl BestPartition {
    /// The stage that takes longest, the first of several. A cut may take longer still: then the
    /// bottleneck is above it.
    pub fn slowest_stage(&self) -> usize {
        let longest = self.stages.iter().copied().fold(f64::MIN, f64::max);
        let slowest = self.stages.iter().position(|it| *it == longest);
        slowest.expect("a partition has stages")
    }
}

impl<'a> PartitionProblem<'a> {
    /// Layers of these weights on all of these devices, stage after stage in their order.
    pub fn new(weights: Vec<f64>, devices: Vec<StageDevice>) -> Self {
        Self {
            num_layers: weights.len(),
            names: Vec::new(),
            weights,
            devices,
            seconds: None,
            bytes: Vec::new(),
            need: None,
            boundary_bytes: Vec::new(),
            links: None,
            sending: Sending::default(),
            free: None,
            pins: Pins::default(),
        }
    }

    /// What layers are called in errors, one name for each.
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// What a stage of some layers takes on a device, where that is more than a sum of weights:
    /// `seconds(stage, device, layers)`. It must be at least 0, must not fall when layers are added,
    /// and must be the same for devices of equal speed and memory.
    pub fn with_seconds(
        mut self,
        seconds: impl Fn(usize, usize, Range<usize>) -> f64 + 'a,
    ) -> Self {
        self.seconds = Some(Box::new(seconds));
        self
    }

    /// The bytes that each layer takes on its device.
    pub fn with_bytes(mut self, bytes: Vec<u64>) -> Self {
        self.bytes = bytes;
        self
    }

    /// The bytes that a stage of some layers takes, `need(stage, layers)`, where they depend on the
    /// stage's place in the schedule: the first stage of 1F1B keeps more micro-batches than the
    /// last. It stands in place of [`with_bytes`](Self::with_bytes).
    pub fn with_need(mut self, need: impl Fn(usize, Range<usize>) -> u64 + 'a) -> Self {
        self.need = Some(Box::new(need));
        self
    }

    /// The bytes of the signal that each layer receives from the one before, those of layer 0
    /// among them, and what connects one device to another.
    pub fn with_links(
        mut self,
        boundary_bytes: Vec<u64>,
        links: impl Fn(usize, usize) -> Link + 'a,
        sending: Sending,
    ) -> Self {
        self.boundary_bytes = boundary_bytes;
        self.links = Some(Box::new(links));
        self.sending = sending;
        self
    }

    /// Any `num_stages` of the devices, in whatever order is best.
    ///
    /// Devices of equal speed, memory and links need not be told apart: with few kinds of devices
    /// it is fast. It is exponential in the number of devices that all differ, and refused where
    /// that is too many: about a dozen for 100 layers.
    pub fn in_free_order(mut self, num_stages: usize) -> Self {
        self.free = Some(num_stages);
        self
    }

    /// Layers that end up on one stage.
    pub fn together(mut self, layers: Range<usize>) -> Self {
        self.pins.together(layers);
        self
    }

    /// A layer that a stage begins with.
    pub fn cut_before(mut self, layer: usize) -> Self {
        self.pins.cut_before(layer);
        self
    }

    /// The partition whose slowest stage or cut is as fast as any partition's.
    ///
    /// # Errors
    ///
    /// When a number is none that it can be, pins disagree, or the layers do not fit into the
    /// memory: then for the stage that is short in the partition that comes closest, the one with
    /// the least ratio of need and limit.
    ///
    /// # Complexity
    ///
    /// `O(K n^2)` for `n` layers on `K` devices in a given order. In a free order, with `c_k` devices
    /// of each of `G` kinds, `O(G^2 (c_1 + 1) ... (c_G + 1) n^2)`.
    pub fn solve(&self) -> Result<BestPartition, UnsolvableError> {
        let (route, pieces) = self.prepare()?;
        let time = Time {
            problem: self,
            sums: sums(&self.weights),
            bytes: sums_of_bytes(&self.bytes),
        };
        match solve(&route, &pieces, &time) {
            Some(best) => Ok(self.described(&route, &best, &time)),
            None => Err(self.shortest_of_memory(&route, &pieces, &time)),
        }
    }

    /// The partition that comes closest to the memory limits, or stays furthest below them: the
    /// greatest ratio of need and limit is as small as any partition's. The ratios are the values
    /// of its stages; devices without a limit count as 0.
    ///
    /// # Errors
    ///
    /// As [`solve`](Self::solve), but for memory.
    pub fn solve_for_memory(&self) -> Result<BestPartition, UnsolvableError> {
        let (route, pieces) = self.prepare()?;
        let ratio = Ratio {
            problem: self,
            bytes: sums_of_bytes(&self.bytes),
        };
        let best = solve(&route, &pieces, &ratio).expect("without limits, something fits");
        Ok(self.described(&route, &best, &ratio))
    }

    fn prepare(&self) -> Result<(Route, Pieces), UnsolvableError> {
        let (num_layers, num_devices) = (self.num_layers, self.devices.len());
        let num_stages = self.free.unwrap_or(num_devices);
        if num_layers == 0 || num_devices == 0 {
            return Err(UnsolvableError::Nothing {
                num_layers,
                num_devices,
            });
        }
        if num_stages == 0 || num_stages > num_devices {
            return Err(UnsolvableError::NoSuchStages {
                num_stages,
                num_devices,
            });
        }
        let lists = [
            ("names", self.names.len()),
            ("numbers of bytes", self.bytes.len()),
            ("numbers of boundary bytes", self.boundary_bytes.len()),
        ];
        let wrong = lists.iter().find(|it| it.1 != 0 && it.1 != num_layers);
        if let Some(&(what, found)) = wrong {
            return Err(UnsolvableError::Layers {
                what,
                found,
                num_layers,
            });
        }
        let wrong = |it: &f64| !it.is_finite() || *it < 0.0;
        if let Some(layer) = self.weights.iter().position(wrong) {
            let weight = self.weights[layer];
            return Err(UnsolvableError::Weight { layer, weight });
        }
        let wrong = |it: &StageDevice| !it.speed.is_finite() || it.speed <= 0.0;
        if let Some(device) = self.devices.iter().position(wrong) {
            let speed = self.devices[device].speed;
            return Err(UnsolvableError::Speed { device, speed });
        }
        let pieces = self.pins.pieces(num_layers, num_stages)?;
        let route = match self.free {
            None => Route::given(num_devices),
            Some(_) => Route::free(
                &self.devices,
                |a, b| self.are_alike(a, b),
                num_stages,
                pieces.len(),
            )?,
        };
        Ok((route, pieces))
    }

    /// Whether two devices can be exchanged in any order without a change of cost.
    fn are_alike(&self, a: usize, b: usize) -> bool {
        if self.devices[a] != self.devices[b] {
            return false;
        }
        let Some(link) = &self.links else {
            return true;
        };
        let mut others = (0..self.devices.len()).filter(|it| *it != a && *it != b);
        link(a, b) == link(b, a)
            && others.all(|it| link(a, it) == link(b, it) && link(it, a) == link(it, b))
    }

    pub(super) fn seconds_at_cut(&self, from: usize, to: usize, layer: usize) -> f64 {
        let Some(link) = &self.links else {
            return 0.0;
        };
        let bytes = self.boundary_bytes.get(layer).copied().unwrap_or(0);
        // The signal goes one way, and a gradient of the same size comes back.
        let (there, back) = (link(from, to).seconds(bytes), link(to, from).seconds(bytes));
        match self.sending {
            Sending::Overlapped => there.max(back),
            Sending::Waited => there + back,
        }
    }

    pub(super) fn need(&self, stage: usize, layers: Range<usize>, sums: &[u128]) -> u64 {
        match &self.need {
            Some(need) => need(stage, layers),
            None if sums.len() < 2 => 0,
            None => (sums[layers.end] - sums[layers.start])
                .try_into()
                .unwrap_or(u64::MAX),
        }
    }

    fn described(&self, route: &Route, best: &Best, objective: &impl Objective) -> BestPartition {
        let kinds: Vec<usize> = best.stages.iter().map(|it| it.0).collect();
        let devices = route.devices(&kinds);
        let counts: Vec<usize> = best.stages.iter().map(|it| it.1.len()).collect();
        let partition = Partition::from_counts(&counts, self.num_layers)
            .expect("a path divides all layers among stages that have some");
        let value = |stage: usize| {
            let layers = partition.stage(stage);
            let first = layers.start;
            let value = objective.stage(stage, devices[stage], layers);
            match (self.sending, stage) {
                (Sending::Waited, 1..) => {
                    objective.with_cut(value, devices[stage - 1], devices[stage], first)
                }
                _ => value,
            }
        };
        let cut = |stage: usize| {
            let first = partition.stage(stage).start;
            self.seconds_at_cut(devices[stage - 1], devices[stage], first)
        };
        BestPartition {
            bottleneck: best.bottleneck,
            stages: (0..devices.len()).map(value).collect(),
            cuts: (1..devices.len()).map(cut).collect(),
            partition,
            devices,
        }
    }

    /// The stage that is short of memory where the limits are missed by the least.
    fn shortest_of_memory(&self, route: &Route, pieces: &Pieces, time: &Time) -> UnsolvableError {
        let ratio = Ratio {
            problem: self,
            bytes: time.bytes.clone(),
        };
        let best = solve(route, pieces, &ratio).expect("without limits, something fits");
        let best = self.described(route, &best, &ratio);
        let stage = best.slowest_stage();
        let device = best.devices[stage];
        let limit = self.devices[device].memory_bytes.unwrap_or(u64::MAX);
        let need = |layers: Range<usize>| self.need(stage, layers, &ratio.bytes);
        // A layer that is too large on its own says more than the stage that it is in.
        let mut alone = best.partition.stage(stage).map(|it| it..it + 1);
        let too_large = alone.find(|it| need(it.clone()) > limit);
        let layers = too_large.unwrap_or_else(|| best.partition.stage(stage));
        let names = (!self.names.is_empty()).then(|| {
            let (first, last) = (layers.start, layers.end - 1);
            (self.names[first].clone(), self.names[last].clone())
        });
        UnsolvableError::Memory {
            need: need(layers.clone()),
            limit,
            layers,
            names,
            stage,
            device,
        }
    }
}
