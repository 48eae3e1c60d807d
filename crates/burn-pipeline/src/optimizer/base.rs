use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::store::RecordError;

use super::jobs::{Job, run};
use super::owners::Owners;
use super::pieces::{Piece, Pieces};
use super::take::{PutBack, Take, check};
use crate::layer::Sequential;
use crate::{PipelineError, PipelineModule};

/// An optimizer whose step runs on all stages at once: Burn's [`ModuleOptimizer`], one parameter
/// at a time on the worker of the parameter's stage.
///
/// It gives the parameters that [`ModuleOptimizer::step`] gives, to the last bit: groups and
/// learning rates by path, clipping of each gradient, parameters that are frozen or without a
/// gradient. Records and files of the one load in the other. Parameters and states stay where
/// they are, on the device of their stage, and change in place as long as no clone of the
/// pipeline shares them.
///
/// A step takes as long as that of the stage with the most work, where Burn's own goes through the
/// stages one after the other.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::optim::AdamConfig;
/// # use burn::tensor::{Device, Tensor};
/// # use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement, Ranked, ranked};
/// # let device = Device::default();
/// # let layer = || -> Ranked<Linear, 2> { ranked(LinearConfig::new(4, 4).init(&device)) };
/// # let placement = Placement::even(&[device.clone(), device.clone()]);
/// # let mut pipeline = PipelineConfig::new().init((layer(), layer()), placement)?;
/// # let input = Tensor::<2>::ones([8, 4], &device);
/// let mut optimizer = PipelineOptimizer::new(AdamConfig::new().init());
/// let step = pipeline.train_step(input, (), |output, ()| output.mean())?;
/// pipeline = optimizer.step(1e-3, pipeline, step.grads)?;
/// # Ok::<_, burn_pipeline::PipelineError>(())
/// ```
#[derive(Clone)]
pub struct PipelineOptimizer {
    /// Groups and clipping, without a state.
    template: Arc<ModuleOptimizer>,
    states: HashMap<ParamId, State>,
    /// Whether a step has failed, and taken states with it.
    has_failed: bool,
}

const LOST: &str = "the optimizer has lost states in a step that failed: load what was saved last, or make a new one";

/// The state of one parameter.
#[derive(Clone)]
pub(super) enum State {
    /// An optimizer that has stepped this parameter and no other.
    Live(ModuleOptimizer),
    /// What a record says: Burn loads states on the default device, so it waits in host memory for
    /// the parameter's next step, which takes it to the parameter's device.
    Saved(Piece),
}

impl PipelineOptimizer {
    /// The optimizer that takes the steps of `optimizer`. States that it has come along, through
    /// host memory.
    ///
    /// # Panics
    ///
    /// When those states are larger than a burnpack may be: 10 GiB a tensor, 100 000 tensors.
    pub fn new(optimizer: impl Into<ModuleOptimizer>) -> Self {
        let optimizer = optimizer.into();
        let record = optimizer.to_record();
        let template = optimizer.load_record(OptimizerRecord::default());
        let optimizer = Self {
            template: Arc::new(template),
            states: HashMap::new(),
            has_failed: false,
        };
        optimizer
            .load_record(record)
            .expect("an optimizer's states fit in a burnpack")
    }

    /// Update the parameters of `pipeline` that have a gradient in `grads`, each by the rate that
    /// `lr` has for it.
    ///
    /// # Errors
    ///
    /// When a gradient has another shape than its parameter, this is called from a layer or a loss,
    /// or an update fails. Of these, only a failed update has changed the optimizer: some
    /// parameters have moved on and others have not, and their states are lost, so go on from what
    /// was saved last. Until then the optimizer takes no step and has no record. The pipeline went
    /// into the call, as with Burn's own step; a clone of it is as it was.
    pub fn step<M: Sequential + 'static>(
        &mut self,
        lr: impl Into<ModuleLearningRate>,
        pipeline: PipelineModule<M>,
        mut grads: GradientsParams,
    ) -> Result<PipelineModule<M>, PipelineError> {
        if self.has_failed {
            return Err(PipelineError::Optimizer(LOST.to_string()));
        }
        check(&pipeline, &grads)?;
        drop(pipeline.runtime().workers()?);
        let devices = pipeline.runtime().devices().to_vec();
        for device in &devices {
            // A device that cannot flush fails on its worker, where the error can name it.
            let _ = device.flush();
        }

        let owners = Owners::of(&pipeline);
        let mut take = Take::new(&owners, devices.len(), &mut grads);
        let pipeline = pipeline.map(&mut take);
        let lr = lr.into();
        let jobs = take.into_stages().into_iter().zip(devices);
        let jobs = jobs.map(|(taken, device)| Job {
            work: taken
                .into_iter()
                .map(|taken| {
                    let state = self.states.remove(&taken.id());
                    (taken, state)
                })
                .collect(),
            template: self.template.clone(),
            lr: lr.clone(),
            device,
        });
        self.has_failed = true;
        let updated = run(pipeline.runtime(), jobs.collect())?;
        self.has_failed = false;

        let mut put_back = PutBack::default();
        for (id, optimizer, parameter) in updated {
            self.states.insert(id, State::Live(optimizer));
            put_back.insert(id, parameter);
        }
        Ok(pipeline.map(&mut put_back))
    }

    /// The states of all parameters, as [`ModuleOptimizer::to_record`] gives them. They go through
    /// host memory, all of them at once.
    ///
    /// # Errors
    ///
    /// When a burnpack cannot hold them: 10 GiB a tensor, 100 000 tensors.
    pub fn to_record(&self) -> Result<OptimizerRecord, RecordError> {
        self.pieces()?.into_record()
    }

    /// Go on from the states in `record`, in the place of all that there are. They wait in host
    /// memory, and each goes to its parameter's device with the parameter's next step.
    ///
    /// # Errors
    ///
    /// When the record cannot be read, from a file that is gone say.
    pub fn load_record(self, record: OptimizerRecord) -> Result<Self, RecordError> {
        Ok(self.with_pieces(Pieces::of_record(record)?))
    }

    /// Save the states in a burnpack file, as [`ModuleOptimizer::save`] does.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save<P: AsRef<Path>>(&self, path: P) -> Result<(), RecordError> {
        self.pieces()?.into_writer().write_to_file(path)?;
        Ok(())
    }

    /// Go on from the states in such a file: see [`load_record`](Self::load_record).
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is not the record of an optimizer.
    pub fn load<P: AsRef<Path>>(self, path: P) -> Result<Self, RecordError> {
        Ok(self.with_pieces(Pieces::read(path)?))
    }

    pub(crate) fn pieces(&self) -> Result<Pieces, RecordError> {
        if self.has_failed {
            return Err(RecordError::Validation(LOST.to_string()));
        }
        let mut pieces = Pieces::default();
        for (id, state) in &self.states {
            match state {
                State::Live(optimizer) => pieces.extend(Pieces::of_record(optimizer.to_record())?),
                State::Saved(piece) => pieces.insert(*id, piece.clone()),
            }
        }
        Ok(pieces)
    }

    fn with_pieces(mut self, pieces: Pieces) -> Self {
        let saved = pieces.into_iter();
        self.states = saved.map(|(id, piece)| (id, State::Saved(piece))).collect();
        self.has_failed = false;
        self
    }
}

impl From<ModuleOptimizer> for PipelineOptimizer {
    fn from(optimizer: ModuleOptimizer) -> Self {
        Self::new(optimizer)
    }
}

impl core::fmt::Debug for PipelineOptimizer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PipelineOptimizer")
            .field("num_states", &self.states.len())
            .finish_non_exhaustive()
    }
}
