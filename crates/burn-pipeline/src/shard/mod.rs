//! Layer-wise parallelism: each layer of a model split over devices in its own way.
//!
//! A layer's [`Kind`](kinds::Kind) says what it can be split along, what of its input each part of
//! its output is made of, and how its parameters are cut. Between two layers, each part of the second
//! fetches what it is missing of the first one's output; everything is Burn's own tracked
//! operations.

mod base;
mod describe;
mod erased;
mod error;
mod graph;
mod groups;
mod init;
mod kinds;
mod layer;
mod layout;
mod module;
mod parameters;
mod spread;
mod traffic;

pub use base::Sharded;
pub use describe::{LayerDescription, layer_kinds};
pub use error::ShardError;
pub use graph::layer_graph;
pub use groups::{GroupPart, group_parts, group_placement};
pub use init::shard;
pub use traffic::{BytesMoved, Transfers};
