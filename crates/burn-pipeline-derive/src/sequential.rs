//! `#[derive(Sequential)]`: a struct as the sequence of its fields.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, GenericParam, Generics, Result, parse_quote};

use crate::fields::{Field, fields_in_order, refuse_attribute};
use crate::neighbours::{Neighbours, of_layer};

const ATTRIBUTES: [&str; 2] = ["sequential", "module"];

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    refuse_attribute(&input.attrs, ATTRIBUTES[0])?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`Sequential` can only be derived for a struct, whose fields have an order: implement \
             `Layer` to make this type one layer, or put its layers into a struct",
        ));
    };
    let fields = fields_in_order(&data.fields, &ATTRIBUTES)?;
    let layers: Vec<&Field> = fields.iter().filter(|field| !field.skipped).collect();
    if layers.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "`Sequential` needs a field that is a layer: add one, or take `skip` off the field \
             that is one",
        ));
    }

    let name = &input.ident;
    let neighbours = Neighbours::new(input, &layers);
    let bounded = neighbours.bounded();
    let agreement = neighbours.agreement(&bounded);
    let open_ended = open_ended(bounded);
    let (impl_generics, _, where_clause) = open_ended.split_for_impl();
    let (_, ty_generics, _) = input.generics.split_for_impl();
    let num_layers = layers.iter().map(|layer| num_layers(layer));
    let forward = layers.iter().map(|layer| forward(layer));
    let visit = layers.iter().map(|layer| visit(layer));
    let map = fields.iter().map(map);

    Ok(quote! {
        const _: () = {
            #agreement

            #[automatically_derived]
            impl #impl_generics ::burn_pipeline::Sequential for #name #ty_generics #where_clause {
                type Input = __Input;
                type Output = __Output;

                fn num_layers(&self) -> usize {
                    #(#num_layers)+*
                }

                fn forward_layer(
                    &self,
                    index: usize,
                    input: ::burn_pipeline::AnySignal,
                ) -> ::burn_pipeline::AnySignal {
                    #(#forward)*
                    ::core::panic!("the sequence ends {} layers before", index + 1)
                }

                fn visit_layers<__V: ::burn_pipeline::LayerVisitor>(&self, visitor: &mut __V) {
                    #(#visit)*
                }

                fn map_layers<__M: ::burn_pipeline::LayerMapper>(self, mapper: &mut __M) -> Self {
                    Self { #(#map,)* }
                }
            }
        };
    })
}

/// The signals at both ends as type parameters that `__Layers` determines: named outright, they
/// would not be allowed to come from a field whose type is more private than the struct.
fn open_ended(mut generics: Generics) -> Generics {
    let params = [
        parse_quote!(__Input: ::burn_pipeline::Signal),
        parse_quote!(__Output: ::burn_pipeline::Signal),
    ];
    generics.params.extend::<[GenericParam; 2]>(params);
    let where_clause = generics.make_where_clause();
    where_clause
        .predicates
        .push(parse_quote!(Self: __Layers<Input = __Input, Output = __Output>));
    generics
}

fn num_layers(Field { member, ty, .. }: &Field) -> TokenStream {
    let num_layers = of_layer(ty, "num_layers", ty);
    quote!(#num_layers(&self.#member))
}

fn forward(layer: &Field) -> TokenStream {
    let Field { member, ty, .. } = layer;
    let num_layers = num_layers(layer);
    let forward_layer = of_layer(ty, "forward_layer", ty);
    quote! {
        let num_layers = #num_layers;
        if index < num_layers {
            return #forward_layer(&self.#member, index, input);
        }
        let index = index - num_layers;
    }
}

fn visit(Field { member, ty, .. }: &Field) -> TokenStream {
    let name = member.to_token_stream().to_string();
    let visit_layers = of_layer(ty, "visit_layers", ty);
    quote! {
        visitor.enter(#name);
        #visit_layers(&self.#member, visitor);
        visitor.exit();
    }
}

fn map(field: &Field) -> TokenStream {
    let Field { member, ty, .. } = field;
    if field.skipped {
        return quote!(#member: self.#member);
    }
    let map_layers = of_layer(ty, "map_layers", ty);
    quote!(#member: #map_layers(self.#member, mapper))
}
