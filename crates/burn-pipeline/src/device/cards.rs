//! One card under two names is one card.

use burn::tensor::Device;

use super::label;

/// Say so where two stages, or two devices of one, are on one card that goes by two names: they
/// share its memory and its time, which a name for each does not show. `groups` are the devices of
/// each stage.
pub(crate) fn warn_of_shared_cards(groups: &[Vec<Device>]) {
    let stages = groups.iter().enumerate();
    let of_stages =
        stages.flat_map(|(stage, group)| group.iter().map(move |it| (stage, it.clone())));
    let (stages, devices): (Vec<_>, Vec<_>) = of_stages.unzip();
    for (first, second, why) in shared(&devices) {
        log::warn!(
            "stages {} and {} are on one device under two names, `{}` and `{}` ({why}): they share its memory and its time; give both the same name, or place one elsewhere",
            stages[first],
            stages[second],
            label(&devices[first]),
            label(&devices[second]),
        );
    }
}

/// The pairs of devices that are one card under two names, the first pair of each two names.
fn shared(devices: &[Device]) -> Vec<(usize, usize, String)> {
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    for (other, second) in devices.iter().enumerate() {
        for (stage, first) in devices[..other].iter().enumerate() {
            let told = found.iter().any(|(a, b, _)| {
                (&devices[*a], &devices[*b]) == (first, second)
                    || (&devices[*a], &devices[*b]) == (second, first)
            });
            if first == second || told {
                continue;
            }
            if let Some(why) = one_card(first, second) {
                found.push((stage, other, why));
            }
        }
    }
    found
}

fn one_card(first: &Device, second: &Device) -> Option<String> {
    #[cfg(feature = "remote")]
    if let Some(why) = crate::remote::one_server(first, second) {
        return Some(why);
    }
    physical(first, second)
}

#[cfg(any(feature = "cpu", feature = "cuda", feature = "rocm", feature = "wgpu"))]
fn physical(first: &Device, second: &Device) -> Option<String> {
    let is_software = [first, second]
        .iter()
        .any(|it| format!("{it:?}").contains("Cpu"));
    let (first, second) = (first.identity()?, second.identity()?);
    let same = match (first.physical, second.physical) {
        (Some(one), Some(other)) => one.is_same_card(&other),
        // A software driver is no card.
        (None, None) => is_software && first.name == second.name,
        _ => false,
    };
    same.then_some(first.name)
}

#[cfg(not(any(feature = "cpu", feature = "cuda", feature = "rocm", feature = "wgpu")))]
fn physical(_first: &Device, _second: &Device) -> Option<String> {
    None
}

#[cfg(all(test, feature = "wgpu", feature = "flex"))]
mod tests {
    use super::*;
    use crate::{available_devices, open_device};

    #[test]
    fn a_card_by_two_names_is_one() {
        let names = available_devices();
        let adapters = names.iter().filter(|name| name.starts_with("wgpu:"));
        let [name] = adapters.collect::<Vec<_>>()[..] else {
            // Which of several is the default is the system's choice. CI has one.
            return;
        };
        let by_name = open_device(name).unwrap();
        let by_default = open_device("wgpu").unwrap();
        let devices = [Device::flex(), by_name.clone(), by_default, by_name];
        let found = shared(&devices);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1), (1, 2));
        assert_eq!(shared(&[Device::flex(), Device::flex()]), []);
    }
}
