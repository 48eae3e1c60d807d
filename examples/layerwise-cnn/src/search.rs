//! From a model to what is known of its best plan.

use burn::tensor::Device;
use burn_pipeline::{
    Cluster, Comparison, DeviceSpec, Graph, Layerwise, Link, Profiler, Synchronization, layer_graph,
};

use crate::{AlexNet, Args, Error};

/// Measure the layers of `model` on `device`, and search the best plan for the links that `args`
/// describe. Beside it, what everyone does without a search.
///
/// # Errors
///
/// When a layer fails, or the links are none.
pub fn search(args: &Args, model: &AlexNet, device: &Device) -> Result<(Graph, Comparison), Error> {
    let sample = args.pictures().batch(0, args.batch_size, device).images;
    let profile =
        Profiler::new()
            .with_threads_per_stage(Some(1))
            .profile(model, sample.clone(), device)?;
    let graph = layer_graph(model, sample, &profile)?;

    let link = Link {
        latency: args.latency * 1e-6,
        bandwidth: args.bandwidth * 1e9,
    };
    // Measured times need no rate of operations: all devices are taken to be as fast as this one.
    let spec = DeviceSpec {
        name: profile.device,
        flops: 1.0,
        memory_bytes: None,
    };
    let cluster = Cluster::uniform(args.num_devices, spec, link)?;
    let group: Vec<usize> = (0..args.num_devices).collect();
    let comparison = Layerwise::new(&graph, &cluster, &group)?
        .with_synchronization(Synchronization::ParameterServer)
        .compare()?;
    Ok((graph, comparison))
}
