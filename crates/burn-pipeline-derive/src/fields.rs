//! The fields of a derived type: what they are called, which are skipped, which are generic.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Error, Fields, Generics, Member, Result, Type};

/// A field as both derives see it.
pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) skipped: bool,
}

/// The fields in order, those with `#[own(skip)]` or `#[foreign(skip)]` marked as skipped.
///
/// A word that the derive's own attribute does not know is an error. What else the foreign one says
/// is for its derive to judge.
pub(crate) fn fields_in_order<'a>(
    fields: &'a Fields,
    own: &str,
    foreign: Option<&str>,
) -> Result<Vec<Field<'a>>> {
    fields
        .members()
        .zip(fields)
        .map(|(member, field)| {
            let skipped_elsewhere = foreign.is_some_and(|name| says_skip(&field.attrs, name));
            Ok(Field {
                member,
                ty: &field.ty,
                skipped: is_skipped(&field.attrs, own)? || skipped_elsewhere,
            })
        })
        .collect()
}

/// An error at an attribute of the derive that is not on a field.
pub(crate) fn refuse_attribute(attributes: &[Attribute], name: &str) -> Result<()> {
    match attributes.iter().find(|it| it.path().is_ident(name)) {
        Some(misplaced) => Err(Error::new_spanned(
            misplaced,
            format!("`#[{name}(skip)]` belongs on a field: move it to the one to leave out"),
        )),
        None => Ok(()),
    }
}

fn is_skipped(attributes: &[Attribute], name: &str) -> Result<bool> {
    let mut skipped = false;
    for attribute in attributes.iter().filter(|it| it.path().is_ident(name)) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("skip") {
                return Err(meta.error(format!(
                    "`#[{name}(..)]` does not know this word: write `#[{name}(skip)]` to leave \
                     the field out, or remove the attribute"
                )));
            }
            skipped = true;
            Ok(())
        })?;
    }
    Ok(skipped)
}

fn says_skip(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .filter(|it| it.path().is_ident(name))
        .filter_map(|it| it.parse_args::<Ident>().ok())
        .any(|word| word == "skip")
}

/// `<ty as Trait>::item`, from where `place` begins to where it ends: there an error points.
pub(crate) fn item_of(ty: &Type, trait_name: &str, item: &str, place: &Type) -> TokenStream {
    let mut spans = place.to_token_stream().into_iter().map(|it| it.span());
    let begin = spans.next().unwrap_or_else(Span::call_site);
    let end = spans.last().unwrap_or(begin);
    let open = quote_spanned!(begin=> <);
    let trait_name = Ident::new(trait_name, Span::call_site());
    let item = Ident::new(item, end);
    quote!(#open #ty as ::burn_pipeline::#trait_name>::#item)
}

/// Whether a type speaks of one of the type parameters.
pub(crate) fn is_generic(ty: &Type, generics: &Generics) -> bool {
    generics
        .type_params()
        .any(|param| mentions(ty.to_token_stream(), &param.ident))
}

/// Whether an identifier occurs among the tokens.
pub(crate) fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(found) => found == *ident,
        TokenTree::Group(group) => mentions(group.stream(), ident),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use syn::{Data, DeriveInput, parse_quote};

    use super::*;

    fn skipped(input: &DeriveInput) -> Result<Vec<bool>> {
        let Data::Struct(data) = &input.data else {
            panic!("the tests are about structs");
        };
        let fields = fields_in_order(&data.fields, "signal", Some("module"))?;
        Ok(fields.iter().map(|field| field.skipped).collect())
    }

    #[test]
    fn a_field_is_skipped_by_the_own_attribute_or_a_foreign_one() {
        let input = parse_quote! {
            struct Pair(A, #[signal(skip)] B, #[module(skip)] C, #[module(other = 1)] D, #[serde(skip)] E);
        };
        assert_eq!(skipped(&input).unwrap(), [false, true, true, false, false]);
    }

    #[test]
    fn an_unknown_word_is_an_error_that_names_the_known_one() {
        for input in [
            parse_quote!(
                struct Pair {
                    #[signal(ignore)]
                    note: String,
                }
            ),
            parse_quote!(
                struct Pair {
                    #[signal(skip, ignore)]
                    note: String,
                }
            ),
        ] {
            let error = skipped(&input).unwrap_err().to_string();
            assert!(error.contains("write `#[signal(skip)]`"), "{error}");
        }
    }

    #[test]
    fn an_attribute_without_a_word_is_an_error() {
        for input in [
            parse_quote!(
                struct Pair {
                    #[signal]
                    note: String,
                }
            ),
            parse_quote!(
                struct Pair {
                    #[signal = "skip"]
                    note: String,
                }
            ),
            parse_quote!(
                struct Pair {
                    #[signal(skip = true)]
                    note: String,
                }
            ),
        ] {
            assert!(skipped(&input).is_err());
        }
    }

    #[test]
    fn a_type_parameter_is_found_wherever_it_stands_in_a_type() {
        let generics: Generics = parse_quote!(<'a, T, const N: usize>);
        for ty in [
            parse_quote!(T),
            parse_quote!(Vec<T>),
            parse_quote!([(T, u8); 2]),
            parse_quote!(T::Output),
            parse_quote!(<T as Layer>::Output),
            parse_quote!(kind!(T)),
        ] {
            assert!(is_generic(&ty, &generics));
        }
        for ty in [parse_quote!(Tensor<N>), parse_quote!(Cow<'a, Tea>)] {
            assert!(!is_generic(&ty, &generics));
        }
    }
}
