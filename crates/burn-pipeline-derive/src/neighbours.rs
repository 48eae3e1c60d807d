//! What the layers of a sequence must agree on, as bounds and as assertions.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{DeriveInput, Generics, Member, Type, parse_quote};

use crate::fields::{Field, is_generic, item_of};

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
            markers: format_ident!("__{}", input.ident, span = Span::call_site()),
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
                let [sent, taken, from, to] = self.feeds(sender, receiver);
                predicates.push(parse_quote! {
                    #sent: ::burn_pipeline::__private::Feeds<#taken, #from, #to>
                });
            }
        }
        bounded
    }

    /// A trait that knows the signals at both ends, and asserts that neighbours agree where no
    /// type parameter has a say in it.
    ///
    /// The names of the fields become types for the errors to speak of: in a module, since a field
    /// may be called like something in its own type.
    pub(crate) fn agreement(&self, bounded: &Generics) -> TokenStream {
        let name = &self.input.ident;
        let (impl_generics, _, where_clause) = bounded.split_for_impl();
        let (_, ty_generics, _) = self.input.generics.split_for_impl();
        let markers = &self.markers;
        let marker = self.layers.iter().map(|layer| marker(&layer.member));
        let first = self.layers[0].ty;
        let last = self.layers[self.layers.len() - 1].ty;
        let input = of_layer(first, "Input", first);
        let output = of_layer(last, "Output", last);
        let assertions = self
            .pairs()
            .filter(|(sender, receiver)| !self.is_open(sender) && !self.is_open(receiver))
            .map(|(sender, receiver)| {
                let [sent, taken, from, to] = self.feeds(sender, receiver);
                quote!(neighbours_agree::<#sent, #taken, #from, #to>();)
            });

        quote! {
            mod #markers {
                #(pub(super) struct #marker;)*
            }

            fn neighbours_agree<Sent, Taken, Sender, Receiver>()
            where
                Sent: ::burn_pipeline::__private::Feeds<Taken, Sender, Receiver>,
            {
            }

            trait __Layers {
                type Input;
                type Output;
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

    /// What is sent, what is taken, and the names of the two fields.
    fn feeds(&self, sender: &Field, receiver: &Field) -> [TokenStream; 4] {
        let markers = &self.markers;
        let (from, to) = (marker(&sender.member), marker(&receiver.member));
        [
            of_layer(sender.ty, "Output", receiver.ty),
            of_layer(receiver.ty, "Input", receiver.ty),
            quote!(#markers::#from),
            quote!(#markers::#to),
        ]
    }
}

/// `<ty as Sequential>::item`, in errors at `place`.
pub(crate) fn of_layer(ty: &Type, item: &str, place: &Type) -> TokenStream {
    item_of(ty, "Sequential", item, place)
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

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::Data;

    use super::*;
    use crate::fields::fields_in_order;

    fn neighbours<T>(input: &DeriveInput, ask: impl Fn(&Neighbours) -> T) -> T {
        let Data::Struct(data) = &input.data else {
            panic!("the tests are about structs");
        };
        let fields = fields_in_order(&data.fields, "sequential", None).unwrap();
        let layers: Vec<&Field> = fields.iter().collect();
        ask(&Neighbours::new(input, &layers))
    }

    fn bounds(input: &DeriveInput) -> String {
        let bounded = neighbours(input, |it| it.bounded());
        bounded.where_clause.to_token_stream().to_string()
    }

    fn assertions(input: &DeriveInput) -> Vec<String> {
        let agreement = neighbours(input, |it| it.agreement(&it.bounded())).to_string();
        let calls = agreement.split("neighbours_agree :: ").skip(1);
        calls
            .map(|call| call.split(';').next().unwrap().trim_end().to_string())
            .collect()
    }

    #[test]
    fn neighbours_without_type_parameters_are_asserted_to_agree() {
        let input = parse_quote!(
            struct Net<const D: usize> {
                a: A,
                b: Vec<B>,
                r#type: C<D>,
            }
        );
        assert_eq!(bounds(&input), "");
        assert_eq!(
            assertions(&input),
            [
                quote!(<
                    <A as ::burn_pipeline::Sequential>::Output,
                    <Vec<B> as ::burn_pipeline::Sequential>::Input,
                    __Net::a, __Net::b
                >())
                .to_string(),
                quote!(<
                    <Vec<B> as ::burn_pipeline::Sequential>::Output,
                    <C<D> as ::burn_pipeline::Sequential>::Input,
                    __Net::b, __Net::r#type
                >())
                .to_string(),
            ]
        );
    }

    #[test]
    fn neighbours_with_a_type_parameter_are_bound_to_agree() {
        let input = parse_quote!(
            struct Net<T>(A, Vec<T>);
        );
        let expected = quote! {
            where
                Self: ::burn::module::Module,
                Vec<T>: ::burn_pipeline::Sequential,
                <A as ::burn_pipeline::Sequential>::Output: ::burn_pipeline::__private::Feeds<
                    <Vec<T> as ::burn_pipeline::Sequential>::Input,
                    __Net::field_0, __Net::field_1
                >
        };
        assert_eq!(bounds(&input), expected.to_string());
        assert!(assertions(&input).is_empty());
    }

    #[test]
    fn the_bounds_of_the_struct_are_kept() {
        let input = parse_quote!(
            struct Net<T: Debug>
            where
                T: Display,
            {
                a: T,
            }
        );
        let expected = quote! {
            where
                T: Display,
                Self: ::burn::module::Module,
                T: ::burn_pipeline::Sequential
        };
        assert_eq!(bounds(&input), expected.to_string());
    }
}
