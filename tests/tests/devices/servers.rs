//! Servers in processes of their own: this test binary again, started by itself.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use burn::tensor::Device;
use burn_pipeline::Remote;
use remote_stages::{ServeArgs, ServerProcess, serve};

const SERVES: &str = "THIS_PROCESS_SERVES";
const PORT: &str = "THIS_PROCESS_SERVES_AT";

/// What the processes of servers run; nothing elsewhere.
#[test]
fn a_server_for_the_other_tests() {
    let Ok(devices) = std::env::var(SERVES) else {
        return;
    };
    let args = ServeArgs {
        devices: devices.split(',').map(str::to_string).collect(),
        port: std::env::var(PORT).map_or(0, |port| port.parse().unwrap()),
        listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
        token: std::env::var("BURN_PIPELINE_TOKEN").ok(),
        no_token: false,
        while_input_is_open: true,
    };
    serve(&args, &mut std::io::stdout()).unwrap();
}

/// A server of `devices`, by name.
pub fn start(devices: &str) -> ServerProcess {
    start_at(devices, "0")
}

/// The same at a port of one's own choice.
pub fn start_at(devices: &str, port: &str) -> ServerProcess {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "servers::a_server_for_the_other_tests",
            "--nocapture",
        ])
        .env(SERVES, devices)
        .env(PORT, port);
    ServerProcess::start(command).unwrap()
}

pub fn remote(server: &ServerProcess) -> Remote {
    Remote::new(server.url())
        .with_token(server.token())
        // Tests share few cores: a server may take its time to answer.
        .with_time_out(Duration::from_secs(20))
}

/// Two servers that live as long as the tests, the second with two devices.
pub fn shared() -> [Device; 3] {
    static SERVERS: OnceLock<[ServerProcess; 2]> = OnceLock::new();
    let [one, two] = SERVERS.get_or_init(|| [start("flex"), start("flex,flex")]);
    let second = |index| remote(two).device(index).unwrap();
    [remote(one).device(0).unwrap(), second(0), second(1)]
}
