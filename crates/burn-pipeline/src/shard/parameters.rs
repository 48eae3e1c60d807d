//! Cutting the parameters of a layer into pieces by channel, and putting them together again.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Device, Int, Shape, Tensor};

use super::traffic::bytes_of;

/// The piece of `module` with these channels: each of its parameters, in visiting order, is cut
/// along the dimension that `dims` says. The piece is a new module on `device`, with ids of its own,
/// and shares no memory with the whole.
pub(crate) fn cut<M: Module>(
    module: &M,
    dims: &[usize],
    channels: &Range<usize>,
    device: &Device,
) -> M {
    module.clone().map(&mut Cut {
        dims: dims.iter(),
        channels,
        device,
    })
}

/// The module that the pieces make up, on `device`, its parameters with these ids.
pub(crate) fn join<M: Module>(
    pieces: Vec<M>,
    dims: &[usize],
    ids: &[ParamId],
    device: &Device,
) -> M {
    let mut rest = Vec::new();
    for piece in &pieces[1..] {
        let mut floats = Floats::default();
        piece.visit(&mut floats);
        rest.push(floats.0);
    }
    let first = pieces.into_iter().next();
    first.expect("a layer has a piece").map(&mut Join {
        dims: dims.iter(),
        ids: ids.iter(),
        rest,
        device,
    })
}

/// A tensor's numbers on a device, in its autodiff context, with no history. They travel through
/// the host, so that no backend keeps the whole of what they were cut from.
pub(crate) fn copied<const D: usize>(tensor: Tensor<D>, device: &Device) -> Tensor<D> {
    let options = (&tensor.device(), tensor.dtype());
    Tensor::from_data(tensor.into_data(), options)
        .to_device(device)
        .detach()
}

/// Initialise every parameter, in visiting order.
pub(crate) fn initialise<M: Module>(module: &M) {
    ParameterBytes::of(module);
}

/// The bytes of parameters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ParameterBytes {
    pub(crate) all: u64,
    /// Of those that get a gradient.
    pub(crate) trained: u64,
}

impl ParameterBytes {
    /// Of a module, whose parameters this initialises.
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut bytes = Self::default();
        module.visit(&mut bytes);
        bytes
    }
}

/// The parameters of a module, as far as they are known before they are initialised.
#[derive(Default)]
pub(crate) struct Params {
    /// In visiting order.
    pub(crate) ids: Vec<ParamId>,
    /// The sizes of the first.
    pub(crate) first: Option<Vec<usize>>,
    /// Whether there is a batch norm anywhere.
    pub(crate) in_batch_norm: bool,
}

impl Params {
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut params = Self::default();
        module.visit(&mut params);
        params
    }

    fn add(&mut self, id: ParamId, shape: Shape) {
        self.ids.push(id);
        self.first.get_or_insert_with(|| shape.to_vec());
    }
}

struct Cut<'a> {
    dims: std::slice::Iter<'a, usize>,
    channels: &'a Range<usize>,
    device: &'a Device,
}

impl ModuleMapper for Cut<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dim = *self.dims.next().expect("a dimension for each parameter");
        let mut piece = param.map(|tensor| {
            let require_grad = tensor.is_require_grad();
            let cut = tensor.detach();
            let cut = cut.narrow(dim, self.channels.start, self.channels.len());
            copied(cut, self.device).set_require_grad(require_grad)
        });
        piece.id = ParamId::new();
        piece
    }
}

struct Join<'a> {
    dims: std::slice::Iter<'a, usize>,
    ids: std::slice::Iter<'a, ParamId>,
    rest: Vec<VecDeque<Box<dyn Any>>>,
    device: &'a Device,
}

impl ModuleMapper for Join<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dim = *self.dims.next().expect("a dimension for each parameter");
        let mut whole = param.map(|first| {
            let require_grad = first.is_require_grad();
            let mut tensors = vec![first.detach().to_device(self.device)];
            for piece in &mut self.rest {
                let tensor = piece.pop_front().map(|tensor| tensor.downcast());
                let tensor: Box<Tensor<D>> = tensor
                    .and_then(Result::ok)
                    .expect("the pieces have the same parameters");
                tensors.push(tensor.detach().to_device(self.device));
            }
            Tensor::cat(tensors, dim)
                .detach()
                .set_require_grad(require_grad)
        });
        whole.id = *self.ids.next().expect("an id for each parameter");
        whole
    }
}

#[derive(Default)]
struct Floats(VecDeque<Box<dyn Any>>);

impl ModuleVisitor for Floats {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(Box::new(param.base()));
    }
}

impl ModuleVisitor for Params {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.in_batch_norm |= container_type == "Struct:BatchNorm";
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(param.id, param.lazy_shape());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id, param.lazy_shape());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id, param.lazy_shape());
    }
}

impl ModuleVisitor for ParameterBytes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.base();
        self.all += bytes_of(&tensor);
        if tensor.is_require_grad() {
            self.trained += bytes_of(&tensor);
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.all += bytes_of(&param.base());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.all += bytes_of(&param.base());
    }
}
