//! Operations per second that one program hands to servers.

use std::error::Error;
use std::thread;

use burn::tensor::{Device, Tensor};
use serde::Serialize;

use super::Remote;
use crate::measure::{median, seconds};
use crate::report::Report;
use crate::servers::Server;
use crate::settle::wait_for;

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    /// 0 is the same without a server.
    servers: usize,
    threads: usize,
    operations: u64,
    /// Of all threads together, until each has read its result.
    operations_per_second: f64,
    /// Until the operations are handed over, which is before they are done.
    handed_over_per_second: f64,
}

impl Remote {
    pub(super) fn operations(&self, report: &Report, device: &str) -> Result<(), Box<dyn Error>> {
        report.conditions(&format!(
            "remote: {} additions of a number to a tensor of 16 numbers by each thread, then a read. \
             Each thread has a device of its own, on a server of its own.",
            self.operations
        ));
        let here = Device::flex();
        report.result(&self.line(report, 0, &[here]));
        let most = self.threads.iter().max().copied().unwrap_or(0);
        let servers = (0..most).map(|_| Server::start(device));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let devices = servers.iter().map(|server| server.device(0));
        let devices = devices.collect::<Result<Vec<_>, _>>()?;
        for &threads in &self.threads {
            report.result(&self.line(report, threads, &devices[..threads]));
        }
        Ok(())
    }

    fn line(&self, report: &Report, servers: usize, devices: &[Device]) -> Line {
        self.add(devices);
        let runs = (0..report.repetitions()).map(|_| self.add(devices));
        let (done, handed_over): (Vec<_>, Vec<_>) = runs.unzip();
        let all = (self.operations as usize * devices.len()) as f64;
        Line {
            bench: "remote-operations",
            servers,
            threads: devices.len(),
            operations: self.operations,
            operations_per_second: all / median(&done),
            handed_over_per_second: all / median(&handed_over),
        }
    }

    /// The seconds until all is done, and until the slowest thread had handed its part over.
    fn add(&self, devices: &[Device]) -> (f64, f64) {
        let (handed_over, done) = seconds(|| {
            thread::scope(|scope| {
                let threads = devices
                    .iter()
                    .map(|device| scope.spawn(|| self.add_on(device)));
                let threads: Vec<_> = threads.collect();
                let times = threads.into_iter().map(|it| it.join());
                times
                    .map(|time| time.expect("a server that serves"))
                    .fold(0.0, f64::max)
            })
        });
        (done, handed_over)
    }

    fn add_on(&self, device: &Device) -> f64 {
        let (sum, handed_over) = seconds(|| {
            let zeros = Tensor::<1>::zeros([16], device);
            (0..self.operations).fold(zeros, |sum, _| sum.add_scalar(1.0))
        });
        wait_for(sum);
        handed_over
    }
}
