//! The model: a byte-level GPT as a sequence of layers.

mod attention;
mod base;
mod block;
mod head;
mod memory;

pub use attention::Attention;
pub use base::{Embed, Gpt, GptConfig};
pub use block::Block;
pub use head::Head;
