//! What layers cost, measured on every device.

use burn::tensor::Device;
use burn_pipeline::{BytesSource, Profiler, measure_links, measured_cluster};
use burn_pipeline_tests::models::{Convolution, Toy};

use super::lists::{devices, lists};

#[test]
fn every_device_is_profiled_and_what_connects_it() {
    for list in lists() {
        println!("on {list}");
        let devices = devices(&list, 2);
        let model = Convolution::model(&Device::flex());
        let profiles: Vec<_> = devices
            .iter()
            .map(|device| {
                let (input, _) = Convolution::batch(6, &Device::flex());
                let profiler = Profiler::new().with_repetitions(2).with_num_samples([2, 6]);
                // What the process has allocated says nothing about a device with memory of its own.
                let profiler = profiler.with_live_bytes(|| 0).with_peak_bytes(|| 0);
                let profile = profiler.profile(&model, input, device).unwrap();
                if device.memory_pool_usage().is_some() {
                    assert_eq!(profile.bytes_source, BytesSource::DevicePools);
                    assert_eq!(profile.at(0, 6).working_bytes, None);
                    assert!(profile.at(0, 6).activation_bytes > 0, "{profile}");
                }
                profile
            })
            .collect();
        for profile in &profiles {
            profile.check().unwrap();
            assert_eq!(profile.num_layers(), 8);
            let all = |of: fn(&burn_pipeline::Measurement) -> f64| {
                (0..8).map(|layer| of(&profile.at(layer, 6))).sum::<f64>()
            };
            assert!(all(|it| it.forward) > 0.0, "{profile}");
            assert!(all(|it| it.recorded_forward) > 0.0, "{profile}");
            assert!(all(|it| it.backward) > 0.0, "{profile}");
            // Six images of four channels and 5 x 5 numbers.
            assert_eq!(profile.at(0, 6).output_bytes, 6 * 4 * 5 * 5 * 4);
        }
        for link in measure_links(&devices).unwrap() {
            assert!(
                link.link.latency >= 0.0 && link.link.bandwidth > 0.0,
                "{link:?}"
            );
        }
        assert_eq!(
            measured_cluster(&devices, &profiles).unwrap().num_devices(),
            2
        );
    }
}
