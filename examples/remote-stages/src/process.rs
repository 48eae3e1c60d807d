//! A server in a process of its own, that ends with this one.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Error;
use crate::server::new_token;

/// A server of devices that this program has started. It ends when this is dropped, or when this
/// program does.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    url: String,
    token: String,
    /// As long as these are open, the server serves.
    _input: Option<ChildStdin>,
    _output: BufReader<ChildStdout>,
}

impl ServerProcess {
    /// Start `command`, which runs [`serve`](crate::serve) on any free port with
    /// `while_input_is_open`, and wait until it says where it serves.
    ///
    /// # Errors
    ///
    /// When the command cannot be run, or ends before it serves.
    pub fn start(mut command: Command) -> Result<Self, Error> {
        let token = new_token();
        let mut child = command
            .env("BURN_PIPELINE_TOKEN", &token)
            .env("RUST_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or(Error::NotServing)?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line)? > 0 {
            if let Some((_, url)) = line.trim_end().split_once(" at ws://") {
                return Ok(Self {
                    child,
                    url: format!("ws://{url}"),
                    token,
                    _input: input,
                    _output: output,
                });
            }
            line.clear();
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
        &self.token
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
