//! One layer in parts, whatever its type.

use std::any::Any;
use std::sync::Arc;

use burn::module::{Devices, Module, ParamId};
use burn::tensor::Device;
use burn_pipeline_plan::{Axis, Configuration, Region, Shape};

use super::erased::{AnyMapper, AnyVisitor, Forget};
use super::kinds::{Kind, ParameterBytes, Part, Parts};
use super::layout::Layout;
use super::parameters::Params;
use super::spread::{Destination, Ranges, Spread, SpreadPart, dims_of, fetch};
use super::traffic::{Counter, Traffic};
use crate::layer::Layer;
use crate::signal::AnySignal;

/// The devices that layers are split over, and what moves between them.
pub(crate) struct Group<'a> {
    pub(crate) devices: &'a [Device],
    pub(crate) traffic: &'a Traffic,
}

/// A layer in parts that has forgotten its type.
pub(crate) trait AnyLayer: Send {
    fn duplicate(&self) -> Box<dyn AnyLayer>;
    /// Run the layer on an input in parts; `counter` counts what of it had to move.
    fn forward(&self, input: Spread, group: &Group, counter: &Counter) -> Spread;
    fn collect_devices(&self, devices: Devices) -> Devices;
    fn visit(&self, visitor: &mut dyn AnyVisitor);
    fn map(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn AnyLayer>;
    fn fork_in_place(self: Box<Self>, devices: &[Device]) -> Box<dyn AnyLayer>;
    fn train(self: Box<Self>) -> Box<dyn AnyLayer>;
    fn valid(&self) -> Box<dyn AnyLayer>;
    fn materialize(self: Box<Self>) -> Box<dyn AnyLayer>;
    /// The whole layer as what it was.
    fn into_whole(self: Box<Self>, device: &Device) -> Box<dyn Any>;
}

/// A layer in parts.
///
/// Its parameters are in as many pieces as its channels are cut into, each on the device of the
/// first part that uses it; the other parts that use it get a copy with a history in each forward.
pub(crate) struct ShardedLayer<L> {
    pieces: Vec<L>,
    /// The ids of the whole layer's parameters, in visiting order.
    ids: Vec<ParamId>,
    kind: Arc<dyn Kind<L>>,
    configuration: Configuration,
}

impl<L: Layer> ShardedLayer<L> {
    /// Cut a layer into its pieces. One that stays in one piece is already on the first device.
    pub(crate) fn new(
        layer: L,
        kind: Arc<dyn Kind<L>>,
        configuration: Configuration,
        devices: &[Device],
    ) -> Self {
        let ids = Params::of(&layer).ids;
        let pieces = match num_pieces(&*kind, &configuration) {
            1 => vec![layer],
            num => {
                let device = |index| &devices[home(&configuration, index)];
                let piece = |index| kind.piece(&layer, num, index, device(index));
                (0..num).map(piece).collect()
            }
        };
        Self {
            pieces,
            ids,
            kind,
            configuration,
        }
    }

    fn map_pieces(self, mut map: impl FnMut(usize, L) -> L) -> Box<dyn AnyLayer> {
        let pieces = self.pieces.into_iter().enumerate();
        Box::new(Self {
            pieces: pieces.map(|(index, piece)| map(index, piece)).collect(),
            ..self
        })
    }

    /// The piece that a part uses, on its device.
    fn piece_of(&self, at: usize, group: &Group) -> L {
        let index = match self.pieces.len() {
            1 => 0,
            _ => self.configuration.coordinates(at)[Axis::Channel.index()],
        };
        let piece = &self.pieces[index];
        if at == home(&self.configuration, index) {
            return piece.clone();
        }
        let ParameterBytes { all, trained } = self.kind.parameter_bytes(piece);
        group.traffic.parameters.add(all, trained);
        self.kind.replica(piece, &group.devices[at])
    }

    /// Where in the whole output one part of it is, and the sizes of the whole.
    fn placed(&self, output: &L::Output, region: &Region, shape: &Shape) -> (Ranges, Vec<usize>) {
        let layout = self.kind.output_layout().unwrap_or_else(Layout::samples);
        let dims = dims_of(output);
        assert!(
            !dims.is_empty() || self.configuration.num_parts() == 1,
            "the tensors that a layer sends must agree on the number of samples when the layer is split"
        );
        let place = |(dimension, size): (usize, usize)| {
            let split = layout.axis(dimension);
            match split.filter(|axis| self.configuration.degree(*axis) > 1) {
                Some(axis) => {
                    let range = region.range(axis).clone();
                    assert_eq!(
                        size,
                        range.len(),
                        "a layer split by {axis} made another part of its output than it was to make"
                    );
                    (range, shape.size(axis))
                }
                None => (0..size, size),
            }
        };
        dims.into_iter().enumerate().map(place).unzip()
    }
}

/// How many pieces the parameters are cut into.
pub(crate) fn num_pieces<L: Layer>(kind: &dyn Kind<L>, configuration: &Configuration) -> usize {
    match kind.channels() {
        Some(_) => configuration.channel,
        None => 1,
    }
}

/// The place in the group of a piece of the parameters.
fn home(configuration: &Configuration, piece: usize) -> usize {
    piece * configuration.height * configuration.width
}

/// A region that has at least one element along each axis: windows that lie in the padding alone
/// read nothing, but no tensor is that small.
fn not_empty(mut region: Region, shape: &Shape) -> Region {
    for (range, size) in region.0.iter_mut().zip(shape.0) {
        if range.start == range.end && size > 0 {
            let start = range.start.min(size - 1);
            *range = start..start + 1;
        }
    }
    region
}

/// What is entered between a layer and one of several pieces of it.
const PIECE: &str = "Sharded";

impl<L: Layer> AnyLayer for ShardedLayer<L> {
    fn duplicate(&self) -> Box<dyn AnyLayer> {
        Box::new(Self {
            pieces: self.pieces.clone(),
            ids: self.ids.clone(),
            kind: self.kind.clone(),
            configuration: self.configuration,
        })
    }

    fn forward(&self, input: Spread, group: &Group, counter: &Counter) -> Spread {
        let layout = self.kind.input_layout();
        let input_shape = layout.shape(&input.dims);
        let output_shape = self.kind.output_shape(&self.pieces[0], &input_shape);
        let reads = self.kind.reads(&self.pieces[0], &input_shape);

        let dims = input.dims.clone();
        let whole = input.into_parts::<L::Input>();
        let (mut parts, mut made) = (Vec::new(), Vec::new());
        for at in 0..self.configuration.num_parts() {
            let region = self.configuration.part(at, &output_shape);
            if region.is_empty() {
                continue;
            }
            let required = not_empty(reads.region(&region, &input_shape), &input_shape);
            let to = Destination {
                at,
                device: &group.devices[at],
                counter,
            };
            let input = fetch(&whole, &layout.ranges(&required, &dims), &to);
            made.push((at, region.clone()));
            let part = Part {
                at,
                layer: self.piece_of(at, group),
                coordinates: self.configuration.coordinates(at),
                region,
                required,
            };
            parts.push((part, input));
        }
        assert!(
            !parts.is_empty(),
            "a layer in parts got an input without samples"
        );
        drop(whole);

        let outputs = self.kind.forward(Parts {
            parts,
            input: input_shape,
            devices: group.devices,
            within: &group.traffic.within,
        });
        let mut spread = Spread::default();
        for ((at, region), output) in made.into_iter().zip(outputs) {
            let (ranges, dims) = self.placed(&output, &region, &output_shape);
            spread.dims = dims;
            spread.parts.push(SpreadPart {
                at: Some(at),
                ranges,
                signal: AnySignal::new(output),
            });
        }
        spread
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        let pieces = self.pieces.iter();
        pieces.fold(devices, |devices, piece| piece.collect_devices(devices))
    }

    fn visit(&self, visitor: &mut dyn AnyVisitor) {
        if let [whole] = &self.pieces[..] {
            return whole.visit(&mut Forget(visitor));
        }
        for (index, piece) in self.pieces.iter().enumerate() {
            let name = index.to_string();
            visitor.enter(&name, PIECE);
            piece.visit(&mut Forget(visitor));
            visitor.exit(&name, PIECE);
        }
    }

    fn map(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn AnyLayer> {
        let named = self.pieces.len() > 1;
        self.map_pieces(|index, piece| {
            if !named {
                return piece.map(&mut Forget(mapper));
            }
            let name = index.to_string();
            mapper.enter(&name, PIECE);
            let piece = piece.map(&mut Forget(mapper));
            mapper.exit(&name, PIECE);
            piece
        })
    }

    fn fork_in_place(self: Box<Self>, devices: &[Device]) -> Box<dyn AnyLayer> {
        let configuration = self.configuration;
        self.map_pieces(|index, piece| piece.fork(&devices[home(&configuration, index)]))
    }

    fn train(self: Box<Self>) -> Box<dyn AnyLayer> {
        self.map_pieces(|_, piece| piece.train())
    }

    fn valid(&self) -> Box<dyn AnyLayer> {
        Box::new(Self {
            pieces: self.pieces.iter().map(Module::valid).collect(),
            ids: self.ids.clone(),
            kind: self.kind.clone(),
            configuration: self.configuration,
        })
    }

    fn materialize(self: Box<Self>) -> Box<dyn AnyLayer> {
        self.map_pieces(|_, piece| piece.materialize())
    }

    fn into_whole(self: Box<Self>, device: &Device) -> Box<dyn Any> {
        let mut pieces = self.pieces;
        let whole = match pieces.len() {
            1 => pieces.remove(0).fork(device),
            _ => self.kind.join(pieces, &self.ids, device),
        };
        Box::new(whole)
    }
}
