//! Models that must not compile, and what the compiler says of them.

#[test]
fn wrong_models_are_compile_errors_that_name_the_fields() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
