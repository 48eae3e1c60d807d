//! The parameters of a module in a burnpack file, one of them in host memory at a time.
//!
//! The form is that of Burn's module records: tensors by path, each with the id of its parameter.
//! Burn's own writer collects the whole model on the host first, and its reader leaves tensors to
//! be read from the file later, which may have been replaced by then.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId, Parameter};
use burn::store::RecordError;
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, Bytes, DType, Device, Int, Shape, Tensor, TensorData};
use burn_pack::{Reader, Scalar, Writer};

/// A writer of the parameters of `module` that `keep` wants.
pub(crate) fn write<M: Module>(module: &M, keep: impl Fn(ParamId) -> bool) -> Writer {
    let mut collect = Collect {
        keep,
        path: Vec::new(),
        tensors: Vec::new(),
    };
    module.visit(&mut collect);
    Writer::new(collect.tensors)
}

struct Collect<F> {
    keep: F,
    path: Vec<String>,
    tensors: Vec<burn_pack::Tensor>,
}

impl<F: Fn(ParamId) -> bool> Collect<F> {
    fn collect<const D: usize, K: Basic>(&mut self, param: &Param<Tensor<D, K>>)
    where
        Tensor<D, K>: Parameter,
        Param<Tensor<D, K>>: Clone + Send + Sync + 'static,
    {
        if !(self.keep)(param.id) {
            return;
        }
        let saved = param.transform_for_save().val();
        let (name, dtype, shape) = (self.path.join("."), saved.dtype(), saved.shape());
        drop(saved);
        let id = Some(param.id.val());
        let param = param.clone();
        let bytes = move || {
            let data = param.transform_for_save().val().try_into_data();
            let data = data.map_err(|error| burn_pack::Error::IoError(error.to_string()))?;
            Ok::<_, burn_pack::Error>(data.into_parts().0)
        };
        self.tensors.push(match dtype {
            // Its bytes are more than its numbers: the only ones that are counted by making them.
            DType::QFloat(_) => match bytes() {
                Ok(bytes) => burn_pack::Tensor::new(name, dtype, shape, id, bytes),
                Err(error) => {
                    let message = error.to_string();
                    let fail = move || Err(burn_pack::Error::IoError(message.clone()));
                    burn_pack::Tensor::deferred(name, dtype, shape, id, 0, fail)
                }
            },
            _ => {
                let num_bytes = shape.num_elements() * dtype.size();
                burn_pack::Tensor::deferred(name, dtype, shape, id, num_bytes, bytes)
            }
        });
    }
}

impl<F: Fn(ParamId) -> bool> ModuleVisitor for Collect<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.collect(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.collect(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.collect(param);
    }
}

/// A tensor and the id that its parameter had.
type WithId<const D: usize, K> = (Option<ParamId>, Tensor<D, K>);

/// A file of parameters that has been opened. Each is read when it is taken.
pub(crate) struct Recorded {
    tensors: BTreeMap<String, burn_pack::Tensor>,
    scalars: BTreeMap<String, Scalar>,
}

impl Recorded {
    pub(crate) fn read<P: AsRef<Path>>(path: P) -> Result<Self, RecordError> {
        let reader = Reader::from_file(path)?;
        let scalars = reader.scalars().clone();
        let tensors = reader.into_tensors()?.into_iter();
        Ok(Self {
            tensors: tensors
                .map(|tensor| (tensor.name.clone(), tensor))
                .collect(),
            scalars,
        })
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<Scalar> {
        self.scalars.get(name).copied()
    }

    /// Whether these are the parameters of `module`, each and no other.
    pub(crate) fn check<M: Module>(&self, module: &M) -> Result<(), RecordError> {
        self.compare(module, true)
    }

    /// Whether each of these is a parameter of `module`.
    pub(crate) fn check_part<M: Module>(&self, module: &M) -> Result<(), RecordError> {
        self.compare(module, false)
    }

    fn compare<M: Module>(&self, module: &M, whole: bool) -> Result<(), RecordError> {
        let mut compare = Compare {
            recorded: self,
            path: Vec::new(),
            found: HashSet::new(),
            wrong: Vec::new(),
            whole,
        };
        module.visit(&mut compare);
        let Compare {
            found, mut wrong, ..
        } = compare;
        let unknown = self.tensors.keys().filter(|path| !found.contains(*path));
        wrong.extend(unknown.map(|path| format!("the model has no parameter `{path}`")));
        match wrong.first() {
            None => Ok(()),
            Some(first) => Err(RecordError::Validation(format!(
                "{} of the parameters do not fit, the first of them: {first}; make the model as it was when it was saved",
                wrong.len()
            ))),
        }
    }

    /// The tensor of a path, on `device`.
    pub(crate) fn take<const D: usize, K: Basic>(
        &mut self,
        path: &str,
        device: &Device,
    ) -> Option<Result<WithId<D, K>, RecordError>> {
        let tensor = self.tensors.remove(path)?;
        let read = || {
            let (_, dtype, shape, id, bytes) = tensor.into_parts()?;
            let bytes = Bytes::from_bytes_vec(bytes.to_vec());
            let data = TensorData::from_bytes(bytes, shape, dtype);
            let tensor = Tensor::from_data(data, (device, dtype));
            Ok((id.map(ParamId::from), tensor))
        };
        Some(read())
    }

    /// The module with these values and ids, each on the device of its parameter.
    pub(crate) fn load<M: Module>(mut self, module: M) -> Result<M, RecordError> {
        self.check(&module)?;
        let mut load = Load {
            recorded: &mut self,
            path: Vec::new(),
            failed: None,
        };
        let module = module.map(&mut load);
        match load.failed {
            Some(error) => Err(error),
            None => Ok(module),
        }
    }
}

struct Compare<'a> {
    recorded: &'a Recorded,
    path: Vec<String>,
    found: HashSet<String>,
    wrong: Vec<String>,
    whole: bool,
}

impl Compare<'_> {
    fn compare(&mut self, shape: impl FnOnce() -> Shape) {
        let path = self.path.join(".");
        match self.recorded.tensors.get(&path) {
            Some(tensor) => {
                let shape = shape();
                if tensor.shape != shape {
                    self.wrong.push(format!(
                        "`{path}` has shape {:?} in the file and {:?} in the model",
                        tensor.shape.as_slice(),
                        shape.as_slice()
                    ));
                }
                self.found.insert(path);
            }
            None if self.whole => self.wrong.push(format!("the file has no `{path}`")),
            None => {}
        }
    }
}

impl ModuleVisitor for Compare<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.compare(|| param.transform_for_save().val().shape());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.compare(|| param.transform_for_save().val().shape());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.compare(|| param.transform_for_save().val().shape());
    }
}

struct Load<'a> {
    recorded: &'a mut Recorded,
    path: Vec<String>,
    failed: Option<RecordError>,
}

impl Load<'_> {
    fn load<const D: usize, K: Basic>(&mut self, param: Param<Tensor<D, K>>) -> Param<Tensor<D, K>>
    where
        Tensor<D, K>: Parameter,
    {
        let device = param.lazy_device();
        match self.recorded.take(&self.path.join("."), &device) {
            Some(Ok((id, tensor))) => {
                let id = id.unwrap_or(param.id);
                param.transform_for_load(tensor, id)
            }
            Some(Err(error)) => {
                self.failed = Some(error);
                param
            }
            None => param,
        }
    }
}

impl ModuleMapper for Load<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.load(param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        self.load(param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        self.load(param)
    }
}
