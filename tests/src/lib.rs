//! Toy models and measures that the suite shares.

pub mod book;
pub mod compare;
pub mod data;
pub mod devices;
pub mod fragile;
pub mod learner;
pub mod models;
pub mod optimizers;
pub mod pipelined;
pub mod reference;
pub mod schedules;
pub mod threads;
