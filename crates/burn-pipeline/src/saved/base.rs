use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::directory::{Contents, Directory, read_run, run_path};
use super::{LoadError, SaveError};
use crate::error::message_of;
use crate::layer::Sequential;
use crate::optimizer::{Recorded, write};
use crate::{Ema, PipelineModule, PipelineOptimizer};

/// A directory in which a run is saved, and from which it goes on.
///
/// It holds the weights, running statistics and ids of all parameters, the states of the optimizer,
/// the averages if there are any, the number of steps, the seed, and what you give it: where you
/// are in the data, a [`LossScaler`](crate::LossScaler), anything that serde knows.
///
/// The run goes on with another placement, schedule or rematerialization, in another process, and
/// it goes on to the same bits as long as the number of micro-batches is the same and the gradients
/// are summed in the same order.
///
/// A save is made or it is not: when the process or the machine stops at any moment of it, what was
/// saved before is whole, and the next save removes what this one left. Between two saves one run
/// is on disk, during a save two. One process at a time saves in a directory.
///
/// ```no_run
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::optim::AdamConfig;
/// # use burn::tensor::Device;
/// # use burn_pipeline::{PipelineConfig, PipelineOptimizer, Placement, Ranked, ranked};
/// use burn_pipeline::Saved;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let device = Device::default();
/// # let layer: Ranked<Linear, 2> = ranked(LinearConfig::new(4, 4).init(&device));
/// # let mut pipeline = PipelineConfig::new().init(layer, Placement::even(&[device]))?;
/// # let mut optimizer = PipelineOptimizer::new(AdamConfig::new().init());
///
/// let saved = Saved::new("run");
/// let mut epoch = 0;
/// if saved.exists() {
///     let loaded = saved.load(pipeline, optimizer)?;
///     (pipeline, optimizer, epoch) = (loaded.pipeline, loaded.optimizer, loaded.extra);
/// }
/// // After some steps:
/// saved.save(&pipeline, &optimizer, None, &epoch)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Saved {
    directory: PathBuf,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Loaded<M, E> {
    /// The pipeline that was given, with the weights and the number of steps of the run.
    pub pipeline: PipelineModule<M>,
    /// The optimizer that was given, with the states of the run.
    pub optimizer: PipelineOptimizer,
    /// The averages, where some were saved.
    pub ema: Option<Ema>,
    /// What was saved with the run.
    pub extra: E,
}

impl Saved {
    /// A run in `directory`, which need not be there yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Where the run is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a run is saved. Where that cannot be told, it is taken for one, so that
    /// [`load`](Self::load) says why, and nothing is saved over it.
    pub fn exists(&self) -> bool {
        run_path(&self.directory).try_exists().unwrap_or(true)
    }

    /// What was saved with the run: the configuration that its model is made from, say, which has
    /// to be there before the run can be loaded.
    ///
    /// # Errors
    ///
    /// When no run is saved, its description cannot be read, or `extra` is of another type.
    pub fn extra<E: DeserializeOwned>(&self) -> Result<E, LoadError> {
        self.extra_of(read_run(&self.directory)?.extra)
    }

    fn extra_of<E: DeserializeOwned>(&self, extra: Value) -> Result<E, LoadError> {
        serde_json::from_value(extra).map_err(|cause| LoadError::Extra {
            path: run_path(&self.directory),
            cause,
        })
    }

    /// Save a run, in the place of the one that is saved already.
    ///
    /// Call it between steps. Weights and averages go through host memory one at a time, the states
    /// of the optimizer all at once.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, a parameter cannot be read, the optimizer has lost its states
    /// in a step that failed, or `extra` is nothing that JSON can hold: an infinite number, say. In
    /// an `Option`, such a number becomes `None`.
    pub fn save<M: Sequential + 'static, E: Serialize + DeserializeOwned>(
        &self,
        pipeline: &PipelineModule<M>,
        optimizer: &PipelineOptimizer,
        ema: Option<&Ema>,
        extra: &E,
    ) -> Result<(), SaveError> {
        let unreadable = |reason: String| SaveError::file(&self.directory, reason);
        let lost = |reason| SaveError::Device { reason };
        pipeline.runtime().check_servers().map_err(lost)?;
        let save = || {
            let mut directory = Directory {
                path: &self.directory,
                before: &mut |_, _| Ok(()),
            };
            directory.save(self.contents(pipeline, optimizer, ema, extra)?)
        };
        // Burn panics where a parameter cannot be read from its device.
        catch_unwind(AssertUnwindSafe(save))
            .unwrap_or_else(|panic| Err(unreadable(message_of(panic.as_ref()))))
    }

    pub(super) fn contents<M: Sequential + 'static, E: Serialize + DeserializeOwned>(
        &self,
        pipeline: &PipelineModule<M>,
        optimizer: &PipelineOptimizer,
        ema: Option<&Ema>,
        extra: &E,
    ) -> Result<Contents, SaveError> {
        let extra = serde_json::to_value(extra).map_err(SaveError::Extra)?;
        // JSON has no infinite numbers: what could not be read again is not to replace what can.
        serde_json::from_value::<E>(extra.clone()).map_err(SaveError::Extra)?;
        let states = optimizer
            .pieces()
            .map_err(|error| SaveError::file(&self.directory, error))?;
        Ok(Contents {
            weights: write(pipeline, |_| true),
            optimizer: states.into_writer(),
            ema: ema.map(|ema| ema.writer(pipeline)),
            num_steps: pipeline.num_steps(),
            seed: pipeline.runtime().config().seed,
            extra,
        })
    }

    /// Go on from the run that is saved: `pipeline` and `optimizer` are made as they were then, on
    /// whatever devices, partition and schedule.
    ///
    /// Each parameter goes to the device of its stage, one at a time; the states of the optimizer
    /// wait in host memory and follow with their parameters' next steps. Nothing is kept of the
    /// files.
    ///
    /// # Errors
    ///
    /// When no run is saved, a file cannot be read, the model has other parameters, the pipeline is
    /// configured with another seed, or `extra` is of another type. The directory stays as it is.
    pub fn load<M: Sequential + 'static, E: DeserializeOwned>(
        &self,
        pipeline: PipelineModule<M>,
        optimizer: PipelineOptimizer,
    ) -> Result<Loaded<M, E>, LoadError> {
        let run = read_run(&self.directory)?;
        let configured = pipeline.runtime().config().seed;
        if run.seed != configured {
            return Err(LoadError::Seed {
                saved: run.seed,
                configured,
            });
        }
        let extra = self.extra_of(run.extra)?;

        let path = self.directory.join(&run.weights);
        let pipeline = Recorded::read(&path)
            .and_then(|recorded| recorded.load(pipeline))
            .map_err(|error| LoadError::file(&path, error))?;
        let path = self.directory.join(&run.optimizer);
        let optimizer = optimizer
            .load(&path)
            .map_err(|error| LoadError::file(&path, error))?;
        let ema = run.ema.map(|ema| {
            let path = self.directory.join(ema);
            Ema::load(&pipeline, &path).map_err(|error| LoadError::file(&path, error))
        });
        let ema = ema.transpose()?;

        pipeline.set_num_steps(run.num_steps);
        Ok(Loaded {
            pipeline,
            optimizer,
            ema,
            extra,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use burn::module::ParamId;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::AdamConfig;
    use burn::tensor::{Device, Tensor};

    use super::super::directory::Change;
    use super::*;
    use crate::{PipelineConfig, Placement, Ranked, ranked};

    type Model = (Ranked<Linear, 2>, Ranked<Linear, 2>);

    fn start() -> (PipelineModule<Model>, PipelineOptimizer) {
        let device = Device::flex();
        let layer = || ranked(LinearConfig::new(4, 4).init(&device));
        let placement = Placement::even(&[device.clone(), device.clone()]);
        let pipeline = PipelineConfig::new().init((layer(), layer()), placement);
        let optimizer = PipelineOptimizer::new(AdamConfig::new().init());
        (pipeline.unwrap(), optimizer)
    }

    fn step(
        run: (PipelineModule<Model>, PipelineOptimizer),
    ) -> (PipelineModule<Model>, PipelineOptimizer) {
        let (pipeline, mut optimizer) = run;
        let input = Tensor::<2>::ones([4, 4], &Device::flex());
        let step = pipeline.train_step(input, (), |output, ()| output.powi_scalar(2).mean());
        let pipeline = optimizer.step(0.1, pipeline, step.unwrap().grads);
        (pipeline.unwrap(), optimizer)
    }

    fn weights(pipeline: &PipelineModule<Model>) -> Vec<f32> {
        let (one, other) = pipeline.inner();
        let weights = [&one.module().weight, &other.module().weight];
        let weights = weights.map(|weight| weight.val().into_data().try_to_vec::<f32>().unwrap());
        weights.concat()
    }

    /// The process stops before the `nth` change, and what it was to write is half there.
    fn save_until(
        saved: &Saved,
        run: &(PipelineModule<Model>, PipelineOptimizer),
        nth: usize,
    ) -> Result<(), SaveError> {
        let ema = Ema::new(&run.0, 0.5);
        let contents = saved.contents(&run.0, &run.1, Some(&ema), &run.0.num_steps())?;
        let mut num_changes = 0;
        let mut directory = Directory {
            path: saved.directory(),
            before: &mut |change, path| {
                num_changes += 1;
                if num_changes <= nth {
                    return Ok(());
                }
                if change == Change::Write {
                    fs::write(path, [7; 100])?;
                    fs::write(path.with_added_extension("1-1.tmp"), [7; 100])?;
                }
                Err(io::Error::other("the process has stopped"))
            },
        };
        directory.save(contents)
    }

    #[test]
    fn a_save_that_is_cut_anywhere_leaves_a_whole_run_and_no_rest_for_long() {
        let name = format!("burn-pipeline-{}", ParamId::new().val());
        let saved = Saved::new(std::env::temp_dir().join(name));
        let before = step(start());
        let after = step(before.clone());
        let [old, new] = [&before, &after].map(|run| weights(&run.0));
        assert_ne!(old, new);

        let mut outcomes = Vec::new();
        for nth in 0.. {
            let _ = fs::remove_dir_all(saved.directory());
            // Clones of a pipeline count together.
            before.0.set_num_steps(1);
            saved.save(&before.0, &before.1, None, &1).unwrap();
            after.0.set_num_steps(2);
            let made = save_until(&saved, &after, nth).is_ok();

            let (pipeline, optimizer) = start();
            let loaded = saved.load::<_, u64>(pipeline, optimizer).unwrap();
            let is_new = loaded.extra == 2;
            let expected = if is_new { &new } else { &old };
            assert_eq!(
                weights(&loaded.pipeline),
                *expected,
                "cut before change {nth}"
            );
            assert_eq!(loaded.pipeline.num_steps(), loaded.extra);
            assert_eq!(loaded.ema.is_some(), is_new);
            outcomes.push(is_new);
            // The states are the run's own: it goes on.
            let resumed = step((loaded.pipeline, loaded.optimizer));
            let straight = step(if is_new {
                after.clone()
            } else {
                before.clone()
            });
            assert_eq!(weights(&resumed.0), weights(&straight.0));

            saved.save(&resumed.0, &resumed.1, None, &9).unwrap();
            let entries = fs::read_dir(saved.directory()).unwrap();
            let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
            let rest: Vec<_> = names.filter(|name| !name.starts_with("run.json")).collect();
            assert_eq!(rest.len(), 2, "{rest:?}");
            if made {
                break;
            }
        }
        // Writing three files and the run, a sync, the switch | a sync, removing two files, all.
        let expected = [[false; 6].as_slice(), &[true; 4]].concat();
        assert_eq!(outcomes, expected);
        fs::remove_dir_all(saved.directory()).unwrap();
    }
}
