//! Records and stores see the plain model, whichever way they go.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::{Module, ModuleMapper, Param};
use burn::store::{BurnpackStore, ModuleRecord, ModuleSnapshot};
use burn::tensor::{Device, Tensor};
use burn_pipeline::{PipelineConfig, PipelineModule, Placement, Sequential};
use burn_pipeline_tests::compare::{Step, assert_same_parameters, ids, parameters};
use burn_pipeline_tests::data::generator;
use burn_pipeline_tests::models::{Convolution, LowRank, Mlp, Parcels, Tied, Toy};
use rstest::rstest;

/// How the parameters of one module reach another.
#[derive(Clone, Copy, Debug)]
enum Way {
    Record,
    Bytes,
    File,
    Store,
    StoreFile,
}

impl Way {
    fn carry<A: Module, B: Module>(self, from: A, mut into: B, file: &Temporary) -> B {
        match self {
            Self::Record => into.load_record(from.into_record()),
            Self::Bytes => {
                let bytes = from.into_record().into_bytes().unwrap();
                into.load_record(ModuleRecord::from_bytes(bytes).unwrap())
            }
            Self::File => {
                from.save_file(file.path()).unwrap();
                into.load_file(file.path())
            }
            Self::Store => {
                let mut store = BurnpackStore::from_bytes(None);
                from.save_into(&mut store).unwrap();
                let bytes = store.get_bytes().unwrap();
                let mut store = BurnpackStore::from_bytes(Some(bytes));
                assert!(into.load_from(&mut store).unwrap().is_success());
                into
            }
            Self::StoreFile => {
                let mut store = BurnpackStore::from_file(file.path());
                from.save_into(&mut store).unwrap();
                let mut store = BurnpackStore::from_file(file.path());
                assert!(into.load_from(&mut store).unwrap().is_success());
                into
            }
        }
    }
}

#[rstest]
fn parameters_go_both_ways_between_the_plain_model_and_pipelines(
    #[values(both_ways::<Mlp>, both_ways::<Convolution>, both_ways::<Parcels>, both_ways::<LowRank>)]
    both_ways: fn(Way, usize),
    #[values(Way::Record, Way::Bytes, Way::File, Way::Store, Way::StoreFile)] way: Way,
    #[values(1, 2, 3)] num_stages: usize,
) {
    both_ways(way, num_stages);
}

fn both_ways<T: Toy>(way: Way, num_stages: usize) {
    let files = [(); 3].map(|()| Temporary::new());
    let _generator = T::DRAWS.then(generator);
    let device = Device::flex();
    let plain = T::model(&device);
    let empty = || T::model(&device).map(&mut Zeros);

    let loaded = way.carry(plain.clone(), in_stages(empty(), num_stages), &files[0]);
    assert_same_parameters(&parameters(&loaded), &parameters(&plain));
    assert_eq!(ids(&loaded), ids(&plain));
    let expected = step::<T>(&in_stages(T::model(&device), num_stages));
    step::<T>(&loaded).assert_same(&expected);

    let saved = in_stages(T::model(&device), num_stages);
    let plain = way.carry(saved.clone(), empty(), &files[1]);
    assert_same_parameters(&parameters(&plain), &parameters(&saved));
    assert_eq!(ids(&plain), ids(&saved));

    let in_other_stages = in_stages(empty(), 4 - num_stages);
    let in_other_stages = way.carry(saved.clone(), in_other_stages, &files[2]);
    assert_same_parameters(&parameters(&in_other_stages), &parameters(&saved));
    assert_eq!(ids(&in_other_stages), ids(&saved));
}

#[rstest]
fn the_record_of_a_pipeline_is_the_record_of_its_model(#[values(1, 2, 3)] num_stages: usize) {
    let model = Convolution::model(&Device::flex());
    let bytes = |record: ModuleRecord| record.into_bytes().unwrap().to_vec();
    let expected = bytes(model.clone().into_record());

    let pipeline = in_stages(model, num_stages);
    assert_eq!(bytes(pipeline.clone().into_record()), expected);
    assert_eq!(bytes(pipeline.into_inner().into_record()), expected);
}

#[test]
fn the_record_of_a_pipeline_that_has_trained_has_its_running_statistics() {
    let pipeline = in_stages(Convolution::model(&Device::flex()), 2);
    let before = parameters(&pipeline);
    step::<Convolution>(&pipeline);
    let after = parameters(&pipeline);
    let mean = "blocks.1.1.running_mean";
    assert_ne!(before[mean], after[mean]);

    let empty = Convolution::model(&Device::flex()).map(&mut Zeros);
    let loaded = empty.load_record(pipeline.into_record());
    assert_same_parameters(&parameters(&loaded), &after);
}

#[test]
fn a_record_of_another_model_is_refused() {
    let pipeline = in_stages(Mlp::model(&Device::flex()), 2);
    let record = Parcels::model(&Device::flex()).into_record();
    assert!(pipeline.try_load_record(record).is_err());
}

fn in_stages<M: Sequential + 'static>(model: M, num_stages: usize) -> PipelineModule<M> {
    let placement = Placement::even(&vec![Device::flex(); num_stages]);
    PipelineConfig::new().init(model, placement).unwrap()
}

fn step<T: Toy>(pipeline: &PipelineModule<T::Model>) -> Step {
    let (input, target) = T::batch(5, &Device::flex());
    let step = pipeline.train_step(input, target, T::loss).unwrap();
    Step::new(step.loss, &step.grads, pipeline)
}

struct Zeros;

impl ModuleMapper for Zeros {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.zeros_like())
    }
}

/// The path of a file that is removed in the end: Burn reads what it has loaded when it is used.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self(directory.join(format!("record-{}-{name}.bpk", std::process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A pipeline saves a tied weight once; the plain model has a path for each holder, and so has the
/// model that is taken out.
#[test]
fn records_of_tied_weights_go_both_ways() {
    let device = Device::flex();
    let model = Tied::model(&device);
    let expected = model.copies();
    let empty = || Tied::model(&device).map(&mut Zeros);
    let pipeline = || {
        let placement = Placement::even(&[device.clone(), device.clone()]);
        PipelineConfig::new().init(empty(), placement).unwrap()
    };

    let record = model.clone().into_record();
    let error = pipeline().try_load_record(record).unwrap_err();
    assert!(error.to_string().contains("output.weight"), "{error}");
    let loaded = pipeline().load_record(model.into_record().allow_unused(true));
    assert_eq!(loaded.inner().copies(), expected);

    let again = pipeline().load_record(loaded.clone().into_record());
    assert_eq!(again.inner().copies(), expected);
    let plain = empty().load_record(loaded.into_inner().into_record());
    assert_eq!(plain.copies(), expected);
}
