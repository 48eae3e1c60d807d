//! A server in a process of its own, that ends with this one.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::Error;

/// The token of servers that a program starts for itself.
const TOKEN: &str = "between this program and its servers";

/// A server of devices that this program has started. It ends when this is dropped, or when this
/// program does.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    url: String,
    /// As long as it is open, the server serves.
    _input: Option<ChildStdin>,
}

impl ServerProcess {
    /// Start `command`, which runs [`serve`](crate::serve) on any free port with
    /// `while_input_is_open`, and wait until it says where it serves.
    ///
    /// # Errors
    ///
    /// When the command cannot be run, or ends before it serves.
    pub fn start(mut command: Command) -> Result<Self, Error> {
        let mut child = command
            .env("BURN_PIPELINE_TOKEN", TOKEN)
            .env("RUST_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or(Error::NotServing)?;
        for line in BufReader::new(output).lines() {
            if let Some((_, url)) = line?.split_once(" at ws://") {
                return Ok(Self {
                    child,
                    url: format!("ws://{url}"),
                    _input: input,
                });
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(Error::NotServing)
    }

    /// Where it serves: `ws://127.0.0.1:41234`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token that it asks for.
    pub fn token(&self) -> &str {
        TOKEN
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// End it at once, as a machine that loses its power does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
