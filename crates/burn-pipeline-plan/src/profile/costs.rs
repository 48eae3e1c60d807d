use std::ops::Range;

use thiserror::Error;

use super::{Measurement, Profile, ProfileError};
use crate::{Cluster, Cost, Costs, Instruction, Op, Partition, Schedule};

/// Why costs cannot be taken from a profile, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ProfileCostsError {
    /// The profile makes no sense.
    #[error(transparent)]
    Profile(#[from] ProfileError),

    /// Nothing says how fast the devices are beside the one that was profiled.
    #[error(
        "the profile is of `{profiled}`, and the devices differ: name one of them `{profiled}`, or \
         give the floating point operations per second that the profile is of"
    )]
    UnknownDevice { profiled: String },

    /// A speed is none.
    #[error(
        "the profile is of {flops} floating point operations per second: give a positive number"
    )]
    Flops { flops: f64 },

    /// The partition is of another model.
    #[error(
        "the partition is of {found} layers, but the profile of {num_layers}: take both from one \
         model"
    )]
    Layers { found: usize, num_layers: usize },

    /// The schedule is of other numbers.
    #[error("there are {found} {what}, but the schedule has {expected}: give as many as it has")]
    Schedule {
        what: &'static str,
        found: usize,
        expected: usize,
    },

    /// A device is not in the cluster.
    #[error("a stage is on device {device}, but the cluster has {num_devices}: number them from 0")]
    NoSuchDevice { device: usize, num_devices: usize },
}

/// What a layer costs on a device: `on(layer, device, measurement)`.
type OnDevice<'a> = Box<dyn Fn(usize, usize, Measurement) -> Measurement + 'a>;

/// A profile on the devices of a cluster: what stages of the model cost there.
///
/// A device that reaches twice the floating point operations per second of the one that was
/// profiled takes half the time for every layer; bytes are the same everywhere. Which one was
/// profiled is known by its name, or said with [`Profile::on_with_flops`].
pub struct ProfileCosts<'a> {
    profile: &'a Profile,
    cluster: &'a Cluster,
    on_device: OnDevice<'a>,
    has_rule: bool,
    /// Of the device that was profiled.
    flops: f64,
}

impl Profile {
    /// The profile on the devices of a cluster.
    ///
    /// The device that was profiled is the first one of its name. Where there is none and all devices
    /// are equally fast, the profile is taken to be of them, whatever its name: if they are others,
    /// [`on_with_flops`](Self::on_with_flops) scales it.
    ///
    /// # Errors
    ///
    /// When the profile makes no sense, or the devices differ and none has the name of the one that
    /// was profiled.
    pub fn on<'a>(&'a self, cluster: &'a Cluster) -> Result<ProfileCosts<'a>, ProfileCostsError> {
        self.check()?;
        let devices = || (0..cluster.num_devices()).map(|it| cluster.device(it));
        let named = devices().find(|it| it.name == self.device);
        let first = cluster.device(0);
        let are_equal = devices().all(|it| it.flops == first.flops);
        let profiled = named.or(are_equal.then_some(first));
        let unknown = || ProfileCostsError::UnknownDevice {
            profiled: self.device.clone(),
        };
        Ok(ProfileCosts::new(
            self,
            cluster,
            profiled.ok_or_else(unknown)?.flops,
        ))
    }

    /// The profile on the devices of a cluster, where the one that was profiled reaches this many
    /// floating point operations per second.
    ///
    /// # Errors
    ///
    /// When the profile makes no sense, or `flops` is not positive.
    pub fn on_with_flops<'a>(
        &'a self,
        cluster: &'a Cluster,
        flops: f64,
    ) -> Result<ProfileCosts<'a>, ProfileCostsError> {
        self.check()?;
        match flops.is_finite() && flops > 0.0 {
            true => Ok(ProfileCosts::new(self, cluster, flops)),
            false => Err(ProfileCostsError::Flops { flops }),
        }
    }
}

impl<'a> ProfileCosts<'a> {
    fn new(profile: &'a Profile, cluster: &'a Cluster, flops: f64) -> Self {
        let on_device = move |_layer: usize, device: usize, it: Measurement| {
            let factor = flops / cluster.device(device).flops;
            Measurement {
                forward: it.forward * factor,
                recorded_forward: it.recorded_forward * factor,
                backward: it.backward * factor,
                pull_back: it.pull_back * factor,
                ..it
            }
        };
        Self {
            profile,
            cluster,
            on_device: Box::new(on_device),
            has_rule: false,
            flops,
        }
    }

    /// The same profile with another rule for what a layer costs on a device,
    /// `on(layer, device, measurement)`, from what was measured.
    ///
    /// It is how a stage becomes a group of devices: each "device" of the cluster stands for a
    /// group, with the memory of one member and the link between groups, and the rule says what the
    /// layer costs when the group shares it, in seconds and in bytes for each member. The loss
    /// counts as a layer after the last. The rule must be the same for devices that are equal.
    pub fn with_rule(mut self, on: impl Fn(usize, usize, Measurement) -> Measurement + 'a) -> Self {
        self.on_device = Box::new(on);
        self.has_rule = true;
        self
    }

    /// The floating point operations per second of the device that was profiled.
    pub(crate) fn profiled_flops(&self) -> f64 {
        self.flops
    }

    /// How fast a device is at most, beside the one that is fastest for a layer: a rule says
    /// nothing about devices as a whole.
    pub(crate) fn most_speed(&self, device: usize) -> f64 {
        let flops = |device: usize| self.cluster.device(device).flops;
        match self.has_rule {
            true => 1.0,
            false => {
                let all = (0..self.cluster.num_devices()).map(flops);
                flops(device) / all.fold(f64::MIN, f64::max)
            }
        }
    }

    /// The profile.
    pub fn profile(&self) -> &'a Profile {
        self.profile
    }

    /// The cluster.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// What a layer costs on a device with `num_samples` samples. The loss is the layer after the
    /// last.
    ///
    /// # Panics
    ///
    /// If there is no such layer or device.
    pub fn layer(&self, layer: usize, device: usize, num_samples: usize) -> Measurement {
        let measured = match layer == self.profile.num_layers() {
            true => self.profile.loss_at(num_samples),
            false => self.profile.at(layer, num_samples),
        };
        (self.on_device)(layer, device, measured)
    }

    /// The bytes of the signal that a layer receives with `num_samples` samples: the model's input
    /// for the first.
    ///
    /// # Panics
    ///
    /// If there is no such layer.
    pub fn boundary_bytes(&self, layer: usize, num_samples: usize) -> u64 {
        match layer.checked_sub(1) {
            None => (self.profile.input_bytes_per_sample * num_samples as f64).round() as u64,
            Some(before) => self.profile.at(before, num_samples).output_bytes,
        }
    }

    /// What every instruction of a schedule costs: with these cuts, stages on these devices, and
    /// micro-batches of these numbers of samples.
    ///
    /// A Forward that is not recomputed records its graph, any other only computes, and a Recompute
    /// records. The loss is part of the last place; at every other one, a Backward takes the
    /// [`pull_back`](Measurement::pull_back) of the last layer on top. Signals travel over the link between their
    /// devices, each gradient with the bytes of its signal.
    ///
    /// ```
    /// # use burn_pipeline_plan::*;
    /// # fn costs(profile: &Profile, cluster: &Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let partition = Partition::even(profile.num_layers(), 2)?;
    /// let schedule = ScheduleKind::GPipe.schedule(2, 4)?;
    /// let schedule = rematerialize(schedule, Rematerialization::ExceptLast);
    /// let costs = profile.on(cluster)?.costs(&partition, &[0, 1], &schedule, &[8; 4])?;
    /// println!("{} s", simulate(&schedule, &costs)?.timeline.makespan());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the partition, the devices or the micro-batches do not fit the schedule or the profile.
    pub fn costs(
        &self,
        partition: &Partition,
        devices: &[usize],
        schedule: &Schedule,
        micro_batches: &[usize],
    ) -> Result<Costs, ProfileCostsError> {
        self.check(partition, devices, schedule, micro_batches)?;
        let recorded = recorded(schedule);
        let num_places = partition.num_stages();
        let places = (0..num_places).map(|place| {
            let on = |place: usize| devices[place % devices.len()];
            let neighbours = Neighbours {
                before: (place > 0).then(|| on(place - 1)),
                device: on(place),
                after: (place + 1 < num_places).then(|| on(place + 1)),
            };
            // Micro-batches are of two sizes at most, recorded or not: few costs to work out.
            let mut known: Vec<(usize, bool, Cost)> = Vec::new();
            let costs = micro_batches
                .iter()
                .enumerate()
                .map(|(micro_batch, &num_samples)| {
                    let is_recorded = recorded[place * micro_batches.len() + micro_batch];
                    let found = known
                        .iter()
                        .find(|it| (it.0, it.1) == (num_samples, is_recorded));
                    if let Some(&(_, _, cost)) = found {
                        return cost;
                    }
                    let cost = self.cost(
                        partition.stage(place),
                        &neighbours,
                        num_samples,
                        is_recorded,
                    );
                    known.push((num_samples, is_recorded, cost));
                    cost
                });
            costs.collect()
        });
        Ok(Costs::new(places.collect()))
    }

    fn cost(
        &self,
        layers: Range<usize>,
        neighbours: &Neighbours,
        num_samples: usize,
        is_recorded: bool,
    ) -> Cost {
        let Neighbours {
            before,
            device,
            after,
        } = *neighbours;
        let num_layers = self.profile.num_layers();
        let last = layers.end == num_layers;
        let with_loss = layers.start..layers.end + usize::from(last);
        let boundary_bytes = self.boundary_bytes(layers.start, num_samples);
        let mut cost = Cost {
            boundary_bytes,
            activation_bytes: boundary_bytes,
            ..Cost::default()
        };
        for layer in with_loss {
            let it = self.layer(layer, device, num_samples);
            cost.forward += match is_recorded {
                true => it.recorded_forward,
                false => it.forward,
            };
            cost.recompute += it.recorded_forward;
            cost.backward += it.backward;
            cost.activation_bytes = cost.activation_bytes.saturating_add(it.activation_bytes);
        }
        if !last {
            cost.backward += self.layer(layers.end - 1, device, num_samples).pull_back;
        }
        if let Some(after) = after {
            let bytes = self.boundary_bytes(layers.end, num_samples);
            cost.boundary = self.cluster.link(device, after).seconds(bytes);
        }
        if let Some(before) = before {
            cost.gradient = self.cluster.link(device, before).seconds(boundary_bytes);
        }
        cost
    }

    fn check(
        &self,
        partition: &Partition,
        devices: &[usize],
        schedule: &Schedule,
        micro_batches: &[usize],
    ) -> Result<(), ProfileCostsError> {
        let (found, num_layers) = (partition.num_layers(), self.profile.num_layers());
        if found != num_layers {
            return Err(ProfileCostsError::Layers { found, num_layers });
        }
        let (num_stages, num_chunks) = (schedule.num_stages(), schedule.num_chunks());
        let numbers = [
            ("devices", devices.len(), num_stages),
            (
                "parts of the model",
                partition.num_stages(),
                num_stages * num_chunks,
            ),
            (
                "micro-batches",
                micro_batches.len(),
                schedule.num_micro_batches(),
            ),
        ];
        if let Some(&(what, found, expected)) = numbers.iter().find(|it| it.1 != it.2) {
            return Err(ProfileCostsError::Schedule {
                what,
                found,
                expected,
            });
        }
        let num_devices = self.cluster.num_devices();
        match devices.iter().find(|it| **it >= num_devices) {
            Some(&device) => Err(ProfileCostsError::NoSuchDevice {
                device,
                num_devices,
            }),
            None => Ok(()),
        }
    }
}

/// The device of a part of the model, and those of the parts around it.
struct Neighbours {
    before: Option<usize>,
    device: usize,
    after: Option<usize>,
}

/// For each place along the model and each micro-batch, whether its Forward records its graph.
fn recorded(schedule: &Schedule) -> Vec<bool> {
    let layout = schedule.layout();
    let num_micro_batches = schedule.num_micro_batches();
    let mut recorded = vec![true; layout.num_stages * layout.num_chunks * num_micro_batches];
    for stage in 0..schedule.num_stages() {
        let recomputes = schedule
            .stage(stage)
            .iter()
            .filter(|it| it.op() == Op::Recompute);
        let place = |it: &Instruction| layout.place(stage, it.chunk());
        for it in recomputes {
            recorded[place(it) * num_micro_batches + it.micro_batch()] = false;
        }
    }
    recorded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BytesSource, DeviceSpec, Host, LayerProfile, Link, Rematerialization, ScheduleKind,
        rematerialize, simulate,
    };
    use rstest::rstest;

    fn layer(index: usize, forward: f64) -> LayerProfile {
        LayerProfile {
            name: format!("blocks.{index}"),
            parameter_bytes: 8,
            measurements: vec![Measurement {
                num_samples: 1,
                forward,
                recorded_forward: 1.5 * forward,
                backward: 2.0 * forward,
                pull_back: 0.0,
                activation_bytes: 100,
                output_bytes: 10,
                working_bytes: None,
            }],
        }
    }

    fn profile() -> Profile {
        Profile {
            device: "slow".to_string(),
            input_bytes_per_sample: 4.0,
            bytes_source: BytesSource::Given,
            layers: (0..4).map(|it| layer(it, 1.0 + it as f64)).collect(),
            shared_parameters: Vec::new(),
            loss: vec![Measurement {
                num_samples: 1,
                backward: 0.5,
                ..Measurement::default()
            }],
        }
    }

    fn cluster() -> Cluster {
        let device = |name: &str, flops| DeviceSpec {
            name: name.to_string(),
            flops,
            memory_bytes: None,
        };
        let link = Link {
            latency: 1.0,
            bandwidth: 10.0,
        };
        let devices = vec![device("fast", 2e9), device("slow", 1e9)];
        Cluster::new(vec![Host { devices, link }], link).unwrap()
    }

    #[test]
    fn costs_are_those_of_the_layers_on_their_device() {
        let (profile, cluster) = (profile(), cluster());
        let partition = Partition::from_cuts(&[1], 4).unwrap();
        let schedule = ScheduleKind::GPipe.schedule(2, 2).unwrap();
        let schedule = rematerialize(schedule, Rematerialization::ExceptLast);
        let costs = profile.on(&cluster).unwrap();
        let costs = costs
            .costs(&partition, &[1, 0], &schedule, &[2, 1])
            .unwrap();
        let first = Cost {
            forward: 2.0,
            recompute: 3.0,
            backward: 4.0,
            boundary: 3.0,
            gradient: 0.0,
            boundary_bytes: 8,
            activation_bytes: 208,
        };
        assert_eq!(costs.get(0, 0), &first);
        let second = Cost {
            forward: 9.0 * 1.5 / 2.0,
            recompute: 9.0 * 1.5 / 2.0,
            backward: (18.0 + 0.5) / 2.0,
            boundary: 0.0,
            gradient: 2.0,
            boundary_bytes: 10,
            activation_bytes: 310,
        };
        assert_eq!(costs.get(1, 1), &second);
        simulate(&schedule, &costs).unwrap();
    }

    #[test]
    fn a_backward_pass_takes_time_to_begin_where_no_loss_follows() {
        let (mut profile, cluster) = (profile(), cluster());
        for (index, layer) in profile.layers.iter_mut().enumerate() {
            layer.measurements[0].pull_back = 0.25 * (1 + index) as f64;
        }
        let partition = Partition::from_cuts(&[2], 4).unwrap();
        let schedule = ScheduleKind::GPipe.schedule(2, 1).unwrap();
        let costs = profile.on(&cluster).unwrap();
        let costs = costs.costs(&partition, &[0, 1], &schedule, &[1]).unwrap();
        let backward = |place| costs.get(place, 0).backward;
        assert_eq!((backward(0), backward(1)), ((6.0 + 0.5) / 2.0, 14.5));
    }

    #[test]
    fn a_rule_may_take_the_place_of_speeds() {
        let (profile, cluster) = (profile(), cluster());
        let costs = profile.on(&cluster).unwrap();
        assert_eq!(costs.layer(3, 0, 1).forward, 2.0);
        let costs = costs.with_rule(|_, _, it| Measurement { forward: 7.0, ..it });
        assert_eq!(costs.layer(3, 0, 1).forward, 7.0);
    }

    #[test]
    fn the_device_that_was_profiled_is_known_by_name_or_by_number() {
        let mut profile = profile();
        profile.device = "another".to_string();
        let cluster = cluster();
        let error = profile.on(&cluster).err().unwrap().to_string();
        assert!(error.starts_with("the profile is of `another`, and the devices differ"));
        let costs = profile.on_with_flops(&cluster, 4e9).unwrap();
        assert_eq!(costs.layer(0, 0, 1).forward, 2.0);
        assert!(profile.on_with_flops(&cluster, 0.0).is_err());
    }

    #[rstest]
    #[case(5, vec![0, 1], vec![1; 2], "the partition is of 5 layers, but the profile of 4")]
    #[case(4, vec![0], vec![1; 2], "there are 1 devices, but the schedule has 2")]
    #[case(4, vec![0, 1], vec![1; 3], "there are 3 micro-batches, but the schedule has 2")]
    #[case(4, vec![0, 2], vec![1; 2], "a stage is on device 2, but the cluster has 2")]
    fn what_does_not_fit_together_is_named(
        #[case] num_layers: usize,
        #[case] devices: Vec<usize>,
        #[case] micro_batches: Vec<usize>,
        #[case] message: &str,
    ) {
        let (profile, cluster) = (profile(), cluster());
        let partition = Partition::even(num_layers, 2).unwrap();
        let schedule = ScheduleKind::GPipe.schedule(2, 2).unwrap();
        let costs = profile.on(&cluster).unwrap();
        let costs = costs.costs(&partition, &devices, &schedule, &micro_batches);
        let error = costs.unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
