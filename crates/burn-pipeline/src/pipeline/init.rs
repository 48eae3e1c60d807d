//! From a model and a placement to a pipeline, or to an error that says what to change.

use burn::module::Module;
use burn::tensor::Device;
use burn_pipeline_plan::{Partition, validate};

use super::base::Runtime;
use super::owners::refuse_homeless_and_shared;
use super::place::{groups, place};
use super::tied::refresh;
use crate::device::{is_remote, warn_of_shared_cards};
use crate::engine::Workers;
use crate::layer::{LayerMapper, Sequential};
use crate::rematerialize::{generator, warn_of_lock};
use crate::signal::{Member, StageDevice};
use crate::transfer::{connect, connect_all};
use crate::{PipelineConfig, PipelineError, PipelineModule, Placement};

impl PipelineConfig {
    /// Cut `model`, put each stage on its device, and start the workers.
    ///
    /// Every parameter is initialised here, on the calling thread and in the order of the layers,
    /// each on the device of its stage: a model whose parameters are not initialised yet, and of
    /// which no clone is kept, is never whole on one device. The same seed gives the same model for every partition (on
    /// backends that share a generator). The pipeline is ready to train, also when the model was
    /// made on a device without autodiff.
    ///
    /// Layers that draw from Burn's generator get a warning through the `log` crate, once in a
    /// process for each path: see [`RandomLayers`](crate::RandomLayers).
    ///
    /// # Errors
    ///
    /// When the placement does not fit the model, the schedule cannot run, the configuration
    /// contradicts itself, a parameter belongs to no layer, or two layers share a batch norm. No
    /// thread has been started then.
    pub fn init<M: Sequential + 'static>(
        &self,
        model: M,
        placement: Placement,
    ) -> Result<PipelineModule<M>, PipelineError> {
        self.check_schedule()?;
        self.check_threads()?;
        let num_stages = placement.devices().len();
        let num_chunks = self.schedule.num_chunks().max(1);
        check_layers(model.num_layers(), num_stages, num_chunks)?;
        let partition = placement.parts(model.num_layers(), num_chunks)?;
        check_parts(&partition, num_stages, num_chunks)?;
        let schedule = self.training_schedule(num_stages, self.num_micro_batches)?;
        validate(&schedule)?;
        refuse_homeless_and_shared(&model)?;

        let leads = placement.devices().iter().cloned();
        let leads: Vec<_> = leads.map(Device::without_autodiff).collect();
        let draws = generator();
        let placed = place(model, &partition, &leads);
        drop(draws);
        let model = match placed.plain {
            true => placed.model.map_layers(&mut Train),
            false => placed.model,
        };
        let model = refresh(model);

        let groups = groups(&leads, &partition, &placed.keeps);
        let devices = placement.devices().iter().zip(&groups);
        let devices: Vec<_> = devices
            .map(|(device, group)| {
                let members = group.iter().map(|it| Member::new(it, is_remote(it)));
                StageDevice::new(device)
                    .computing_in(self.precision.half())
                    .receiving_in(self.boundary_precision.half())
                    .in_group(members.collect())
            })
            .collect();
        warn_of_shared_cards(&groups);
        connect(&leads);
        for group in &groups {
            connect_all(group);
        }
        let several_devices = devices
            .windows(2)
            .any(|it| it[0].device() != it[1].device());
        let workers = Workers::spawn(num_stages, self.threads_per_stage, several_devices)?;

        let pipeline = PipelineModule::new(
            model,
            Runtime::new(
                self.clone(),
                partition,
                schedule,
                devices,
                placed.keeps,
                workers,
            ),
        );
        warn_of_lock(&pipeline.facts(), self.random_layers);
        Ok(pipeline)
    }

    fn check_threads(&self) -> Result<(), PipelineError> {
        if self.threads_per_stage == Some(0) {
            return Err(PipelineError::Configuration(
                "threads_per_stage is 0, but a stage needs at least 1 thread for its kernels: \
                 give at least 1, or leave it out to share one pool"
                    .to_string(),
            ));
        }
        if self.threads_per_stage.is_some_and(|threads| threads > 1) && cfg!(not(feature = "rayon"))
        {
            return Err(PipelineError::Configuration(format!(
                "threads_per_stage is {}, but without the feature `rayon` a stage has 1 thread: \
                 enable `rayon` of burn-pipeline, or leave threads_per_stage out",
                self.threads_per_stage.unwrap_or_default()
            )));
        }
        Ok(())
    }
}

/// A chunk holds a layer at least. Without chunks, it is the partition that says so.
fn check_layers(
    num_layers: usize,
    num_stages: usize,
    num_chunks: usize,
) -> Result<(), PipelineError> {
    match num_chunks {
        2.. if num_layers < num_stages.saturating_mul(num_chunks) => {
            Err(PipelineError::Configuration(format!(
                "{num_chunks} chunks on each of {num_stages} stages need at least {} layers, but the model has {num_layers}: use fewer chunks or stages, or write the model as more layers",
                num_stages.saturating_mul(num_chunks)
            )))
        }
        _ => Ok(()),
    }
}

fn check_parts(
    partition: &Partition,
    num_devices: usize,
    num_chunks: usize,
) -> Result<(), PipelineError> {
    let num_parts = partition.num_stages();
    if num_parts == num_devices * num_chunks {
        return Ok(());
    }
    Err(PipelineError::Configuration(match num_chunks {
        1 => format!(
            "the placement cuts the model into {num_parts} stages but names {num_devices} devices: name one device per stage (the same one may be named again)"
        ),
        _ => format!(
            "the placement cuts the model into {num_parts} parts, but the schedule has {num_chunks} chunks on each of {num_devices} devices: cut it into {}",
            num_devices * num_chunks
        ),
    }))
}

/// Turns a whole model to training: a layer without parameters does not show what it was made for.
pub(crate) struct Train;

impl LayerMapper for Train {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        layer.train()
    }
}
