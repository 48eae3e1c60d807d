//! What is in the directory of a saved run, and what is not taken from it.

use std::collections::BTreeMap;
use std::fs;

use burn::module::{Module, Param};
use burn::nn::{LinearConfig, LinearLayout};
use burn::store::BurnpackStore;
use burn::store::ModuleSnapshot;
use burn::tensor::{Device, Tensor};
use burn_pipeline::{
    Ema, LoadError, LossScaler, LossScalerConfig, PipelineConfig, PipelineModule,
    PipelineOptimizer, Placement, Ranked, Saved, ranked,
};
use burn_pipeline_tests::compare::{assert_same_parameters, parameters};
use burn_pipeline_tests::data::floats;
use burn_pipeline_tests::models::{Convolution, Mlp, Toy};
use burn_pipeline_tests::optimizers::adam;
use burn_pipeline_tests::pipelined::pipeline;
use serde::{Deserialize, Serialize};

use super::{Temporary, train};

#[test]
fn the_weights_are_a_record_of_the_plain_model() {
    let directory = Temporary::new();
    let pipeline = pipeline::<Convolution>(&PipelineConfig::new(), &[4, 4], &Device::flex());
    let optimizer = PipelineOptimizer::new(adam());
    let saved = Saved::new(&directory.0);
    saved.save(&pipeline, &optimizer, None, &()).unwrap();
    let weights = saved.directory().join("weights-1.bpk");

    let empty = || Convolution::model(&Device::flex()).map(&mut Zeros);
    let loaded = empty().load_file(&weights);
    assert_same_parameters(&parameters(&loaded), &parameters(&pipeline));
    let mut loaded = empty();
    let mut store = BurnpackStore::from_file(&weights);
    assert!(loaded.load_from(&mut store).unwrap().is_success());
    assert_same_parameters(&parameters(&loaded), &parameters(&pipeline));
}

/// Burn's own record of such a layer does not load once its parameters are initialised.
#[test]
fn weights_that_lie_in_columns_are_saved_and_loaded() {
    let directory = Temporary::new();
    let start = |salt| -> PipelineModule<Ranked<burn::nn::Linear, 2>> {
        let config = LinearConfig::new(3, 5).with_layout(LinearLayout::Col);
        let mut layer = config.init(&Device::flex());
        let values = floats([3, 5], salt, &Device::flex());
        layer.weight = layer.weight.map(|_| values);
        let placement = Placement::even(&[Device::flex()]);
        PipelineConfig::new()
            .init(ranked(layer), placement)
            .unwrap()
    };
    let (one, other) = (start(1), start(2));
    let saved = Saved::new(&directory.0);
    let optimizer = || PipelineOptimizer::new(adam());
    saved.save(&one, &optimizer(), None, &()).unwrap();
    let loaded = saved.load::<_, ()>(other, optimizer()).unwrap();
    assert_same_parameters(&parameters(&loaded.pipeline), &parameters(&one));
}

#[test]
fn what_a_user_saves_with_the_run_comes_back_exactly() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Extra {
        epoch: u64,
        scaler: LossScaler,
        rates: Vec<f64>,
        names: BTreeMap<String, f32>,
    }
    let rates = (1..400).map(|n| 0.1f64.powf(f64::from(n) / 7.0) / 3.0);
    let extra = Extra {
        epoch: u64::MAX,
        scaler: LossScalerConfig::new().init(),
        rates: rates.collect(),
        names: [("a".to_string(), 0.1)].into(),
    };
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    assert!(!saved.exists());
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let optimizer = PipelineOptimizer::new(adam());
    saved.save(&pipeline, &optimizer, None, &extra).unwrap();
    assert!(saved.exists());
    let loaded = saved.load::<_, Extra>(pipeline, optimizer).unwrap();
    assert_eq!(loaded.extra, extra);
    assert!(loaded.ema.is_none());
}

/// JSON has no such number, and what it puts in its place cannot be read again.
#[test]
fn what_could_not_be_read_again_does_not_replace_what_can() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let pipeline = pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let optimizer = PipelineOptimizer::new(adam());
    saved.save(&pipeline, &optimizer, None, &1.5f64).unwrap();
    let error = saved.save(&pipeline, &optimizer, None, &f64::INFINITY);
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("`extra` cannot be written as JSON"),
        "{error}"
    );
    assert_eq!(
        saved.load::<_, f64>(pipeline, optimizer).unwrap().extra,
        1.5
    );
}

#[test]
fn one_run_is_on_disk_after_many_saves() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let config = PipelineConfig::new();
    let mut pipeline = pipeline::<Mlp>(&config, &[2, 3], &Device::flex());
    let mut optimizer = PipelineOptimizer::new(adam());
    let mut ema = Ema::new(&pipeline, 0.9);
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.0.join("weights-of-mine.bpk"), "the user's").unwrap();
    for step in 0..4 {
        pipeline = train::<Mlp>(pipeline, &mut optimizer, &mut ema, 1);
        saved
            .save(&pipeline, &optimizer, Some(&ema), &step)
            .unwrap();
    }
    let entries = fs::read_dir(&directory.0).unwrap();
    let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "ema-4.bpk",
        "optimizer-4.bpk",
        "run.json",
        "weights-4.bpk",
        "weights-of-mine.bpk",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_cannot_go_on_says_why() {
    let directory = Temporary::new();
    let saved = Saved::new(&directory.0);
    let start = || pipeline::<Mlp>(&PipelineConfig::new(), &[2, 3], &Device::flex());
    let optimizer = || PipelineOptimizer::new(adam());
    let error = |error: LoadError| error.to_string();
    let load = || saved.load::<_, u64>(start(), optimizer()).map(|_| ());

    let nothing = error(load().unwrap_err());
    assert!(nothing.starts_with("no run is saved in "), "{nothing}");
    saved.save(&start(), &optimizer(), None, &1).unwrap();
    load().unwrap();

    let other = PipelineConfig::new().with_seed(5);
    let other = pipeline::<Mlp>(&other, &[2, 3], &Device::flex());
    let seed = saved.load::<_, u64>(other, optimizer()).map(|_| ());
    assert_eq!(
        error(seed.unwrap_err()),
        "the run was saved with seed 0, but the pipeline is configured with seed 5: make it with \
         `with_seed(0)`"
    );

    let extra = saved.load::<_, String>(start(), optimizer()).map(|_| ());
    let extra = error(extra.unwrap_err());
    assert!(extra.contains("is of another type"), "{extra}");

    let model = pipeline::<Convolution>(&PipelineConfig::new(), &[4, 4], &Device::flex());
    let model = saved.load::<_, u64>(model, optimizer()).map(|_| ());
    let model = error(model.unwrap_err());
    assert!(
        model.contains("the file has no `blocks.0.0.weight`"),
        "{model}"
    );

    let weights = directory.0.join("weights-1.bpk");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let torn = error(load().unwrap_err());
    assert!(torn.contains("weights-1.bpk"), "{torn}");
    fs::write(&weights, whole).unwrap();

    let run = directory.0.join("run.json");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let later = error(load().unwrap_err());
    assert!(
        later.contains("saved in format 2, but this version reads formats up to 1"),
        "{later}"
    );
}

struct Zeros;

impl burn::module::ModuleMapper for Zeros {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.zeros_like())
    }
}
