//! The search of layer-wise parallelism on networks of the literature: its time, and what it gains.

use std::error::Error;
use std::path::PathBuf;

use burn_pipeline::{Baseline, Cluster, Graph, Layerwise, Strategy};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::measure::{median, seconds};
use crate::report::Report;

/// The flags of `layerwise`.
#[derive(Args)]
pub struct LayerwiseSearch {
    /// Networks to split.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Network::value_variants().to_vec())]
    networks: Vec<Network>,
    /// Numbers of devices: P100, four to a host.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16")]
    num_devices: Vec<usize>,
    /// Images in a mini-batch, for each device.
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    images: usize,
    /// A number of devices for one more search: the largest network, once.
    #[arg(long, value_name = "N", default_value_t = 256)]
    at_scale: usize,
    /// A folder to draw each searched plan to, as SVG.
    #[arg(long, value_name = "FOLDER")]
    draw: Option<PathBuf>,
}

/// A network that is shipped as a graph.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    #[value(name = "lenet-5")]
    Lenet5,
    #[value(name = "alexnet")]
    AlexNet,
    #[value(name = "vgg-16")]
    Vgg16,
    #[value(name = "resnet-50")]
    ResNet50,
    #[value(name = "inception-v3")]
    InceptionV3,
}

impl Network {
    fn graph(self, batch_size: usize) -> Graph {
        match self {
            Self::Lenet5 => Graph::lenet5(batch_size),
            Self::AlexNet => Graph::alexnet(batch_size),
            Self::Vgg16 => Graph::vgg16(batch_size),
            Self::ResNet50 => Graph::resnet50(batch_size),
            Self::InceptionV3 => Graph::inception_v3(batch_size),
        }
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |it| it.get_name().to_string())
    }
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    network: String,
    devices: usize,
    layers: usize,
    /// The time of the search.
    search_ms: f64,
    /// Layers that no elimination could take, whose configurations were enumerated.
    enumerated: usize,
    /// A step under the searched plan, and what it moves between devices.
    step_ms: f64,
    moved_mib: f64,
    /// The step of each baseline over the searched one.
    data_parallelism: f64,
    model_parallelism: f64,
    one_weird_trick: f64,
    /// What it moves over what the searched plan moves.
    data_parallelism_moved: f64,
    model_parallelism_moved: f64,
    one_weird_trick_moved: f64,
    /// The least of the three steps over the searched one: never below 1.
    best_baseline: f64,
}

impl LayerwiseSearch {
    /// Search, measure the time that it takes, and report.
    ///
    /// # Errors
    ///
    /// When there are no devices, or a drawing cannot be written.
    pub fn run(&self, report: &Report) -> Result<(), Box<dyn Error>> {
        report.conditions(&format!(
            "layerwise: networks split over P100, four to a host by NVLink, hosts by InfiniBand, {} \
             images per device. Steps are predicted from counted operations; the time of the search \
             is measured, without that of the baselines.",
            self.images
        ));
        for &network in &self.networks {
            for &num_devices in &self.num_devices {
                self.search(report, network, num_devices, report.repetitions())?;
            }
        }
        match self.at_scale {
            0 => Ok(()),
            num_devices => self.search(report, Network::InceptionV3, num_devices, 1),
        }
    }

    fn search(
        &self,
        report: &Report,
        network: Network,
        num_devices: usize,
        repetitions: usize,
    ) -> Result<(), Box<dyn Error>> {
        let graph = network.graph(self.images * num_devices);
        let cluster = Cluster::p100_nvlink(num_devices)?;
        let group: Vec<usize> = (0..num_devices).collect();
        let layerwise = Layerwise::new(&graph, &cluster, &group)?;
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..repetitions {
            let (found, time) = seconds(|| layerwise.search());
            last = Some(found?);
            times.push(time);
        }
        if let Some(found) = &last {
            report.result(&line(network, &layerwise, median(&times), found));
        }
        self.draw(network, &layerwise)
    }

    fn draw(&self, network: Network, layerwise: &Layerwise) -> Result<(), Box<dyn Error>> {
        let Some(folder) = &self.draw else {
            return Ok(());
        };
        std::fs::create_dir_all(folder)?;
        let name = format!("{}-{}.svg", network.name(), layerwise.num_devices());
        let drawing = layerwise.compare()?.svg().to_string();
        Ok(std::fs::write(folder.join(name), drawing)?)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a mini-batch has at least 1 image".to_string()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn line(network: Network, layerwise: &Layerwise, search: f64, found: &Strategy) -> Line {
    let searched = &found.cost;
    let ratio = |baseline: Baseline| {
        let cost = layerwise.baseline(baseline);
        let moved = match searched.bytes() {
            0 => 1.0,
            bytes => cost.bytes() as f64 / bytes as f64,
        };
        (cost.seconds() / searched.seconds(), moved)
    };
    let [data, model, trick] = Baseline::ALL.map(ratio);
    Line {
        bench: "layerwise",
        network: network.name(),
        devices: layerwise.num_devices(),
        layers: layerwise.graph().num_nodes(),
        search_ms: 1e3 * search,
        enumerated: found.elimination.left.len(),
        step_ms: 1e3 * searched.seconds(),
        moved_mib: searched.bytes() as f64 / (1 << 20) as f64,
        data_parallelism: data.0,
        model_parallelism: model.0,
        one_weird_trick: trick.0,
        data_parallelism_moved: data.1,
        model_parallelism_moved: model.1,
        one_weird_trick_moved: trick.1,
        best_baseline: data.0.min(model.0).min(trick.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_baseline_is_better_than_what_is_searched() {
        let graph = Network::AlexNet.graph(4 * 32);
        let cluster = Cluster::p100_nvlink(4).unwrap();
        let layerwise = Layerwise::new(&graph, &cluster, &[0, 1, 2, 3]).unwrap();
        let found = layerwise.search().unwrap();
        let line = line(Network::AlexNet, &layerwise, 0.0, &found);
        assert!(line.best_baseline >= 1.0);
        assert!(line.data_parallelism > 1.1);
        assert_eq!(line.enumerated, 1);
    }
}
