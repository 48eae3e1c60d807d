//! What it takes to move tensors between devices.

use burn::tensor::Device;
use burn_pipeline::{Link, MeasuredLink, measure_links, measured_cluster};
use burn_pipeline_tests::devices::two_devices;
use burn_pipeline_tests::models::{Mlp, Toy};

use super::profiler;

#[test]
fn a_device_reaches_itself_at_once() {
    let links = measure_links(&[Device::flex(), Device::flex()]).unwrap();
    let ends: Vec<_> = links.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(ends, [(0, 1), (1, 0)]);
    assert!(links.iter().all(|it| it.link == Link::NONE));
}

#[test]
fn what_moves_between_two_devices_takes_time_both_ways() {
    let devices = two_devices();
    let links = measure_links(&devices).unwrap();
    let ends: Vec<_> = links.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(ends, [(0, 1), (1, 0)]);
    for MeasuredLink { link, .. } in links {
        assert_takes_time(link);
    }
}

#[test]
fn a_measured_cluster_has_the_links_between_its_devices() {
    let devices = two_devices();
    let model = Mlp::model(&devices[0]);
    let profiles: Vec<_> = devices
        .iter()
        .map(|device| {
            let (input, _) = Mlp::batch(4, &devices[0]);
            profiler().profile(&model, input, device).unwrap()
        })
        .collect();
    let cluster = measured_cluster(&devices, &profiles).unwrap();
    assert_eq!(cluster.num_devices(), 2);
    for device in [0, 1] {
        let flops = cluster.device(device).flops;
        assert!(flops.is_finite() && flops > 0.0, "{flops}");
        assert_eq!(cluster.device(device).name, profiles[device].device);
        assert_takes_time(cluster.link(device, 1 - device));
    }
}

/// Memory moves 4 MiB in more time than 64 bytes, and no more than a terabyte in a second.
fn assert_takes_time(link: Link) {
    assert!((1e-9..1.0).contains(&link.latency), "{link:?}");
    assert!((1e3..1e12).contains(&link.bandwidth), "{link:?}");
}
