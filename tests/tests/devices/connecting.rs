//! Servers that cannot be used, each told in a sentence.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use burn_pipeline::{DeviceError, Remote, open_device};

use super::servers::{remote, start, start_at};

const TIME_OUT: Duration = Duration::from_millis(1500);

fn refused(remote: &Remote) -> String {
    let began = Instant::now();
    let error = remote.device(0).unwrap_err();
    assert!(began.elapsed() < 2 * TIME_OUT, "{:?}", began.elapsed());
    assert!(matches!(error, DeviceError::Unreachable { .. }));
    error.to_string()
}

fn impatient(url: impl Into<String>) -> Remote {
    Remote::new(url).with_time_out(TIME_OUT)
}

#[test]
fn a_wrong_token_is_told() {
    let server = start("flex");
    let error = refused(&impatient(server.url()).with_token("guessed"));
    assert!(error.contains("does not know the token"), "{error}");
    assert!(error.contains("BURN_PIPELINE_TOKEN"), "{error}");
    remote(&server).device(0).unwrap();
}

#[test]
fn a_host_that_nobody_knows_is_told() {
    let error = refused(&impatient("ws://no-such-host.invalid:3000"));
    assert!(
        error.contains("`ws://no-such-host.invalid:3000` cannot be reached"),
        "{error}"
    );
    assert!(
        error.contains("the name of the host is not known"),
        "{error}"
    );
}

#[test]
fn a_port_without_a_server_is_told() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("ws://{}", listener.local_addr().unwrap())
    };
    let error = refused(&impatient(&url));
    assert!(error.contains("nothing listens"), "{error}");
    let error = open_device(&format!("remote:{url}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("nothing listens"), "{error}");
}

#[test]
fn a_server_that_accepts_and_never_answers_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let error = refused(&impatient(url));
    assert!(
        error.contains("takes connections and does not answer"),
        "{error}"
    );
}

/// It answers as web servers do, and then no more.
#[test]
fn a_web_server_that_knows_nothing_of_devices_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let error = refused(&impatient(url));
    assert!(error.contains("cannot be reached"), "{error}");
}

#[test]
fn a_device_that_a_server_does_not_have_is_told_with_the_number_it_has() {
    let server = start("flex,flex");
    let error = remote(&server).device(2).unwrap_err().to_string();
    assert!(
        error.contains("it has 2 devices, numbered from 0, and number 2 was asked for"),
        "{error}"
    );
    assert_eq!(remote(&server).devices().unwrap().len(), 2);
}

#[test]
fn a_server_that_was_started_again_is_a_new_device() {
    let mut server = start("flex");
    let first = remote(&server).device(0).unwrap();
    assert_eq!(remote(&server).device(0).unwrap(), first);
    let port = server.url().rsplit(':').next().unwrap().to_string();
    server.kill();

    let again = start_at("flex", &port);
    assert_eq!(again.url(), server.url());
    let second = remote(&again).device(0).unwrap();
    assert_ne!(second, first);
    let three = Tensor::<1>::ones([3], &second).sum();
    assert_eq!(three.into_scalar::<f32>(), 3.0);
    assert_eq!(remote(&again).device(0).unwrap(), second);
}
