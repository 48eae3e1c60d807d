//! What layers that draw from Burn's generator cost, said once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::{LayerFacts, RandomLayers};

/// Warn of the layers that were found to need the lock, but of no path a second time.
pub(crate) fn warn_of_lock(facts: &[LayerFacts], random_layers: RandomLayers) {
    static WARNED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    if random_layers != RandomLayers::Detect {
        return;
    }
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(warning) = warning(facts, warned.get_or_insert_default()) {
        log::warn!("{warning}");
    }
}

fn warning(facts: &[LayerFacts], warned: &mut HashSet<String>) -> Option<String> {
    let random = facts.iter().enumerate().filter(|(_, facts)| facts.random);
    let new: Vec<_> = random
        .filter(|(_, facts)| warned.insert(facts.path.clone()))
        .map(|(index, facts)| format!("{index} `{}`", facts.path))
        .collect();
    let (layers, draw, they) = match new.as_slice() {
        [] => return None,
        [one] => (format!("layer {one}"), "draws", "it runs"),
        [first @ .., last] => (
            format!("layers {} and {last}", first.join(", ")),
            "draw",
            "they run",
        ),
    };
    Some(format!(
        "{layers} {draw} from Burn's generator, which belongs to the process: {they} forward under \
         a lock, one layer at a time in all stages and pipelines. Use the `Dropout` and the \
         `GaussianNoise` of burn-pipeline there, which draw from none; or, if every dropout of \
         `burn::nn` has probability 0, `RandomLayers::None`"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use log::{LevelFilter, Log, Metadata, Record};

    use super::*;
    use crate::{
        Dropout, DropoutConfig, GaussianNoiseConfig, PipelineConfig, Placement, Ranked, ranked,
    };

    fn facts(path: &str, random: bool) -> LayerFacts {
        LayerFacts {
            path: path.to_string(),
            trainable: true,
            random,
            keeps: Vec::new(),
        }
    }

    #[test]
    fn each_layer_that_draws_is_named_once() {
        let mut warned = HashSet::new();
        let mut start = |facts: &[LayerFacts]| {
            let warning = warning(facts, &mut warned)?;
            let (start, _) = warning.split_once(" from Burn's generator").unwrap();
            Some(start.to_string())
        };
        let [a, b, c] = ["a", "b", "c"].map(|path| facts(path, true));
        let quiet = facts("quiet", false);
        assert_eq!(start(std::slice::from_ref(&quiet)), None);
        assert_eq!(
            start(&[quiet.clone(), a.clone()]),
            Some("layer 1 `a` draws".to_string())
        );
        assert_eq!(start(&[quiet.clone(), a.clone()]), None);
        assert_eq!(
            start(&[a, quiet, b, c]),
            Some("layers 2 `b` and 3 `c` draw".to_string())
        );
    }

    #[test]
    fn a_pipeline_warns_of_burns_dropout_and_not_of_ours() {
        static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
        struct Collect;
        impl Log for Collect {
            fn enabled(&self, _: &Metadata) -> bool {
                true
            }
            fn log(&self, record: &Record) {
                if record.target().starts_with("burn_pipeline") {
                    LOGGED.lock().unwrap().push(record.args().to_string());
                }
            }
            fn flush(&self) {}
        }
        log::set_logger(&Collect).unwrap();
        log::set_max_level(LevelFilter::Warn);

        type Model = (
            Ranked<Linear, 2>,
            (Ranked<Dropout, 2>, Ranked<crate::GaussianNoise, 2>),
            [Ranked<burn::nn::Dropout, 2>; 2],
        );
        let device = Device::flex();
        let init = |random_layers| {
            let stock = burn::nn::DropoutConfig::new(0.1).init();
            let model: Model = (
                ranked(LinearConfig::new(2, 2).init(&device)),
                (
                    ranked(DropoutConfig::new(0.1).init()),
                    ranked(GaussianNoiseConfig::new(0.1).init()),
                ),
                [ranked(stock.clone()), ranked(stock)],
            );
            PipelineConfig::new()
                .with_random_layers(random_layers)
                .init(model, Placement::even(std::slice::from_ref(&device)))
                .unwrap();
            std::mem::take(&mut *LOGGED.lock().unwrap())
        };
        let mine = |logged: Vec<String>| -> Vec<String> {
            let of_model = |warning: &String| warning.contains("`2.0`");
            logged.into_iter().filter(of_model).collect()
        };
        assert_eq!(mine(init(RandomLayers::None)), Vec::<String>::new());
        let warnings = mine(init(RandomLayers::Detect));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].starts_with("layers 3 `2.0` and 4 `2.1` draw from Burn's generator"),
            "{warnings:?}"
        );
        assert_eq!(mine(init(RandomLayers::Detect)), Vec::<String>::new());
    }
}
