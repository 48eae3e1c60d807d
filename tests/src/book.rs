//! The chapters of the book and the front page: their code is compiled and run as doctests.

macro_rules! chapters {
    ($($name:ident: $path:literal),+ $(,)?) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!($path)]
            pub mod $name {}
        )+
    };
}

chapters! {
    front_page: "../../README.md",
    overview: "../../book/src/overview.md",
    quick_start: "../../book/src/quick_start.md",
    splitting: "../../book/src/splitting.md",
    signals: "../../book/src/signals.md",
    sharing_and_skips: "../../book/src/sharing_and_skips.md",
    rematerialization: "../../book/src/rematerialization.md",
    randomness_and_statistics: "../../book/src/randomness_and_statistics.md",
    schedules: "../../book/src/schedules.md",
    timelines: "../../book/src/timelines.md",
    writing_schedules: "../../book/src/writing_schedules.md",
    profiling: "../../book/src/profiling.md",
    partitioning: "../../book/src/partitioning.md",
    planner: "../../book/src/planner.md",
    layerwise: "../../book/src/layerwise.md",
    between_steps: "../../book/src/between_steps.md",
    saving_and_resuming: "../../book/src/saving_and_resuming.md",
    devices: "../../book/src/devices.md",
    mixing_devices: "../../book/src/mixing_devices.md",
    learner: "../../book/src/learner.md",
    restrictions: "../../book/src/restrictions.md",
    internals: "../../book/src/internals.md",
    glossary: "../../book/src/glossary.md",
}

// These speak of servers, which not every build knows.
#[cfg(feature = "devices")]
chapters! {
    other_machines: "../../book/src/other_machines.md",
    device_failure: "../../book/src/device_failure.md",
}
