use std::io::Write;

use burn::module::Module;
use burn::tensor::Device;
use burn_pipeline::{Configuration, Sequential, StepCost, open_devices};

use crate::{AlexNet, Args, Error, Outcome, search, train};

/// Search a plan, show it beside the usual ones, and train by it, by data parallelism and on one
/// device. Reports to `out`.
///
/// # Errors
///
/// When the flags do not fit each other, a device cannot be used, or a layer fails.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    args.check()?;
    let devices = open_devices(&args.devices, args.num_devices)?;
    let first = devices[0].clone();
    first.seed(args.seed);
    let model = args.model().init(&first.clone().autodiff());
    let (_, comparison) = search(args, &model, &first)?;
    writeln!(
        out,
        "{} parameters in {} layers, on {} devices with links of {} GB/s.\n\n{comparison}\n",
        model.num_params(),
        model.num_layers(),
        args.num_devices,
        args.bandwidth
    )?;
    if let Some(file) = &args.draw {
        std::fs::write(file, comparison.svg().to_string())?;
        writeln!(out, "The plan is drawn in {}.\n", file.display())?;
    }

    let num_layers = model.num_layers();
    let one = vec![Configuration::WHOLE; num_layers];
    let plain = train(args, &model, &one, &devices[..1])?;
    line(out, "one device", &plain, None)?;
    let [data, ..] = comparison.baselines.as_slice() else {
        unreachable!("data parallelism is the first baseline")
    };
    for strategy in [data, &comparison.searched] {
        let outcome = carry_out(args, &model, &strategy.cost, &devices)?;
        line(out, &strategy.name, &outcome, Some(&strategy.cost))?;
        let apart = plain.losses.iter().zip(&outcome.losses);
        let apart = apart.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        writeln!(out, "  losses at most {apart:.1e} from those of one device")?;
    }
    Ok(())
}

/// The plan is of the model's layers, between where its input comes from and where its output goes.
fn carry_out(
    args: &Args,
    model: &AlexNet,
    cost: &StepCost,
    devices: &[Device],
) -> Result<Outcome, Error> {
    let configurations = cost.configurations();
    train(
        args,
        model,
        &configurations[1..=model.num_layers()],
        devices,
    )
}

fn line(
    out: &mut impl Write,
    name: &str,
    outcome: &Outcome,
    cost: Option<&StepCost>,
) -> Result<(), Error> {
    let Outcome { losses, .. } = outcome;
    write!(
        out,
        "{name}: loss {:.3} to {:.3}, {:.3} s per step, {:.2} MB moved per step",
        losses[0],
        losses[losses.len() - 1],
        outcome.seconds_per_step,
        outcome.bytes_per_step() as f64 / 1e6
    )?;
    match cost {
        Some(cost) => writeln!(out, ", {:.2} predicted", cost.bytes() as f64 / 1e6)?,
        None => writeln!(out)?,
    }
    Ok(())
}
