//! Averages of weights over the steps of a run.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::transfer::move_to;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::store::RecordError;
use burn::tensor::{Float, Tensor};
use burn_pack::{Scalar, Writer};

use super::recorded::{Recorded, write};

/// The name of the decay in a file of averages.
const DECAY: &str = "decay";

/// An exponential moving average of the weights of a model, which often evaluates better than the
/// weights themselves (Polyak and Juditsky, *Acceleration of stochastic approximation by
/// averaging*, 1992; as in Tarvainen and Valpola, *Mean teachers are better role models*, 2017).
///
/// After each step, `average = decay * average + (1 - decay) * weight`. Parameters that train are
/// averaged, each on its own device; everything else of the model, running statistics too, is left
/// as it is. `module` is a plain model or a [`PipelineModule`](crate::PipelineModule): the same
/// averages to the last bit.
///
/// It costs the memory of the trained parameters once more, and two passes over them per update.
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::Device;
/// use burn_pipeline::Ema;
/// # let device = Device::default().autodiff();
/// # let model = LinearConfig::new(2, 2).init(&device);
///
/// let mut ema = Ema::new(&model, 0.999);
/// // After each step of the optimizer:
/// ema.update(&model);
/// // To evaluate, or to save for inference:
/// let averaged = ema.apply(model.clone());
/// ```
pub struct Ema {
    decay: f64,
    /// A `Tensor<D>` without autodiff for each parameter.
    averages: HashMap<ParamId, Box<dyn Any + Send>>,
}

impl Ema {
    /// Averages that begin as the weights are.
    ///
    /// # Panics
    ///
    /// When `decay` is not from 0 to 1: near 1, a step counts for little.
    pub fn new<M: Module>(module: &M, decay: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&decay),
            "the decay of an average is from 0 to 1, but it is {decay}: give 0.999, say"
        );
        let mut ema = Self {
            decay,
            averages: HashMap::new(),
        };
        ema.update(module);
        ema
    }

    /// Take in the weights as a step has left them. A parameter that is seen for the first time
    /// begins its average.
    pub fn update<M: Module>(&mut self, module: &M) {
        module.visit(&mut Update {
            ema: self,
            seen: HashSet::new(),
        });
    }

    /// The module with averages in the place of weights. It trains on from them as from any
    /// weights; keep the module itself to train on without.
    pub fn apply<M: Module>(&self, module: M) -> M {
        module.map(&mut Apply(self))
    }

    /// What a step's weight counts for is 1 less this.
    pub fn decay(&self) -> f64 {
        self.decay
    }

    /// Save the averages in a burnpack file, by the paths of their parameters in `module`. As a
    /// record of a part of the model it loads into a plain one: see
    /// [`ModuleRecord::allow_partial`](burn::store::ModuleRecord::allow_partial).
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save<M: Module, P: AsRef<Path>>(&self, module: &M, path: P) -> Result<(), RecordError> {
        self.writer(module).write_to_file(path)?;
        Ok(())
    }

    pub(crate) fn writer<M: Module>(&self, module: &M) -> Writer {
        let averaged = self.apply(module.clone());
        write(&averaged, |id| self.averages.contains_key(&id))
            .with_scalar(DECAY, Scalar::from(self.decay))
    }

    /// Go on from averages in such a file, each on the device of its parameter in `module`, which
    /// is made anew or loaded.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no file of averages, or an average in it is of no
    /// parameter of `module`, or of another shape.
    pub fn load<M: Module, P: AsRef<Path>>(module: &M, path: P) -> Result<Self, RecordError> {
        let mut recorded = Recorded::read(path)?;
        let decay = recorded.scalar(DECAY).and_then(|it| f64::try_from(it).ok());
        let Some(decay) = decay else {
            return Err(RecordError::Validation(format!(
                "the file has no `{DECAY}`, so it is not one of averages: give what `Ema::save` has written"
            )));
        };
        recorded.check_part(module)?;
        let mut load = Load {
            path: Vec::new(),
            recorded: &mut recorded,
            averages: HashMap::new(),
            failed: None,
        };
        module.visit(&mut load);
        match load.failed {
            Some(error) => Err(error),
            None => Ok(Self {
                decay,
                averages: load.averages,
            }),
        }
    }
}

impl core::fmt::Debug for Ema {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ema")
            .field("decay", &self.decay)
            .field("num_parameters", &self.averages.len())
            .finish()
    }
}

struct Update<'a> {
    ema: &'a mut Ema,
    /// A parameter of several fields has one average.
    seen: HashSet<ParamId>,
}

impl ModuleVisitor for Update<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() || !self.seen.insert(param.id) {
            return;
        }
        let weight = param.base().without_autodiff();
        let average = self.ema.averages.remove(&param.id);
        let average = match average.and_then(|average| average.downcast::<Tensor<D>>().ok()) {
            Some(average) => {
                let decay = self.ema.decay;
                average.mul_scalar(decay) + weight.mul_scalar(1.0 - decay)
            }
            None => weight,
        };
        self.ema.averages.insert(param.id, Box::new(average));
    }
}

struct Apply<'a>(&'a Ema);

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let average = self.0.averages.get(&param.id);
        let Some(average) = average.and_then(|average| average.downcast_ref::<Tensor<D>>()) else {
            return param;
        };
        let average = average.clone();
        param.map(|weight| {
            let average = move_to(average, &weight.device().without_autodiff());
            match weight.gradient_checkpointing_strategy() {
                Some(strategy) => average
                    .autodiff()
                    .with_gradient_checkpointing_strategy(strategy)
                    .set_require_grad(weight.is_require_grad()),
                None => average,
            }
        })
    }
}

struct Load<'a> {
    path: Vec<String>,
    recorded: &'a mut Recorded,
    averages: HashMap<ParamId, Box<dyn Any + Send>>,
    failed: Option<RecordError>,
}

impl ModuleVisitor for Load<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let device = param.lazy_device().without_autodiff();
        match self
            .recorded
            .take::<D, Float>(&self.path.join("."), &device)
        {
            Some(Ok((_, average))) => {
                let loaded = param.clone().transform_for_load(average, param.id);
                let average = loaded.base().without_autodiff();
                self.averages.insert(param.id, Box::new(average));
            }
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}
