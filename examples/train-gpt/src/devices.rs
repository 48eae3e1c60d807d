//! The devices that `--devices` can name.

use burn::tensor::Device;

use crate::Error;

/// The names that this build knows.
const NAMES: [&str; 1] = ["flex"];

/// One device per stage, in order. One name serves every stage.
///
/// # Errors
///
/// When a name is unknown, or the number of names is neither 1 nor `num_stages`.
pub fn devices(names: &[String], num_stages: usize) -> Result<Vec<Device>, Error> {
    let devices = names
        .iter()
        .map(|name| device(name))
        .collect::<Result<Vec<_>, _>>()?;
    match devices.as_slice() {
        [device] => Ok(vec![device.clone(); num_stages]),
        _ if devices.len() == num_stages => Ok(devices),
        _ => Err(Error::Options(format!(
            "--devices names {} devices for {num_stages} stages: name one per stage, or one for all",
            devices.len()
        ))),
    }
}

fn device(name: &str) -> Result<Device, Error> {
    match name {
        "flex" => Ok(Device::flex()),
        _ => Err(Error::Options(format!(
            "--devices names `{name}`, but this build has: {}",
            NAMES.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_name_serves_every_stage() {
        assert_eq!(devices(&names(&["flex"]), 3).unwrap().len(), 3);
        assert_eq!(devices(&names(&["flex", "flex"]), 2).unwrap().len(), 2);
    }

    #[test]
    fn an_unknown_name_is_told_what_this_build_has() {
        let error = devices(&names(&["flex", "abacus"]), 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--devices names `abacus`, but this build has: flex"
        );
    }

    #[test]
    fn names_for_another_number_of_stages_are_refused_with_both_numbers() {
        let error = devices(&names(&["flex", "flex"]), 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--devices names 2 devices for 3 stages: name one per stage, or one for all"
        );
    }
}
