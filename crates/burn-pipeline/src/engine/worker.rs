//! The threads of a pipeline: one per stage, alive as long as it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle, ThreadId};
use std::time::Instant;

use crate::PipelineError;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// One long-lived thread per stage. Streams, fusion queues and thread pools belong to a thread, so
/// a stage keeps its own. Between devices, each stage has two more, that bring it what others send:
/// boundaries, and gradients. Dropping the workers joins them.
pub(crate) struct Workers {
    stages: Vec<Worker>,
    /// Of each stage: for boundaries and for gradients. None on a single device.
    carriers: Vec<[Worker; 2]>,
}

/// The end of the queue of a thread.
#[derive(Clone)]
pub(crate) struct Jobs(Sender<Option<Job>>);

impl Jobs {
    /// Give `job` to the thread, if it is still there.
    pub(crate) fn start(&self, job: Job) -> bool {
        self.0.send(Some(job)).is_ok()
    }
}

struct Worker {
    jobs: Option<Jobs>,
    thread: Option<JoinHandle<()>>,
    /// Whether it waits for what will not come.
    lost: AtomicBool,
}

impl Workers {
    pub(crate) fn spawn(
        num_stages: usize,
        threads_per_stage: Option<usize>,
        several_devices: bool,
    ) -> Result<Self, PipelineError> {
        let stages = (0..num_stages)
            .map(|stage| Worker::spawn(stage, &format!("stage-{stage}"), threads_per_stage))
            .collect::<Result<_, _>>()?;
        let num_carried = match several_devices {
            true => num_stages,
            false => 0,
        };
        let carriers = (0..num_carried)
            .map(|stage| {
                let carrier = |what| Worker::spawn(stage, &format!("stage-{stage}-{what}"), None);
                Ok([carrier("boundaries")?, carrier("gradients")?])
            })
            .collect::<Result<_, PipelineError>>()?;
        Ok(Self { stages, carriers })
    }

    /// The thread of each worker.
    pub(crate) fn thread_ids(&self) -> Vec<ThreadId> {
        let threads = self
            .stages
            .iter()
            .filter_map(|worker| worker.thread.as_ref());
        threads.map(|thread| thread.thread().id()).collect()
    }

    /// Give `job` to the worker of `stage`. A worker that is gone drops it, and with it the
    /// channel its report was to come through.
    pub(crate) fn start(&self, stage: usize, job: Job) {
        if let Some(jobs) = &self.stages[stage].jobs {
            jobs.start(job);
        }
    }

    /// What brings boundaries to `stage`.
    pub(crate) fn boundaries_to(&self, stage: usize) -> Option<Jobs> {
        self.carriers.get(stage).and_then(|[it, _]| it.jobs.clone())
    }

    /// What brings gradients to `stage`.
    pub(crate) fn gradients_to(&self, stage: usize) -> Option<Jobs> {
        self.carriers.get(stage).and_then(|[_, it]| it.jobs.clone())
    }

    /// Wait no longer for the worker of `stage`: it waits for a device that does not answer, and
    /// ends when that is gone.
    pub(crate) fn give_up(&self, stage: usize) {
        self.stages[stage].lost.store(true, Ordering::Release);
    }

    /// Give up the carriers that have not done their work by `deadline`.
    pub(crate) fn give_up_carriers(&self, deadline: Instant) {
        let (sender, idle) = channel();
        let carriers = || self.carriers.iter().flatten();
        for (number, carrier) in carriers().enumerate() {
            let sender = sender.clone();
            if let Some(jobs) = &carrier.jobs {
                jobs.start(Box::new(move || {
                    let _ = sender.send(number);
                }));
            }
        }
        drop(sender);
        let mut waiting: Vec<bool> = carriers().map(|_| true).collect();
        let left = || deadline.saturating_duration_since(Instant::now());
        while let Ok(number) = idle.recv_timeout(left()) {
            waiting[number] = false;
        }
        for (carrier, _) in carriers().zip(waiting).filter(|(_, waits)| *waits) {
            carrier.lost.store(true, Ordering::Release);
        }
    }

    /// Whether a thread was given up: the others can do nothing without it.
    pub(crate) fn are_lost(&self) -> bool {
        let all = self.stages.iter().chain(self.carriers.iter().flatten());
        let mut lost = all.map(|worker| worker.lost.load(Ordering::Acquire));
        lost.any(|lost| lost)
    }
}

impl Worker {
    fn spawn(stage: usize, name: &str, threads: Option<usize>) -> Result<Self, PipelineError> {
        let (jobs, queue) = channel::<Option<Job>>();
        let (ready, started) = channel();

        let thread = Builder::new()
            .name(name.to_string())
            .spawn(move || match pool::enter(stage, threads) {
                Ok(pool) => {
                    let _ = ready.send(Ok(()));
                    work(queue);
                    pool.leave();
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(|error| cannot_start(stage, &error.to_string()))?;

        let worker = Self {
            jobs: Some(Jobs(jobs)),
            thread: Some(thread),
            lost: AtomicBool::new(false),
        };
        match started.recv() {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(error)) => Err(cannot_start(stage, &error)),
            Err(_) => Err(cannot_start(stage, "its thread ended at once")),
        }
    }
}

/// Until it is told to end: a thread that was given up may keep an end of the queue for ever.
fn work(queue: Receiver<Option<Job>>) {
    while let Ok(Some(job)) = queue.recv() {
        job();
    }
}

fn cannot_start(stage: usize, error: &str) -> PipelineError {
    PipelineError::Configuration(format!(
        "the worker of stage {stage} cannot start: {error}; use fewer stages or fewer threads per stage"
    ))
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            let _ = jobs.0.send(None);
        }
        if *self.lost.get_mut() {
            return;
        }
        if let Some(thread) = self.thread.take() {
            // A worker catches every panic of a job, so there is nothing left to report here.
            let _ = thread.join();
        }
    }
}

#[cfg(feature = "rayon")]
mod pool {
    //! A thread pool of which the worker itself is the first thread: kernels that the worker
    //! launches run there, and its identity stays what it was.

    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread::{Builder, JoinHandle};

    type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

    pub(super) struct Pool(Option<(rayon::ThreadPool, Threads)>);

    pub(super) fn enter(stage: usize, threads: Option<usize>) -> Result<Pool, String> {
        let Some(num_threads) = threads else {
            return Ok(Pool(None));
        };
        let spawned = Threads::default();
        let handles = spawned.clone();
        rayon::ThreadPoolBuilder::new()
            .num_threads(num_threads)
            .use_current_thread()
            .spawn_handler(move |thread| {
                let handle = Builder::new()
                    .name(format!("stage-{stage}-{}", thread.index()))
                    .spawn(|| thread.run())?;
                handles
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(handle);
                Ok(())
            })
            .build()
            .map(|pool| Pool(Some((pool, spawned))))
            .map_err(|error| error.to_string())
    }

    impl Pool {
        pub(super) fn leave(self) {
            let Some((pool, threads)) = self.0 else {
                return;
            };
            drop(pool);
            let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
            for thread in threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(not(feature = "rayon"))]
mod pool {
    pub(super) struct Pool;

    pub(super) fn enter(_stage: usize, _threads: Option<usize>) -> Result<Pool, String> {
        Ok(Pool)
    }

    impl Pool {
        pub(super) fn leave(self) {}
    }
}
