//! From a model and a placement to a pipeline, or to an error that says what to change.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};
use burn_pipeline_plan::{Partition, rematerialize, validate};

use super::base::Runtime;
use crate::engine::Workers;
use crate::layer::{LayerMapper, Sequential};
use crate::rematerialize::LayerFacts;
use crate::signal::StageDevice;
use crate::{PipelineConfig, PipelineError, PipelineModule, Placement, RandomLayers};

impl PipelineConfig {
    /// Cut `model`, put each stage on its device, and start the workers.
    ///
    /// Every parameter is initialised here, on the calling thread and in the order of the layers,
    /// each on the device of its stage: a model whose parameters are not initialised yet is never
    /// whole on one device, and the same seed gives the same model for every partition (on
    /// backends that share a generator). The pipeline is ready to train, also when the model was
    /// made on a device without autodiff.
    ///
    /// # Errors
    ///
    /// When the placement does not fit the model, the configuration contradicts itself, or a
    /// parameter belongs to two layers. No thread has been started then.
    pub fn init<M: Sequential + 'static>(
        &self,
        model: M,
        placement: Placement,
    ) -> Result<PipelineModule<M>, PipelineError> {
        let partition = placement.partition(model.num_layers())?;
        let num_devices = placement.devices().len();
        if partition.num_stages() != num_devices {
            return Err(PipelineError::Configuration(format!(
                "the placement cuts the model into {} stages but names {num_devices} devices: name one device per stage (the same one may be named again)",
                partition.num_stages()
            )));
        }
        self.check()?;
        let schedule = self
            .schedule
            .schedule(partition.num_stages(), self.num_micro_batches)?;
        validate(&rematerialize(schedule, self.rematerialization))?;
        refuse_shared(&LayerFacts::of(&model, RandomLayers::None))?;

        let devices: Vec<_> = placement.devices().iter().map(StageDevice::new).collect();
        let model = model.map_layers(&mut Place {
            partition: &partition,
            devices: &devices,
            next: 0,
        });
        let workers = Workers::spawn(partition.num_stages(), self.threads_per_stage)?;

        Ok(PipelineModule::new(
            model,
            Runtime::new(self.clone(), partition, devices, workers),
        ))
    }

    fn check(&self) -> Result<(), PipelineError> {
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

/// Until tied weights are supported, training them would silently untie them.
fn refuse_shared(layers: &[LayerFacts]) -> Result<(), PipelineError> {
    let mut first: HashMap<ParamId, usize> = HashMap::new();
    for (index, layer) in layers.iter().enumerate() {
        for param in &layer.params {
            let owner = *first.entry(*param).or_insert(index);
            if owner != index {
                return Err(PipelineError::Configuration(format!(
                    "layer {owner} `{}` and layer {index} `{}` share parameter {param}: give each layer its own parameters, or make one layer of the two",
                    layers[owner].path, layer.path
                )));
            }
        }
    }
    Ok(())
}

/// Puts each layer on the device of its stage and initialises it there.
struct Place<'a> {
    partition: &'a Partition,
    devices: &'a [StageDevice],
    next: usize,
}

impl LayerMapper for Place<'_> {
    fn map_layer<L: Module>(&mut self, layer: L) -> L {
        let stage = self.partition.stage_of(self.next);
        self.next += 1;

        let layer = layer.fork(self.devices[stage].device());
        let mut initialize = Initialize { plain: false };
        layer.visit(&mut initialize);
        match initialize.plain {
            true => layer.train(),
            false => layer,
        }
    }
}

struct Initialize {
    plain: bool,
}

impl ModuleVisitor for Initialize {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.plain |= !param.base().is_autodiff();
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        param.base();
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        param.base();
    }
}
