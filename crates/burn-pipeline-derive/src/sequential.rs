//! `#[derive(Sequential)]`: a struct as the sequence of its fields.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Generics, Result, parse_quote};

use crate::fields::{Field, fields_in_order, refuse_attribute};
use crate::neighbours::{Neighbours, of_layer};

const ATTRIBUTE: &str = "sequential";

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    refuse_attribute(&input.attrs, ATTRIBUTE)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`Sequential` can only be derived for a struct, whose fields have an order: implement \
             `Layer` to make this type one layer, or put its layers into a struct",
        ));
    };
    let fields = fields_in_order(&data.fields, ATTRIBUTE, Some("module"))?;
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
    let signal = quote!(::burn_pipeline::Signal);
    generics.params.push(parse_quote!(__Input: #signal));
    generics.params.push(parse_quote!(__Output: #signal));
    let ends = parse_quote!(Self: __Layers<Input = __Input, Output = __Output>);
    generics.make_where_clause().predicates.push(ends);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion(input: DeriveInput) -> String {
        expand(&input).unwrap().to_string()
    }

    fn error(input: DeriveInput) -> String {
        expand(&input).unwrap_err().to_string()
    }

    #[test]
    fn the_layers_are_counted_shown_and_run_in_the_order_of_the_fields() {
        let derived = expansion(parse_quote!(
            struct Net {
                a: A,
                b: B,
            }
        ));
        for part in [
            quote! {
                <A as ::burn_pipeline::Sequential>::num_layers(&self.a)
                    + <B as ::burn_pipeline::Sequential>::num_layers(&self.b)
            },
            quote! {
                visitor.enter("a");
                <A as ::burn_pipeline::Sequential>::visit_layers(&self.a, visitor);
                visitor.exit();
                visitor.enter("b");
                <B as ::burn_pipeline::Sequential>::visit_layers(&self.b, visitor);
                visitor.exit();
            },
            quote! {
                let num_layers = <B as ::burn_pipeline::Sequential>::num_layers(&self.b);
                if index < num_layers {
                    return <B as ::burn_pipeline::Sequential>::forward_layer(&self.b, index, input);
                }
                let index = index - num_layers;
                ::core::panic!("the sequence ends {} layers before", index + 1)
            },
        ] {
            assert!(derived.contains(&part.to_string()), "{part} in {derived}");
        }
    }

    #[test]
    fn a_skipped_field_is_no_layer_and_moved_over() {
        let derived = expansion(parse_quote! {
            struct Net(A, #[sequential(skip)] f64, #[module(skip)] String);
        });
        for part in [
            quote!(
                fn num_layers(&self) -> usize {
                    <A as ::burn_pipeline::Sequential>::num_layers(&self.0)
                }
            ),
            quote!(Self {
                0: <A as ::burn_pipeline::Sequential>::map_layers(self.0, mapper),
                1: self.1,
                2: self.2,
            }),
        ] {
            assert!(derived.contains(&part.to_string()), "{part} in {derived}");
        }
    }

    #[test]
    fn the_type_parameters_of_the_ends_follow_those_of_the_struct() {
        let derived = expansion(parse_quote!(
            struct Net<'a, T = u8, const N: usize = 1>(&'a [T; N]);
        ));
        let header = quote! {
            impl<
                'a, T, const N: usize,
                __Input: ::burn_pipeline::Signal,
                __Output: ::burn_pipeline::Signal
            > ::burn_pipeline::Sequential for Net<'a, T, N>
        };
        assert!(derived.contains(&header.to_string()), "{derived}");
    }

    #[test]
    fn what_is_no_struct_is_refused_with_a_remedy() {
        for input in [
            parse_quote!(
                enum Either {
                    Left(A),
                    Right(B),
                }
            ),
            parse_quote!(union Either { left: u8, right: i8 }),
        ] {
            let error = error(input);
            assert!(error.contains("put its layers into a struct"), "{error}");
        }
    }

    #[test]
    fn a_struct_without_layers_is_refused_with_a_remedy() {
        for input in [
            parse_quote!(
                struct Empty;
            ),
            parse_quote!(
                struct Empty {}
            ),
            parse_quote!(
                struct Empty(#[sequential(skip)] A, #[module(skip)] B);
            ),
        ] {
            let error = error(input);
            assert!(error.contains("take `skip` off the field"), "{error}");
        }
    }

    #[test]
    fn an_attribute_on_the_struct_is_refused() {
        let error = error(parse_quote!(
            #[sequential(skip)]
            struct Net(A);
        ));
        assert!(error.contains("belongs on a field"), "{error}");
    }
}
