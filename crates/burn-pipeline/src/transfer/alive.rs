use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Tensor};

use crate::error::message_of;
use crate::waiting::wait_while;

/// Wait until a device of another machine has done all that was handed to it, while it `goes_on`.
/// What is sent there is not answered: without this, nobody would learn that its server is gone.
pub(crate) fn prove_alive(device: &Device, goes_on: impl FnMut() -> bool) -> Result<(), String> {
    // An answer that is awaited here, and not by the thread that feeds the device: that goes on.
    let ask = || wait_while(Tensor::<1>::zeros([1], device).into_data_async(), goes_on);
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(Some(Ok(_))) => Ok(()),
        Ok(Some(Err(error))) => Err(in_one_line(&error.to_string())),
        Ok(None) => Err("no answer came while it was waited for".to_string()),
        Err(panic) => Err(in_one_line(&message_of(panic.as_ref()))),
    }
}

/// Burn tells causes in lines of their own.
fn in_one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}
