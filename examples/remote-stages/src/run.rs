//! Training across servers, and going on without one that is lost.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use burn::optim::AdamConfig;
use burn::tensor::Device;
use burn_pipeline::{
    Loaded, PipelineConfig, PipelineError, PipelineModule, PipelineOptimizer, Placement, Remote,
    SaveError, Saved,
};

use crate::model::{Reader, batch, loss};
use crate::{Args, Error, ServeArgs, ServerProcess, serve};

const LEARNING_RATE: f64 = 1e-3;
const SEED: u64 = 7;

/// A model in training, and where it is saved.
struct Training {
    pipeline: PipelineModule<Reader>,
    optimizer: PipelineOptimizer,
    saved: Saved,
}

/// Train as `args` say, writing to `out` what happens.
///
/// # Errors
///
/// When a server cannot be started or reached, or too few are left to go on.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    if args.serve {
        return serve_the_starter(out);
    }
    check(args)?;
    let mut started = Vec::new();
    let mut remotes: Vec<Remote> = args.servers.iter().map(Remote::new).collect();
    if args.servers.is_empty() {
        for _ in 0..args.start {
            started.push(ServerProcess::start(server()?)?);
        }
        let connect = |server: &ServerProcess| Remote::new(server.url()).with_token(server.token());
        remotes = started.iter().map(connect).collect();
    }
    let time_out = Duration::from_secs(args.time_out);
    remotes = remotes
        .into_iter()
        .map(|it| it.with_time_out(time_out))
        .collect();

    let mut training = Training::new(args, &devices(args, &remotes)?)?;
    training.save()?;
    let mut step = 0;
    let mut lose_one_at = args.lose_one_at;
    let mut failed_at = None;
    while step < args.steps {
        if lose_one_at.is_some_and(|at| at <= step)
            && let Some(mut server) = started.pop()
        {
            lose_one_at = None;
            writeln!(out, "step {step}: {} is killed", server.url())?;
            server.kill();
        }
        let began = Instant::now();
        training = match training.step(args) {
            Ok((training, loss)) => {
                writeln!(out, "step {step}: loss {loss:.6}")?;
                step += 1;
                training
            }
            Err(error) if lost_a_device(&error) => {
                writeln!(out, "after {:.2} s: {error}", began.elapsed().as_secs_f64())?;
                let num_servers = remotes.len();
                remotes.retain(|remote| remote.device(0).is_ok());
                let devices = devices(args, &remotes)?;
                // A step that fails on servers which are all there would fail on them again.
                let again = remotes.len() == num_servers && failed_at == Some(step);
                if devices.is_empty() || again {
                    return Err(error);
                }
                failed_at = Some(step);
                let training = Training::new(args, &devices)?.load()?;
                step = training.pipeline.num_steps();
                let num_stages = devices.len();
                writeln!(out, "going on from step {step} on {num_stages} stages")?;
                training
            }
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

fn lost_a_device(error: &Error) -> bool {
    matches!(
        error,
        Error::Pipeline(PipelineError::DeviceLost(_))
            | Error::Save(SaveError::Device { .. })
            | Error::Read(_)
    )
}

fn check(args: &Args) -> Result<(), Error> {
    let num_servers = match args.servers.len() {
        0 => args.start,
        num_servers => num_servers,
    };
    let num_stages = num_servers + usize::from(args.first_stage_here);
    if num_stages == 0 || args.layers < num_stages.max(2) {
        return Err(Error::Options(format!(
            "{} layers cannot be on {num_stages} stages: give --start or --servers at least 1 server, and --layers at least {}",
            args.layers,
            num_stages.max(2)
        )));
    }
    Ok(())
}

/// This program again, as a server.
fn server() -> Result<Command, Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve");
    Ok(command)
}

/// What a server that this program has started does.
fn serve_the_starter(out: &mut impl Write) -> Result<(), Error> {
    let args = ServeArgs {
        devices: vec!["flex".to_string()],
        port: 0,
        listen: Ipv4Addr::LOCALHOST.into(),
        token: std::env::var("BURN_PIPELINE_TOKEN").ok(),
        no_token: false,
        while_input_is_open: true,
    };
    serve(&args, out)
}

/// One device per stage.
fn devices(args: &Args, remotes: &[Remote]) -> Result<Vec<Device>, Error> {
    let here = args.first_stage_here.then(|| Ok(Device::flex()));
    let far = remotes.iter().map(|remote| Ok(remote.device(0)?));
    here.into_iter().chain(far).collect()
}

impl Training {
    fn new(args: &Args, devices: &[Device]) -> Result<Self, Error> {
        let pipeline = PipelineConfig::new()
            .with_num_micro_batches(args.micro_batches)
            .with_seed(SEED)
            .init(
                Reader::initialised(args.layers, args.width, SEED),
                Placement::even(devices),
            )?;
        Ok(Self {
            pipeline,
            optimizer: AdamConfig::new().init().into(),
            saved: Saved::new(&args.save),
        })
    }

    /// The training after one more step, and the loss before it.
    fn step(mut self, args: &Args) -> Result<(Self, f32), Error> {
        let (images, digits) = batch(self.pipeline.num_steps(), args.batch_size)?;
        let step = self.pipeline.train_step(images, digits, loss)?;
        let loss = step.loss.try_into_scalar()?;
        self.pipeline = self
            .optimizer
            .step(LEARNING_RATE, self.pipeline, step.grads)?;
        if self.pipeline.num_steps().is_multiple_of(args.save_every) {
            self.save()?;
        }
        Ok((self, loss))
    }

    fn save(&self) -> Result<(), Error> {
        self.saved
            .save(&self.pipeline, &self.optimizer, None, &())?;
        Ok(())
    }

    fn load(self) -> Result<Self, Error> {
        let Loaded {
            pipeline,
            optimizer,
            ..
        } = self.saved.load::<_, ()>(self.pipeline, self.optimizer)?;
        Ok(Self {
            pipeline,
            optimizer,
            saved: self.saved,
        })
    }
}
