/// What a layer sends is what the next one takes. Only `#[derive(Sequential)]` speaks of it: the
/// fields' names stand in for themselves, so that a mismatch is an error that names both.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the layers of field `{Sender}` send `{Self}`, but the layers of field `{Receiver}` take `{Taken}`",
    label = "this field cannot take what the field before it sends",
    note = "neighbouring layers of a `Sequential` must agree on their signal: change one of them, or put a layer between that converts"
)]
pub trait Feeds<Taken, Sender, Receiver> {}

impl<S, Sender, Receiver> Feeds<S, Sender, Receiver> for S {}
