use std::io::Write;

use burn_pipeline::{Gantt, Planner, open_devices};

use crate::comparison::Comparison;
use crate::measuring::measure;
use crate::model::Network;
use crate::pictures::Pictures;
use crate::{Args, Error, files};

/// What Adam keeps of each parameter: two numbers.
const OPTIMIZER_BYTES: f64 = 2.0;

/// Profile, plan and train, and report each to `out`.
///
/// # Errors
///
/// When a device cannot be used, a layer or a step fails, no plan fits, or a file cannot be
/// written.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    args.check()?;
    let num_devices = match args.devices.split(',').count() {
        1 => args.stages,
        num_named => num_named,
    };
    let devices = open_devices(&args.devices, num_devices)?;
    devices[0].seed(0);
    let model = Network::new(args.size, &devices[0]);
    let batch = Pictures::new(args.batch_size, args.size, &devices[0]);

    let (profile, cluster) = measure(args, &model, &batch, &devices)?;
    writeln!(out, "{profile}\n")?;

    let plan = Planner::new(&profile, &cluster)
        .with_most_chunks(args.chunks)
        .with_optimizer_bytes(OPTIMIZER_BYTES)
        .plan(args.batch_size)?;
    writeln!(out, "{plan}\n")?;
    if let Some(folder) = &args.save {
        files::save(folder, &profile, &plan)?;
    }

    let comparison = Comparison::new(&model, (&profile, &cluster), &plan, &devices)?;
    let comparison = comparison.train(args, &batch)?;
    let timelines = comparison.timelines();
    writeln!(
        out,
        "the planned step:\n{}\n",
        Gantt::of(&timelines, args.columns)
    )?;
    if let Some(folder) = &args.draw {
        files::draw(folder, &profile, &timelines)?;
    }
    writeln!(out, "{comparison}")?;
    for (what, folder) in [
        ("the drawings are", &args.draw),
        ("the profile and the plan are", &args.save),
    ] {
        if let Some(folder) = folder {
            writeln!(out, "{what} in {}", folder.display())?;
        }
    }
    Ok(())
}
