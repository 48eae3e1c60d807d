//! Small models, each with batches to train it on and a plain forward that is the reference.

mod base;
mod convolution;
mod counted;
mod encoded;
mod frozen;
mod grouped;
mod lora;
mod mirror;
mod mlp;
mod optional;
mod pair;
mod parcel;
mod skips;
mod tied;
mod transformer;
mod unused;

pub use base::{Input, Output, Toy, mean_square};
pub use convolution::{Convolution, FrozenNorm, convolution};
pub use counted::Counted;
pub use encoded::Encoded;
pub use frozen::Frozen;
pub use grouped::{Grouped, NoisyGroup, grouped};
pub use lora::LowRank;
pub use mirror::{Mirror, Reflected};
pub use mlp::{Mlp, mlp};
pub use optional::Optional;
pub use pair::Pair;
pub use parcel::Parcels;
pub use skips::{Carried, Skips, Stacked};
pub use tied::{Tied, Untied};
pub use transformer::{Transformer, WithoutDropout, transformer};
pub use unused::Unused;
