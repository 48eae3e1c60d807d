//! Random numbers in parts.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn_pipeline::{Dropout, DropoutConfig, Ranked, ranked};

use super::support::{check, split};

#[test]
fn dropout_by_sample_drops_what_the_whole_model_drops() {
    let dropout = || ranked(DropoutConfig::new(0.4).init());
    let make = |device: &Device| -> (Ranked<Dropout, 2>, _, Ranked<Dropout, 2>, _) {
        let linear: Ranked<Linear, 2> = ranked(LinearConfig::new(6, 8).init(device));
        (dropout(), linear, dropout(), dropout())
    };
    let degrees = [[3, 1, 1, 1], [1, 2, 1, 1], [2, 1, 1, 1], [4, 1, 1, 1]];
    check(make, &degrees.map(split), &[5, 6]);
}
