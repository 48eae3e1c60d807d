//! The threads of a pipeline: one per stage, alive as long as it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle, ThreadId};

use crate::PipelineError;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// One long-lived thread per stage. Streams, fusion queues and thread pools belong to a thread, so
/// a stage keeps its own. Dropping the workers joins them.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn spawn(
        num_stages: usize,
        threads_per_stage: Option<usize>,
    ) -> Result<Self, PipelineError> {
        (0..num_stages)
            .map(|stage| Worker::spawn(stage, threads_per_stage))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The thread of each worker.
    pub(crate) fn thread_ids(&self) -> Vec<ThreadId> {
        let threads = self.0.iter().filter_map(|worker| worker.thread.as_ref());
        threads.map(|thread| thread.thread().id()).collect()
    }

    /// Give `job` to the worker of `stage`. A worker that is gone drops it, and with it the
    /// channel its report was to come through.
    pub(crate) fn start(&self, stage: usize, job: Job) {
        if let Some(jobs) = &self.0[stage].jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Worker {
    fn spawn(stage: usize, threads: Option<usize>) -> Result<Self, PipelineError> {
        let (jobs, queue) = channel::<Job>();
        let (ready, started) = channel();

        let thread = Builder::new()
            .name(format!("stage-{stage}"))
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
            jobs: Some(jobs),
            thread: Some(thread),
        };
        match started.recv() {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(error)) => Err(cannot_start(stage, &error)),
            Err(_) => Err(cannot_start(stage, "its thread ended at once")),
        }
    }
}

fn work(queue: Receiver<Job>) {
    while let Ok(job) = queue.recv() {
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
        self.jobs = None;
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
