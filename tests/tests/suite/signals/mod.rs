//! What may flow between layers, and how a mini-batch of it is split and joined.

mod batches;
mod kinds;
