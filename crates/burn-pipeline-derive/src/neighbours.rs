//! What the layers of a sequence must agree on, as bounds and as assertions.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{DeriveInput, Generics, Member, Type, parse_quote};

use crate::fields::{Field, is_generic};

/// A struct and those of its fields that are layers: at least one.
pub(crate) struct Neighbours<'a> {
    input: &'a DeriveInput,
    layers: &'a [&'a Field<'a>],
    markers: Ident,
}

impl<'a> Neighbours<'a> {
    pub(crate) fn new(input: &'a DeriveInput, layers: &'a [&'a Field<'a>]) -> Self {
        Self {
            input,
            layers,
            markers: format_ident!("__{}", input.ident),
        }
    }

    /// The generics of the struct, with a bound for whatever a type parameter has a say in.
    pub(crate) fn bounded(&self) -> Generics {
        let mut bounded = self.input.generics.clone();
        if bounded.type_params().next().is_none() {
            return bounded;
        }
        let predicates = &mut bounded.make_where_clause().predicates;
        predicates.push(parse_quote!(Self: ::burn::module::Module));
        for layer in self.layers.iter().filter(|layer| self.is_open(layer)) {
            let ty = layer.ty;
            predicates.push(parse_quote!(#ty: ::burn_pipeline::Sequential));
        }
        for (sender, receiver) in self.pairs() {
            if self.is_open(sender) || self.is_open(receiver) {
                let (sent, feeds) = self.feeds(sender, receiver);
                predicates.push(parse_quote!(#sent: #feeds));
            }
        }
        bounded
    }

    /// A trait that knows the signals at both ends, and asserts that the neighbours agree where no
    /// type parameter has a say in it.
    ///
    /// The fields' names become types for the errors to speak of: in a module, since a field may
    /// be called like something in its own type.
    pub(crate) fn agreement(&self, bounded: &Generics) -> TokenStream {
        let markers = &self.markers;
        let marker = self.layers.iter().map(|layer| marker(&layer.member));
        let assertions = self
            .pairs()
            .filter(|(sender, receiver)| !self.is_open(sender) && !self.is_open(receiver))
            .map(|(sender, receiver)| {
                let (sent, feeds) = self.feeds(sender, receiver);
                quote! {{
                    fn assert<Sent: #feeds>() {}
                    assert::<#sent>();
                }}
            });
        let name = &self.input.ident;
        let (impl_generics, _, where_clause) = bounded.split_for_impl();
        let (_, ty_generics, _) = self.input.generics.split_for_impl();
        let first = self.layers[0].ty;
        let last = self.layers[self.layers.len() - 1].ty;
        let input = of_layer(first, "Input", first);
        let output = of_layer(last, "Output", last);

        quote! {
            #[allow(dead_code, non_camel_case_types, non_snake_case)]
            mod #markers {
                #(pub(super) struct #marker;)*
            }

            trait __Layers {
                type Input;
                type Output;
                #[allow(dead_code)]
                fn agree();
            }

            impl #impl_generics __Layers for #name #ty_generics #where_clause {
                type Input = #input;
                type Output = #output;

                fn agree() {
                    #(#assertions)*
                }
            }
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a Field<'a>, &'a Field<'a>)> {
        self.layers.windows(2).map(|pair| (pair[0], pair[1]))
    }

    fn is_open(&self, layer: &Field) -> bool {
        is_generic(layer.ty, &self.input.generics)
    }

    /// What the sender sends, and the trait that it implements if the receiver takes it.
    fn feeds(&self, sender: &Field, receiver: &Field) -> (TokenStream, TokenStream) {
        let markers = &self.markers;
        let (from, to) = (marker(&sender.member), marker(&receiver.member));
        let sent = of_layer(sender.ty, "Output", receiver.ty);
        let taken = of_layer(receiver.ty, "Input", receiver.ty);
        let feeds =
            quote!(::burn_pipeline::__private::Feeds<#taken, #markers::#from, #markers::#to>);
        (sent, feeds)
    }
}

/// `<ty as Sequential>::item`, from where `place` begins to where it ends: there an error points.
pub(crate) fn of_layer(ty: &Type, item: &str, place: &Type) -> TokenStream {
    let mut spans = place.to_token_stream().into_iter().map(|it| it.span());
    let begin = spans.next().unwrap_or_else(Span::call_site);
    let end = spans.last().unwrap_or(begin);
    let open = quote_spanned!(begin=> <);
    let item = Ident::new(item, end);
    quote!(#open #ty as ::burn_pipeline::Sequential>::#item)
}

fn marker(member: &Member) -> Ident {
    match member {
        Member::Named(name) => {
            let mut name = name.clone();
            name.set_span(Span::call_site());
            name
        }
        Member::Unnamed(index) => format_ident!("field_{}", index.index),
    }
}
