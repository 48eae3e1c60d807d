//! The devices that `--devices` can name.

use burn::tensor::Device;

use crate::Error;

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
            "--devices names `{name}`, but this build has: flex"
        ))),
    }
}
