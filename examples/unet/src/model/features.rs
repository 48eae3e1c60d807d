//! What flows through the model.

use burn::tensor::Tensor;
use burn_pipeline::{Signal, Skip};

/// How the maps of a [`Down`](crate::Down) get to its [`Up`](crate::Up).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Straight there, and their gradient straight back.
    Skip,
    /// As plain tensors through every stage between the two, and their gradient through every one.
    ThroughStages,
}

/// Maps on their way from a [`Down`](crate::Down) to its [`Up`](crate::Up):
/// `[num_pictures, channels, height, width]`.
#[derive(Signal, Debug, Clone)]
pub enum Sent {
    /// A handle, which stages between pass on.
    Skip(Skip<Tensor<4>>),
    /// The maps themselves.
    ThroughStages(Tensor<4>),
}

impl Sent {
    /// Send `maps`.
    pub fn new(maps: Tensor<4>, route: Route) -> Self {
        match route {
            Route::Skip => Self::Skip(Skip::new(maps)),
            Route::ThroughStages => Self::ThroughStages(maps),
        }
    }

    /// The maps, where they are used.
    pub fn get(self) -> Tensor<4> {
        match self {
            Self::Skip(skip) => skip.get(),
            Self::ThroughStages(maps) => maps,
        }
    }
}

/// The signal between two layers.
#[derive(Signal, Debug, Clone)]
pub struct Features {
    /// What the next layer works on: `[num_pictures, channels, height, width]`.
    pub maps: Tensor<4>,
    /// What waits for its [`Up`](crate::Up): downs push, ups pop.
    pub sent: Vec<Sent>,
}

impl From<Tensor<4>> for Features {
    /// The input of a model: pictures `[num_pictures, 1, size, size]`.
    fn from(maps: Tensor<4>) -> Self {
        let sent = Vec::new();
        Self { maps, sent }
    }
}
