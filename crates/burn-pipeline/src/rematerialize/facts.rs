use burn::module::{Flag, Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::RandomLayers;
use crate::layer::{LayerVisitor, Sequential};

/// What a pipeline knows of a layer without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerFacts {
    /// The fields that lead to it, joined by dots.
    pub(crate) path: String,
    /// Whether any of its parameters requires a gradient.
    pub(crate) trainable: bool,
    /// Whether it draws random numbers while training.
    pub(crate) random: bool,
    /// The devices, other than its stage's, on which it keeps parameters.
    pub(crate) keeps: Vec<Device>,
}

impl LayerFacts {
    /// One entry per layer of `model`, which keeps parameters on the devices in `keeps`. Asking a
    /// parameter whether it trains initialises it.
    pub(crate) fn of<M: Sequential>(
        model: &M,
        random: RandomLayers,
        keeps: &[Vec<Device>],
    ) -> Vec<Self> {
        let mut reader = Reader {
            random,
            keeps,
            path: Vec::new(),
            facts: Vec::new(),
        };
        model.visit_layers(&mut reader);
        reader.facts
    }
}

struct Reader<'a> {
    random: RandomLayers,
    keeps: &'a [Vec<Device>],
    path: Vec<String>,
    facts: Vec<LayerFacts>,
}

impl LayerVisitor for Reader<'_> {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_string());
    }

    fn visit_layer<L: Module>(&mut self, layer: &L) {
        let mut reader = LayerReader::default();
        layer.visit(&mut reader);
        self.facts.push(LayerFacts {
            path: self.path.join("."),
            trainable: reader.trainable,
            random: match self.random {
                RandomLayers::Detect => reader.random,
                RandomLayers::Every => true,
                RandomLayers::None => false,
            },
            keeps: self.keeps[self.facts.len()].clone(),
        });
    }

    fn exit(&mut self) {
        self.path.pop();
    }
}

#[derive(Default)]
struct LayerReader {
    containers: Vec<String>,
    trainable: bool,
    random: bool,
}

/// The modules of `burn::nn` that draw random numbers while their training flag is set.
const RANDOM_MODULES: [&str; 3] = ["Struct:Dropout", "Struct:GaussianNoise", "Struct:RRelu"];

impl ModuleVisitor for LayerReader {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.containers.push(container_type.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.trainable |= param.is_require_grad();
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        let container = self.containers.last().map(String::as_str);
        self.random |=
            flag.is_enabled() && container.is_some_and(|name| RANDOM_MODULES.contains(&name));
    }
}
