use burn::tensor::Device;
use burn_pipeline_plan::{Partition, PartitionError, Plan};

use crate::PipelineError;

/// Where the cuts fall and which device each stage is on.
///
/// One stage per device, in order. A device may be named several times: several stages then share
/// it. With a schedule of several chunks per stage, the parts between cuts go round the devices:
/// part `p` is chunk `p / K` of stage `p % K` of `K`. Every layer is in exactly one part; a
/// placement that does not fit the model is an error of
/// [`PipelineConfig::init`](crate::PipelineConfig::init), which says both numbers.
///
/// A layer that [keeps parameters on devices of its
/// own](crate::Layer#parameters-on-other-devices) leaves them there: its stage then spans these devices
/// too, and the one that is named here is where boundaries arrive.
///
/// A stage trains in the autodiff context of its device as it is given here: a device with
/// `.gradient_checkpointing()` makes Burn recompute memory-bound operations inside that stage, any
/// other device keeps all activations.
///
/// ```
/// use burn::tensor::Device;
/// use burn_pipeline::Placement;
///
/// let devices = vec![Device::default(), Device::default()];
/// let even = Placement::even(&devices);
/// let by_hand = Placement::from_counts(&devices, &[3, 5]);
/// let the_same = Placement::from_cuts(&devices, &[3]);
/// ```
#[derive(Debug, Clone)]
pub struct Placement {
    devices: Vec<Device>,
    cuts: Cuts,
}

#[derive(Debug, Clone)]
enum Cuts {
    Even,
    Counts(Vec<usize>),
    Before(Vec<usize>),
}

impl Placement {
    /// As many layers in each part as in any other, and one more in the first ones where the number
    /// of layers does not divide.
    pub fn even(devices: &[Device]) -> Self {
        Self::new(devices, Cuts::Even)
    }

    /// A number of layers for each part: one per device, or one per chunk of each device.
    pub fn from_counts(devices: &[Device], num_layers: &[usize]) -> Self {
        Self::new(devices, Cuts::Counts(num_layers.to_vec()))
    }

    /// A new part before each of these layers, counted from 0.
    pub fn from_cuts(devices: &[Device], cuts: &[usize]) -> Self {
        Self::new(devices, Cuts::Before(cuts.to_vec()))
    }

    /// The cuts of a plan, with its stages on those of `devices` that it chose: they are the
    /// devices that it was made for, in the same order, and some may be left without a stage. See
    /// [`PipelineConfig::from_plan`](crate::PipelineConfig::from_plan).
    ///
    /// # Errors
    ///
    /// When the plan is for more devices than there are.
    pub fn of_plan(plan: &Plan, devices: &[Device]) -> Result<Self, PipelineError> {
        let stages = plan.devices().iter();
        let chosen: Option<Vec<_>> = stages.map(|it| devices.get(*it).cloned()).collect();
        let chosen = chosen.ok_or_else(|| {
            let last = plan.devices().iter().max().copied().unwrap_or_default();
            PipelineError::Configuration(format!(
                "the plan puts a stage on device {last}, so it is for at least {} devices, but {} \
                 are given: give as many as it was made for, or plan again",
                last.saturating_add(1),
                devices.len()
            ))
        })?;
        Ok(Self::from_counts(&chosen, &plan.partition().counts()))
    }

    fn new(devices: &[Device], cuts: Cuts) -> Self {
        Self {
            devices: devices.to_vec(),
            cuts,
        }
    }

    /// The device of each stage.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The stages of a model of `num_layers` layers, one part for each device.
    ///
    /// # Errors
    ///
    /// When there is no device, a part would be empty, or the layers named here are not the
    /// model's.
    pub fn partition(&self, num_layers: usize) -> Result<Partition, PartitionError> {
        self.parts(num_layers, 1)
    }

    /// The parts of such a model, for `num_chunks` chunks on each device.
    pub(crate) fn parts(
        &self,
        num_layers: usize,
        num_chunks: usize,
    ) -> Result<Partition, PartitionError> {
        match &self.cuts {
            Cuts::Even => {
                Partition::even(num_layers, self.devices.len().saturating_mul(num_chunks))
            }
            Cuts::Counts(counts) => Partition::from_counts(counts, num_layers),
            Cuts::Before(cuts) => Partition::from_cuts(cuts, num_layers),
        }
    }
}
