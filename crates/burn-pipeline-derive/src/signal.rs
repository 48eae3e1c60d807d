//! `#[derive(Signal)]`: a struct or an enum of signals.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Data, DeriveInput, Error, Generics, Result, parse_quote};

use crate::fields::{Field, fields_in_order, item_of, mentions, refuse_attribute};

const ATTRIBUTE: &str = "signal";

/// A struct, or one variant of an enum: how its patterns begin, and its fields.
struct Shape<'a> {
    path: TokenStream,
    fields: Vec<Field<'a>>,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    refuse_attribute(&input.attrs, ATTRIBUTE)?;
    let shapes = shapes(input)?;
    let name = &input.ident;
    let generics = bounded(&input.generics, &shapes);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = input.generics.split_for_impl();
    let visit = shapes.iter().map(Shape::visit);
    let map = shapes.iter().map(Shape::map);

    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::burn_pipeline::Signal for #name #ty_generics #where_clause {
            fn visit<__V: ::burn_pipeline::SignalVisitor>(&self, visitor: &mut __V) {
                match *self { #(#visit)* }
            }

            fn map<__M: ::burn_pipeline::SignalMapper>(self, mapper: &mut __M) -> Self {
                match self { #(#map)* }
            }
        }
    })
}

fn shapes(input: &DeriveInput) -> Result<Vec<Shape<'_>>> {
    match &input.data {
        Data::Struct(data) => Ok(vec![Shape {
            path: quote!(Self),
            fields: fields_in_order(&data.fields, ATTRIBUTE, None)?,
        }]),
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                refuse_attribute(&variant.attrs, ATTRIBUTE)?;
                let name = &variant.ident;
                Ok(Shape {
                    path: quote!(Self::#name),
                    fields: fields_in_order(&variant.fields, ATTRIBUTE, None)?,
                })
            })
            .collect(),
        Data::Union(_) => Err(Error::new_spanned(
            &input.ident,
            "`Signal` cannot be derived for a union, which does not know what it holds: \
             make it an enum",
        )),
    }
}

impl Shape<'_> {
    fn visit(&self) -> TokenStream {
        let path = &self.path;
        let seen = || self.bindings().filter(|(field, _)| !field.skipped);
        let patterns = seen().map(|(Field { member, .. }, binding)| quote!(#member: ref #binding));
        let visits = seen().map(|(Field { ty, .. }, binding)| {
            let visit = item_of(ty, "Signal", "visit", ty);
            quote!(#visit(#binding, visitor))
        });
        quote! {
            #path { #(#patterns,)* .. } => { #(#visits;)* }
        }
    }

    fn map(&self) -> TokenStream {
        let path = &self.path;
        let patterns = self
            .bindings()
            .map(|(Field { member, .. }, binding)| quote!(#member: #binding));
        let mapped = self.bindings().map(|(field, binding)| {
            let Field { member, ty, .. } = field;
            if field.skipped {
                return quote!(#member: #binding);
            }
            let map = item_of(ty, "Signal", "map", ty);
            quote!(#member: #map(#binding, mapper))
        });
        quote! {
            #path { #(#patterns,)* } => #path { #(#mapped,)* },
        }
    }

    fn bindings(&self) -> impl Iterator<Item = (&Field<'_>, Ident)> {
        let binding = |(index, field)| (field, format_ident!("field_{index}"));
        self.fields.iter().enumerate().map(binding)
    }
}

/// The type parameters of visited fields are signals; the others only travel along.
fn bounded(generics: &Generics, shapes: &[Shape]) -> Generics {
    let mut generics = generics.clone();
    for param in generics.type_params_mut() {
        let is_signal = shapes
            .iter()
            .flat_map(|shape| &shape.fields)
            .any(|field| !field.skipped && mentions(field.ty.to_token_stream(), &param.ident));
        if is_signal {
            param.bounds.push(parse_quote!(::burn_pipeline::Signal));
        } else {
            param.bounds.push(parse_quote!(::core::clone::Clone));
            param.bounds.push(parse_quote!(::core::marker::Send));
            param.bounds.push(parse_quote!('static));
        }
    }
    generics
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
    fn a_struct_is_visited_and_mapped_field_by_field() {
        let derived = expansion(parse_quote! {
            struct Tokens<const D: usize> where Assert<D>: IsTrue {
                hidden: Tensor<D>,
                mask: Tensor<2, Bool>,
            }
        });
        let expected = quote! {
            #[automatically_derived]
            impl<const D: usize> ::burn_pipeline::Signal for Tokens<D> where Assert<D>: IsTrue {
                fn visit<__V: ::burn_pipeline::SignalVisitor>(&self, visitor: &mut __V) {
                    match *self {
                        Self { hidden: ref field_0, mask: ref field_1, .. } => {
                            <Tensor<D> as ::burn_pipeline::Signal>::visit(field_0, visitor);
                            <Tensor<2, Bool> as ::burn_pipeline::Signal>::visit(field_1, visitor);
                        }
                    }
                }

                fn map<__M: ::burn_pipeline::SignalMapper>(self, mapper: &mut __M) -> Self {
                    match self {
                        Self { hidden: field_0, mask: field_1, } => Self {
                            hidden: <Tensor<D> as ::burn_pipeline::Signal>::map(field_0, mapper),
                            mask: <Tensor<2, Bool> as ::burn_pipeline::Signal>::map(field_1, mapper),
                        },
                    }
                }
            }
        };
        assert_eq!(derived, expected.to_string());
    }

    #[test]
    fn a_skipped_field_is_not_visited_and_moved_over() {
        let derived = expansion(parse_quote! {
            enum Either { Left(Tensor<2>, #[signal(skip)] u8), Neither }
        });
        for arm in [
            quote!(Self::Left { 0: ref field_0, .. } =>),
            quote!(Self::Left {
                0: <Tensor<2> as ::burn_pipeline::Signal>::map(field_0, mapper),
                1: field_1,
            }),
            quote!(Self::Neither {} => Self::Neither {},),
        ] {
            assert!(derived.contains(&arm.to_string()), "{arm} in {derived}");
        }
    }

    #[test]
    fn a_type_parameter_is_a_signal_where_it_is_not_skipped() {
        let derived = expansion(parse_quote! {
            struct Tagged<S: Debug, T> { signal: Option<S>, #[signal(skip)] tag: T }
        });
        let generics = quote! {
            impl<
                S: Debug + ::burn_pipeline::Signal,
                T: ::core::clone::Clone + ::core::marker::Send + 'static
            >
        };
        assert!(derived.contains(&generics.to_string()), "{derived}");
    }

    #[test]
    fn a_union_is_refused_with_a_remedy() {
        let error = error(parse_quote!(union Either { left: u8, right: i8 }));
        assert!(error.contains("make it an enum"), "{error}");
    }

    #[test]
    fn an_attribute_on_the_type_or_a_variant_is_refused() {
        for input in [
            parse_quote!(
                #[signal(skip)]
                struct Tokens(Tensor<2>);
            ),
            parse_quote!(
                enum Either {
                    #[signal(skip)]
                    Left(Tensor<2>),
                }
            ),
        ] {
            let error = error(input);
            assert!(error.contains("belongs on a field"), "{error}");
        }
    }
}
