use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_pipeline_plan::{BytesSource, LayerProfile, Profile};

use super::kept::{LiveBytes, PeakBytes};
use super::loss::Loss;
use super::parameters::ParameterBytes;
use super::sweeps::{Size, Sweeps};
use crate::PipelineError;
use crate::device::{is_remote, label};
use crate::engine::Workers;
use crate::layer::{LayerVisitor, Sequential};
use crate::pipeline::{MicroLoss, Train, num_samples, samples_of, span};
use crate::rematerialize::{LayerFacts, RandomLayers, generator};
use crate::signal::{AnySignal, Member, Signal, StageDevice, flush, narrow, num_bytes, plain};

/// Told how many layers are done, of how many, and the name of the one that comes next.
pub(super) type Progress = Box<dyn Fn(usize, usize, &str)>;

/// What each layer of `model` costs on `device`, with the sample as one micro-batch: see
/// [`Profiler`], which this is without any options.
///
/// # Errors
///
/// As [`Profiler::profile`].
pub fn profile<M: Sequential + 'static>(
    model: &M,
    sample: M::Input,
    device: &Device,
) -> Result<Profile, PipelineError> {
    Profiler::new().profile(model, sample, device)
}

/// Measures what the layers of a model cost on a device: a [`Profile`], which says how long a
/// pipeline of them takes before there is one.
///
/// Each layer is timed alone, by the code that runs it in a stage: on leaves of its own, its gradient
/// pulled back from the gradient of what it sends, its parameters' gradients added to those of the
/// micro-batch before. What it costs to begin a backward pass is told apart, since in a stage only the
/// last layer pays it. Times are the device's own where it has a clock, or what the host needed to
/// hand the work over where that is more; else the host's. Each is the median over
/// several sweeps through the model, each of a few layers at once, after a round that warms up.
///
/// The model is not changed: its running statistics, its parameters and what it records stay. What
/// is not initialised yet is, on the calling thread and in the order of the layers.
///
/// ```
/// use burn::nn::{Linear, LinearConfig, Relu};
/// use burn::tensor::{Device, Tensor};
/// use burn_pipeline::{Profiler, Ranked, ranked};
///
/// let device = Device::default();
/// let linear = |inputs, outputs| -> Ranked<Linear, 2> {
///     ranked(LinearConfig::new(inputs, outputs).init(&device))
/// };
/// let relu: Ranked<Relu, 2> = ranked(Relu::new());
/// let model = (linear(4, 16), relu, linear(16, 2));
/// let sample = Tensor::<2>::ones([8, 4], &device);
///
/// let profile = Profiler::new()
///     .with_num_samples([2, 8])
///     .with_repetitions(3)
///     .profile(&model, sample, &device)?;
/// assert_eq!(profile.layers[2].name, "2");
/// assert_eq!(profile.layers[2].parameter_bytes, 4 * (16 * 2 + 2));
/// assert_eq!(profile.at(0, 4).output_bytes, 4 * 4 * 16);
/// # Ok::<(), burn_pipeline::PipelineError>(())
/// ```
pub struct Profiler {
    num_samples: Vec<usize>,
    repetitions: usize,
    threads_per_stage: Option<usize>,
    num_neighbours: usize,
    layers_at_once: usize,
    random_layers: RandomLayers,
    live_bytes: Option<fn() -> u64>,
    peak_bytes: Option<PeakBytes>,
    progress: Option<Progress>,
}

impl Default for Profiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Profiler {
    /// Seven sweeps, with the whole sample as one micro-batch.
    pub fn new() -> Self {
        Self {
            num_samples: Vec::new(),
            repetitions: 7,
            threads_per_stage: None,
            num_neighbours: 0,
            layers_at_once: 4,
            random_layers: RandomLayers::default(),
            live_bytes: None,
            peak_bytes: None,
            progress: None,
        }
    }

    /// Measure micro-batches of these numbers of samples, the first so many of the sample each.
    /// Others are interpolated.
    pub fn with_num_samples(self, num_samples: impl IntoIterator<Item = usize>) -> Self {
        let mut num_samples: Vec<usize> = num_samples.into_iter().collect();
        num_samples.sort_unstable();
        num_samples.dedup();
        Self {
            num_samples,
            ..self
        }
    }

    /// Go through the model so often. Medians are taken over the sweeps.
    pub fn with_repetitions(self, repetitions: usize) -> Self {
        Self {
            repetitions,
            ..self
        }
    }

    /// Run kernels of Burn's CPU backends on so many threads, as
    /// [`threads_per_stage`](crate::PipelineConfig::threads_per_stage) of the pipeline to be
    /// planned.
    pub fn with_threads_per_stage(self, threads_per_stage: Option<usize>) -> Self {
        Self {
            threads_per_stage,
            ..self
        }
    }

    /// Keep so many more threads busy with the same layers while they are timed: those of the other
    /// stages on the same machine. Stages that share its memory slow each other down, and a layer
    /// that is measured alone is too fast for them.
    pub fn with_neighbours(self, num_neighbours: usize) -> Self {
        Self {
            num_neighbours,
            ..self
        }
    }

    /// Have so many layers on the device at once: 4 unless told. Between two passes of a layer the
    /// others run theirs, as in a stage, so that it does not find its own parameters in the caches
    /// each time. Give fewer where the device is too small for 4 layers with what they keep and their
    /// gradients, once for itself and once for each neighbour.
    pub fn with_layers_at_once(self, layers_at_once: usize) -> Self {
        Self {
            layers_at_once,
            ..self
        }
    }

    /// Which layers draw from Burn's generator, as
    /// [`random_layers`](crate::PipelineConfig::random_layers) of the pipeline.
    pub fn with_random_layers(self, random_layers: RandomLayers) -> Self {
        Self {
            random_layers,
            ..self
        }
    }

    /// Count what layers keep for their backward passes with `live_bytes`: the bytes that are
    /// alive in the process, as a counting allocator knows them. Nothing else in the process may
    /// allocate or free much meanwhile. Where the device has memory pools, they are read instead, and
    /// where neither knows, [`BytesSource::Shapes`] is all that is known.
    pub fn with_live_bytes(self, live_bytes: fn() -> u64) -> Self {
        Self {
            live_bytes: Some(live_bytes),
            ..self
        }
    }

    /// Measure what layers [work with](burn_pipeline_plan::Measurement::working_bytes) too, where
    /// [`with_live_bytes`](Self::with_live_bytes) counts: `peak_bytes` returns the most bytes that have
    /// been alive in the process since it was last called. Without it, and on devices with memory
    /// pools, planners guess it from what layers keep.
    pub fn with_peak_bytes(self, peak_bytes: fn() -> u64) -> Self {
        Self {
            peak_bytes: Some(peak_bytes),
            ..self
        }
    }

    /// Tell `progress` how many runs of layers are done, of how many, and the name of the layer
    /// that runs next.
    pub fn with_progress(self, progress: impl Fn(usize, usize, &str) + 'static) -> Self {
        Self {
            progress: Some(Box::new(progress)),
            ..self
        }
    }

    /// Measure the layers of `model` on `device`, which may be another than the model's: layers
    /// are brought there one by one.
    ///
    /// # Errors
    ///
    /// When a layer fails, which is named; when the sample is empty, or smaller than a micro-batch
    /// is to be; when nothing is to be repeated, or the model has no layer.
    pub fn profile<M: Sequential + 'static>(
        &self,
        model: &M,
        sample: M::Input,
        device: &Device,
    ) -> Result<Profile, PipelineError> {
        self.measure(model, sample, device, |_, _| None)
    }

    /// The same, and what `loss` costs, the mean over the samples that it is given.
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile), when sample and target do not have the same number of samples,
    /// and when the loss fails.
    pub fn profile_with_loss<M: Sequential + 'static, T: Signal>(
        &self,
        model: &M,
        (sample, target): (M::Input, T),
        loss: impl Fn(M::Output, T) -> Tensor<1> + Send + Sync + 'static,
        device: &Device,
    ) -> Result<Profile, PipelineError> {
        samples_of(&sample, &target)?;
        let target = plain(target);
        flush(&target);
        let loss = Arc::new(loss);
        self.measure(model, sample, device, |num_samples, stage| {
            let loss = loss.clone();
            let part = narrow(&target, 0..num_samples);
            let (end, _) = MicroLoss::new(
                move |output, target| loss(output, target),
                vec![part],
                vec![0.5],
                1.0,
                stage.clone(),
                false,
            );
            Some(Box::new(end) as Loss)
        })
    }

    fn measure<M: Sequential + 'static>(
        &self,
        model: &M,
        sample: M::Input,
        device: &Device,
        loss: impl Fn(usize, &StageDevice) -> Option<Loss>,
    ) -> Result<Profile, PipelineError> {
        let available = num_samples(&sample, "the sample")?;
        let sizes = self.sizes(available)?;
        let draws = generator();
        let model = training(model);
        let (keeps, group) = span(&model, device);
        let facts = Arc::new(LayerFacts::of(&model, self.random_layers, &keeps));
        drop(draws);
        if facts.is_empty() {
            return Err(PipelineError::Profile(
                "the model has no layers: profile a model with at least 1 layer".to_string(),
            ));
        }

        let members = group.iter().map(|it| Member::new(it, is_remote(it)));
        let stage = StageDevice::new(device).in_group(members.collect());
        let live = LiveBytes::of(self.live_bytes, stage.device());
        let sample = plain(sample);
        let sample_bytes = num_bytes(&sample);
        flush(&sample);
        let size = |&num_samples: &usize| Size {
            num_samples,
            input: AnySignal::new(narrow(&sample, 0..num_samples)),
            loss: loss(num_samples, &stage),
        };
        let parameters = ParameterBytes::of(&model);
        let gradient_bytes = parameters.with_shared();
        let sweeps = Sweeps {
            model,
            facts: facts.clone(),
            sizes: sizes.iter().map(size).collect(),
            device: stage,
            workers: Workers::spawn(1 + self.num_neighbours, self.threads_per_stage, false)?,
            num_neighbours: self.num_neighbours,
            layers_at_once: self.layers_at_once,
            live,
            peak: live.and_then(|live| live.peak(self.peak_bytes)),
            gradient_bytes,
        };
        let measured = sweeps.run(self.repetitions, self.progress.as_ref())?;

        let layers = facts.iter().zip(parameters.layers).zip(measured.layers);
        Ok(Profile {
            device: label(device),
            input_bytes_per_sample: sample_bytes as f64 / available as f64,
            bytes_source: live.map_or(BytesSource::Shapes, LiveBytes::source),
            layers: layers
                .map(|((facts, parameter_bytes), measurements)| LayerProfile {
                    name: facts.path.clone(),
                    parameter_bytes,
                    measurements,
                })
                .collect(),
            shared_parameters: parameters.shared,
            loss: measured.loss,
        })
    }

    fn sizes(&self, available: usize) -> Result<Vec<usize>, PipelineError> {
        let refuse = |error: String| Err(PipelineError::Profile(error));
        if self.repetitions == 0 {
            return refuse("nothing is measured in 0 repetitions: give at least 1".to_string());
        }
        if self.layers_at_once == 0 {
            return refuse("0 layers at once measure nothing: give at least 1".to_string());
        }
        match self.num_samples.as_slice() {
            [] => Ok(vec![available]),
            [0, ..] => {
                refuse("a micro-batch of 0 samples cannot be measured: give at least 1".to_string())
            }
            [.., most] if *most > available => refuse(format!(
                "a micro-batch of {most} samples is to be measured, but the sample has \
                 {available}: give a larger sample, or measure fewer"
            )),
            sizes => Ok(sizes.to_vec()),
        }
    }
}

/// The model, turned to training where it was made without autodiff.
fn training<M: Sequential>(model: &M) -> M {
    let mut plain = Plain(false);
    model.visit_layers(&mut plain);
    match plain.0 {
        true => model.clone().map_layers(&mut Train),
        false => model.clone(),
    }
}

/// Whether a parameter was made without autodiff.
struct Plain(bool);

impl LayerVisitor for Plain {
    fn visit_layer<L: Module>(&mut self, layer: &L) {
        layer.visit(self);
    }
}

impl ModuleVisitor for Plain {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 |= !param.base().is_autodiff();
    }
}
