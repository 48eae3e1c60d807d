use burn::optim::AdamConfig;
use burn::tensor::Device;
use burn_pipeline::open_devices;

use crate::{Args, Error, ModelConfig, NUM_CLASSES, TrainingConfig, accuracy, pipelined, plain};

/// Train one way or the other, and print the accuracy on images that were not trained on.
///
/// # Errors
///
/// When a device cannot be used, training fails, or a file cannot be written.
pub fn run(args: &Args) -> Result<(), Error> {
    if args.stages == 0 {
        let reason = "0 stages cannot hold 10 layers: give --stages 1 to 10";
        return Err(Error::Options(reason.to_string()));
    }
    let num_held_out = args.images / 8;
    if num_held_out == 0 {
        return Err(Error::Options(format!(
            "an eighth of --images {} is 0, but 1 image at least must be held out: give 8 at least",
            args.images
        )));
    }
    std::fs::create_dir_all(&args.save).map_err(Error::file(&args.save))?;
    let model = ModelConfig::new(NUM_CLASSES, 512);
    let config = TrainingConfig::new(model, AdamConfig::new(), args.images, args.epochs);
    let num_stages = if args.single_device { 1 } else { args.stages };
    let devices = open_devices(&args.devices, num_stages)?;
    let trained: Vec<_> = devices.iter().cloned().map(Device::autodiff).collect();
    // Training seeds the first device, but each backend draws from a generator of its own.
    for (stage, device) in devices.iter().enumerate().skip(1) {
        device.seed(config.seed.wrapping_add(stage as u64));
    }
    match args.single_device {
        true => plain::train(&args.save, &config, &trained[0])?,
        false => pipelined::train(&args.save, &config, &trained)?,
    }

    let accuracy = 100.0 * accuracy(&args.save, &config, num_held_out, &devices[0])?;
    println!("accuracy on {num_held_out} new images: {accuracy:.1} %");
    Ok(())
}
