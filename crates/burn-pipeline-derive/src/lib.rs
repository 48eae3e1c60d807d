//! d
mod fields;
mod neighbours;
mod sequential;
mod signal;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// d
#[proc_macro_derive(Sequential, attributes(sequential))]
pub fn derive_sequential(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    sequential::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// d
#[proc_macro_derive(Signal, attributes(signal))]
pub fn derive_signal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    signal::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
