use burn::optim::AdamConfig;
use burn::tensor::Device;

use crate::{Args, Error, ModelConfig, NUM_CLASSES, TrainingConfig, accuracy, pipelined, plain};

/// Train one way or the other, and print the accuracy on images that were not trained on.
///
/// # Errors
///
/// When training fails, or a file cannot be written.
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
    let device = Device::flex();
    let trained = device.clone().autodiff();
    match args.single_device {
        true => plain::train(&args.save, &config, &trained)?,
        false => pipelined::train(&args.save, &config, &vec![trained; args.stages])?,
    }

    let accuracy = 100.0 * accuracy(&args.save, &config, num_held_out, &device)?;
    println!("accuracy on {num_held_out} new images: {accuracy:.1} %");
    Ok(())
}
