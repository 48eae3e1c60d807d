//! Which stage holds which parameter.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use burn_pipeline_plan::Partition;

use crate::PipelineModule;
use crate::layer::{LayerVisitor, Sequential};

/// The stage of each float parameter: that of the first layer which has it.
pub(super) struct Owners(HashMap<ParamId, usize>);

impl Owners {
    pub(super) fn of<M: Sequential + 'static>(pipeline: &PipelineModule<M>) -> Self {
        let mut reader = Reader {
            partition: pipeline.partition(),
            num_stages: pipeline.stage_devices().len(),
            next: 0,
            stage: 0,
            owners: HashMap::new(),
        };
        pipeline.inner().visit_layers(&mut reader);
        Self(reader.owners)
    }

    /// A pipeline has no parameter outside its layers; the first stage would take it.
    pub(super) fn stage_of(&self, id: ParamId) -> usize {
        self.0.get(&id).copied().unwrap_or_default()
    }
}

struct Reader<'a> {
    partition: &'a Partition,
    num_stages: usize,
    next: usize,
    stage: usize,
    owners: HashMap<ParamId, usize>,
}

impl LayerVisitor for Reader<'_> {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        // The parts go round the stages.
        self.stage = self.partition.stage_of(self.next) % self.num_stages;
        self.next += 1;
        layer.visit(self);
    }
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.owners.entry(param.id).or_insert(self.stage);
    }
}
