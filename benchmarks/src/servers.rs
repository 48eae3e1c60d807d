//! Servers of devices in processes of their own: this program again, started by itself.

use std::io::{PipeReader, Read, pipe};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use burn::tensor::Device;
use burn_pipeline::{DeviceError, Remote};
use remote_stages::{Error, ServeArgs, ServerProcess, serve as serve_devices};

/// How long a server may be silent: one that shares its cores with others computes for long.
const TIME_OUT: Duration = Duration::from_secs(60);

/// Serve `devices`, by name, on any free port of this machine, until the standard input ends.
///
/// # Errors
///
/// When a device cannot be opened.
pub fn serve(devices: &str) -> Result<(), Error> {
    let args = ServeArgs {
        devices: devices.split(',').map(str::to_string).collect(),
        port: 0,
        listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
        token: std::env::var("BURN_PIPELINE_TOKEN").ok(),
        no_token: false,
        while_input_is_open: true,
    };
    serve_devices(&args, &mut std::io::stdout())
}

/// A server that ends when this is dropped. Its kernels run on one thread.
pub struct Server {
    process: ServerProcess,
    errors: PipeReader,
}

impl Server {
    /// A server of `devices`, by name.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(devices: &str) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--devices", devices]);
        Self::run(command)
    }

    /// A server of `devices` whose process cannot have more than `limit` bytes of data: what it
    /// asks for beyond them ends it. Threads get small stacks, and what is freed goes back to the
    /// system, so that the limit is on tensors.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or not within the limit.
    pub fn start_within(limit: u64, devices: &str) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"ulimit -c 0; ulimit -d "$0" && exec "$@""#])
            .arg((limit >> 10).to_string())
            .arg(std::env::current_exe()?)
            .args(["serve", "--devices", devices])
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .env("MALLOC_TRIM_THRESHOLD_", "65536")
            .env("TOKIO_WORKER_THREADS", "1")
            .env("RUST_MIN_STACK", (1 << 20).to_string());
        Self::run(command)
    }

    fn run(mut command: Command) -> Result<Self, Error> {
        let (errors, their_errors) = pipe()?;
        command.env("RAYON_NUM_THREADS", "1").stderr(their_errors);
        Ok(Self {
            process: ServerProcess::start(command)?,
            errors,
        })
    }

    /// Its device of this number, in a session that is open.
    ///
    /// # Errors
    ///
    /// When it does not let this program in.
    pub fn device(&self, index: usize) -> Result<Device, DeviceError> {
        Remote::new(self.process.url())
            .with_token(self.process.token())
            .with_time_out(TIME_OUT)
            .device(index)
    }

    /// The bytes that count against its limit now. Linux tells, other systems do not.
    pub fn data_bytes(&self) -> Option<u64> {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).ok()?;
        let data = status.lines().find_map(|it| it.strip_prefix("VmData:"))?;
        let kib: u64 = data.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib << 10)
    }

    /// The seconds that its threads have computed, all together, if the system tells.
    pub fn cpu_seconds(&self) -> Option<f64> {
        cpu_seconds(&self.process.id().to_string())
    }

    /// End it, and return what it wrote as its errors.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub fn last_words(mut self) -> std::io::Result<String> {
        self.process.kill();
        let mut words = String::new();
        self.errors.read_to_string(&mut words)?;
        Ok(words)
    }
}

/// The seconds that the threads of this process have computed, all together, if the system tells.
pub fn own_cpu_seconds() -> Option<f64> {
    cpu_seconds("self")
}

fn cpu_seconds(process: &str) -> Option<f64> {
    /// Linux counts in hundredths of a second, whatever its own clock does.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program may have spaces in it, and ends at the last bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Option<Vec<f64>> = ticks.map(|it| it.parse().ok()).collect();
    Some(ticks?.iter().sum::<f64>() / TICKS_PER_SECOND)
}
