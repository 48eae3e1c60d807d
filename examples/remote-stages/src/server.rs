//! This machine's devices for others: Burn's own server, closed to all who do not know its token.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn_pipeline::open_device;
use clap::Args;
use rand::RngExt;

use crate::Error;

/// What is served, where, and to whom.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The devices to serve, by name: a client picks one by its place in this list.
    #[arg(long, default_value = "flex", value_delimiter = ',')]
    pub devices: Vec<String>,

    /// The port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,

    /// The address to listen at. Other machines reach this one only at an address of its own, or
    /// at all of them with 0.0.0.0: give it where you trust the network, since nothing is encrypted.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,

    /// The token that clients must know. Without one, a new one is made and printed.
    #[arg(long, env = "BURN_PIPELINE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Let everyone in who reaches the port, whatever token is given.
    #[arg(long)]
    pub no_token: bool,

    /// End when the standard input does: for servers that another program starts.
    #[arg(long)]
    pub while_input_is_open: bool,
}

/// Serve until the process is told to end, writing to `out` where.
///
/// # Errors
///
/// When a device cannot be opened, the port is taken, or the token is empty.
pub fn serve(args: &ServeArgs, out: &mut impl Write) -> Result<(), Error> {
    let devices = args.devices.iter().map(|name| open_device(name));
    let devices = devices.collect::<Result<Vec<_>, _>>()?;
    let listener = TcpListener::bind((args.listen, args.port)).map_err(|source| Error::Listen {
        address: format!("{}:{}", args.listen, args.port),
        source,
    })?;
    if !args.listen.is_loopback() {
        eprintln!(
            "warning: other machines reach this server at {}, and nothing between them and it is encrypted: use it on a network that you trust, or through a tunnel",
            args.listen
        );
    }

    let mut server = RemoteServer::new(devices);
    let mut made = None;
    match (&args.token, args.no_token) {
        (_, true) => eprintln!(
            "warning: no token is asked for: whoever reaches this server computes on it and reads what others compute"
        ),
        (Some(token), false) => {
            server = server.with_authorizer(TokenAuthorizer::new(token)?);
        }
        (None, false) => {
            let token = new_token();
            server = server.with_authorizer(TokenAuthorizer::new(&token)?);
            made = Some(token);
        }
    }
    if let Some(token) = made {
        writeln!(out, "clients need BURN_PIPELINE_TOKEN={token}")?;
    }
    let names = args.devices.join(", ");
    writeln!(out, "serving {names} at ws://{}", listener.local_addr()?)?;
    out.flush()?;

    if args.while_input_is_open {
        std::thread::spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
    }
    server.serve(WebSocketTransport::from_listener(listener))?;
    Ok(())
}

/// A token that nobody has guessed.
pub(crate) fn new_token() -> String {
    let bytes: [u8; 16] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
