//! Toy models and measures that the suite shares.

pub mod compare;
pub mod models;
