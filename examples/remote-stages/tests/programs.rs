//! The two programs, as a user starts them.

use std::process::{Command, Output};

use remote_stages::ServerProcess;

fn train(args: &[&str], save: &str) -> Output {
    let save = std::env::temp_dir().join(format!("{save}-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_remote-stages"))
        .args(args)
        .arg("--save")
        .arg(&save)
        .output()
        .unwrap();
    std::fs::remove_dir_all(save).unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The loss of each step, the last time that it was taken.
fn losses(output: &Output) -> Vec<(u64, String)> {
    let mut losses = std::collections::BTreeMap::new();
    for line in text(&output.stdout).lines() {
        if let Some((step, loss)) = line
            .strip_prefix("step ")
            .and_then(|it| it.split_once(": loss "))
        {
            losses.insert(step.parse().unwrap(), loss.to_string());
        }
    }
    losses.into_iter().collect()
}

#[test]
fn a_run_that_loses_a_server_goes_on_with_the_numbers_of_one_that_does_not() {
    let args = ["--steps", "8", "--save-every", "3"];
    let undisturbed = train(&args, "undisturbed");
    assert!(
        undisturbed.status.success(),
        "{}",
        text(&undisturbed.stderr)
    );
    let losing = train(&[&args[..], &["--lose-one-at", "5"]].concat(), "losing");
    assert!(losing.status.success(), "{}", text(&losing.stderr));

    let told = text(&losing.stdout);
    assert!(told.contains("is killed"), "{told}");
    assert!(
        told.contains("stage 2 has lost its device `remote:ws://127.0.0.1:"),
        "{told}"
    );
    assert!(told.contains("going on from step 3 on 2 stages"), "{told}");
    let losses = losses(&losing);
    assert_eq!(losses.len(), 8);
    assert_eq!(losses, self::losses(&undisturbed));
}

#[test]
fn a_server_makes_a_token_unless_it_is_given_one() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
    command.args(["--port", "0", "--while-input-is-open"]);
    let server = ServerProcess::start(command).unwrap();
    let remote = burn_pipeline::Remote::new(server.url());
    let error = remote.clone().with_token("another").device(0).unwrap_err();
    assert!(
        error.to_string().contains("does not know the token"),
        "{error}"
    );
    assert_eq!(
        remote.with_token(server.token()).devices().unwrap().len(),
        1
    );
}

#[test]
fn an_empty_token_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_serve"))
        .args(["--port", "0", "--token", ""])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("token"),
        "{}",
        text(&output.stderr)
    );
}
