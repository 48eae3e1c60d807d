//! From a profile to the costs of a schedule's instructions on one host.

use burn_pipeline::{Cluster, Costs, DeviceSpec, Link, Partition, Profile, Schedule};

/// What the instructions of `schedule` cost where `partition` says which layers each place has, with
/// `num_samples` in each micro-batch.
///
/// Stages share the memory of the host: nothing moves between them.
pub fn costs(
    profile: &Profile,
    partition: &Partition,
    schedule: &Schedule,
    num_samples: usize,
) -> Costs {
    let num_stages = schedule.num_stages();
    let device = DeviceSpec {
        name: profile.device.clone(),
        flops: 1.0,
        memory_bytes: None,
    };
    let cluster = Cluster::uniform(num_stages, device, Link::NONE);
    let cluster = cluster.expect("a schedule has stages");
    let devices: Vec<usize> = (0..num_stages).collect();
    let micro_batches = vec![num_samples; schedule.num_micro_batches()];
    let costs = profile
        .on(&cluster)
        .and_then(|it| it.costs(partition, &devices, schedule, &micro_batches));
    costs.expect("a benchmark's profile, cuts and schedule are of one model")
}
