use std::ops::Range;

use super::{
    Partition, UnsolvableError,
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
type Need<'a> = Box<dyn Fn(usize, usize, Range<usize>) -> u64 + 'a>;
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
    pub(super) num_layers: usize,
    pub(super) names: Vec<String>,
    pub(super) weights: Vec<f64>,
    pub(super) devices: Vec<StageDevice>,
    pub(super) seconds: Option<Seconds<'a>>,
    least_seconds: Option<Seconds<'a>>,
    pub(super) bytes: Vec<u64>,
    need: Option<Need<'a>>,
    least_need: Option<Need<'a>>,
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
            least_seconds: None,
            bytes: Vec::new(),
            need: None,
            least_need: None,
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
    /// `seconds(stage, device, layers)`. It must be at least 0, must not fall when layers are added
    /// in front, and must be the same for devices of equal speed and memory.
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
    pub fn with_need(self, need: impl Fn(usize, Range<usize>) -> u64 + 'a) -> Self {
        self.with_need_on(move |stage, _device, layers| need(stage, layers))
    }

    /// As [`with_need`](Self::with_need), where the bytes depend on the device too:
    /// `need(stage, device, layers)`. They must be the same for devices of equal speed and memory.
    pub(crate) fn with_need_on(
        mut self,
        need: impl Fn(usize, usize, Range<usize>) -> u64 + 'a,
    ) -> Self {
        self.need = Some(Box::new(need));
        self
    }

    /// What neither the time of a stage of some layers nor that of one of more with them is below,
    /// in the same form: with it, stages that are too slow are ruled out at once.
    pub(crate) fn with_least_seconds(
        mut self,
        seconds: impl Fn(usize, usize, Range<usize>) -> f64 + 'a,
    ) -> Self {
        self.least_seconds = Some(Box::new(seconds));
        self
    }

    /// What neither the need of a stage of some layers nor that of one of more with them is below,
    /// `need(stage, device, layers)`: with it, stages that are too large are ruled out at once.
    pub(crate) fn with_least_need(
        mut self,
        need: impl Fn(usize, usize, Range<usize>) -> u64 + 'a,
    ) -> Self {
        self.least_need = Some(Box::new(need));
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

    pub(super) fn prepare(&self) -> Result<(Route, Pieces), UnsolvableError> {
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

    /// What no stage of these layers and more takes less than, as far as is known.
    pub(super) fn least_seconds(&self, stage: usize, device: usize, layers: Range<usize>) -> f64 {
        let seconds = self.least_seconds.as_ref();
        seconds.map_or(0.0, |seconds| seconds(stage, device, layers))
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

    pub(super) fn need(
        &self,
        stage: usize,
        device: usize,
        layers: Range<usize>,
        sums: &[u128],
    ) -> u64 {
        match &self.need {
            Some(need) => need(stage, device, layers),
            None if sums.len() < 2 => 0,
            None => (sums[layers.end] - sums[layers.start])
                .try_into()
                .unwrap_or(u64::MAX),
        }
    }

    /// What no need of these layers and more is below, as far as is known.
    pub(super) fn least_need(
        &self,
        stage: usize,
        device: usize,
        layers: Range<usize>,
        sums: &[u128],
    ) -> u64 {
        match (&self.least_need, &self.need) {
            (Some(least), _) => least(stage, device, layers),
            (None, Some(_)) => 0,
            (None, None) => self.need(stage, device, layers, sums),
        }
    }
}
