//! Time to read a number, and to move tensors between here and servers.

use std::error::Error;

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
    /// Of the servers `a` and `b` and this program; `b/0` and `b/1` are two devices of one.
    route: &'static str,
    kib: usize,
    /// Until one number of the tensor has been read where it arrived.
    milliseconds: f64,
    mib_per_second: f64,
}

impl Remote {
    pub(super) fn transfers(&self, report: &Report, device: &str) -> Result<(), Box<dyn Error>> {
        report.conditions(
            "remote: moves of a tensor between this program and two servers, a and b, on this machine, each \
             until one number of it has been read where it arrived. The first line moves nothing.",
        );
        let servers = [
            Server::start(device)?,
            Server::start(&format!("{device},{device}"))?,
        ];
        let first = servers[0].device(0)?;
        let (second, beside) = (servers[1].device(0)?, servers[1].device(1)?);
        let here = Device::flex();
        let routes = [
            ("here to a", &here, &first),
            ("a to here", &first, &here),
            ("a to b", &first, &second),
            ("b/0 to b/1", &second, &beside),
        ];
        report.result(&line(report, "a", 0, &first, &first));
        for &kib in &self.kib {
            for (route, from, to) in routes {
                report.result(&line(report, route, kib, from, to));
            }
        }
        Ok(())
    }
}

fn line(report: &Report, route: &'static str, kib: usize, from: &Device, to: &Device) -> Line {
    let tensor = Tensor::<1>::ones([(kib << 8).max(1)], from);
    wait_for(tensor.clone());
    let travel = || seconds(|| wait_for(tensor.clone().to_device(to))).1;
    travel();
    let times: Vec<_> = (0..report.repetitions()).map(|_| travel()).collect();
    let time = median(&times);
    Line {
        bench: "remote-transfers",
        route,
        kib,
        milliseconds: 1e3 * time,
        mib_per_second: kib as f64 / 1024.0 / time,
    }
}
