//! A pipeline computes what the plain model computes: the same bits for every partition and every
//! rematerialization, and the unsplit mini-batch's numbers within rounding.

mod by_hand;
mod checkpointing;
mod clipping;
mod custom;
mod dropout;
mod models;
mod norm;
mod own_dropout;
mod shared;
mod skip_kinds;
mod skips;
mod threads;
mod tied;
mod together;
