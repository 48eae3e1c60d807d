//! AmoebaNet-D of Real et al. (2018), as GPipe (Huang et al., 2018) trains it, cell by cell.
//!
//! A normal cell sends on its states 0, 3, 4 and 6, as the authors' code has it and not their
//! text: with these, the parameters are those of the paper's Table 1.

use super::described::{Described, Model};

/// The operations of a cell: the state that each reads, and what it does. Two make one new state.
type Cell = [(usize, Operation); 10];

#[derive(Clone, Copy)]
enum Operation {
    Convolution1x1,
    Convolution3x3,
    Convolution1x7And7x1,
    Pool,
    Nothing,
}

use Operation::{Convolution1x1, Convolution1x7And7x1, Convolution3x3, Nothing, Pool};

const NORMAL: Cell = [
    (1, Convolution1x1),
    (1, Pool),
    (1, Nothing),
    (0, Convolution1x7And7x1),
    (0, Convolution1x1),
    (0, Convolution1x7And7x1),
    (2, Pool),
    (2, Nothing),
    (1, Pool),
    (5, Convolution1x1),
];
const REDUCTION: Cell = [
    (0, Pool),
    (0, Pool),
    (2, Nothing),
    (1, Convolution3x3),
    (2, Convolution1x7And7x1),
    (2, Pool),
    (3, Nothing),
    (1, Pool),
    (2, Pool),
    (3, Convolution1x1),
];
const CLASSES: u64 = 1000;
const SIDE: u64 = 224;

/// `AmoebaNet-D (L, D)` on images of 224 x 224: `num_layers` normal cells, a third of them at each
/// of three resolutions, of `num_filters` filters.
pub fn amoebanet(num_layers: usize, num_filters: u64) -> Model {
    let mut builder = Builder::new(num_filters / 4);
    builder.reduction("stem2");
    builder.reduction("stem3");
    for part in [1, 3, 5] {
        if part > 1 {
            builder.reduction(&format!("cell{}_reduction", part - 1));
        }
        for index in 1..=num_layers / 3 {
            builder.normal(format!("cell{part}_normal{index}"));
        }
    }
    Model {
        name: format!("AmoebaNet-D ({num_layers}, {num_filters})"),
        layers: builder.finish(),
        bytes_per_number: 2.0,
        kept_share: 1.0,
        input_bytes: 4.0 * 3.0 * (SIDE * SIDE) as f64,
    }
}

struct Builder {
    layers: Vec<Described>,
    channels: u64,
    previous: u64,
    before_previous: u64,
    after_reduction: bool,
    /// Rows of what the next cell reads.
    side: u64,
}

impl Builder {
    fn new(channels: u64) -> Self {
        let mut stem = Described {
            name: "stem1".to_string(),
            ..Described::default()
        };
        stem.convolution([3, channels], 9, [SIDE, SIDE / 2]);
        stem.num_sent = channels * SIDE * SIDE / 4;
        Self {
            layers: vec![stem],
            channels,
            previous: channels,
            before_previous: channels,
            after_reduction: false,
            side: SIDE / 2,
        }
    }

    fn reduction(&mut self, name: &str) {
        self.channels *= 2;
        self.cell(name.to_string(), &REDUCTION, true);
    }

    fn normal(&mut self, name: String) {
        self.cell(name, &NORMAL, false);
    }

    fn cell(&mut self, name: String, operations: &Cell, reduces: bool) {
        let (channels, side) = (self.channels, self.side);
        let mut cell = Described {
            name,
            ..Described::default()
        };
        cell.convolution([self.previous, channels], 1, [side, side]);
        if self.after_reduction {
            cell.factorized_reduction([self.before_previous, channels], 2 * side);
        } else if self.before_previous != channels {
            cell.convolution([self.before_previous, channels], 1, [side, side]);
        }
        let out = if reduces { side / 2 } else { side };
        for &(state, operation) in operations {
            let from = if state < 2 { side } else { out };
            cell.operation(operation, channels, from, out);
        }
        // The two states that it begins with, and the five sums.
        cell.num_kept += 2 * channels * side * side + 5 * channels * out * out;

        let num_joined = if reduces { 3 } else { 4 };
        let joined = num_joined * channels * out * out;
        cell.num_kept += joined;
        // What the next cell reads, and what the one behind it reads.
        cell.num_sent = joined + self.previous * side * side;
        self.layers.push(cell);
        self.before_previous = self.previous;
        self.previous = num_joined * channels;
        self.after_reduction = reduces;
        self.side = out;
    }

    fn finish(mut self) -> Vec<Described> {
        let num_parameters = (self.previous + 1) * CLASSES;
        self.layers.push(Described {
            name: "classify".to_string(),
            flops: 2 * num_parameters,
            num_parameters,
            num_kept: self.previous,
            num_sent: CLASSES,
        });
        self.layers
    }
}

impl Described {
    /// A rectifier, a convolution of `taps` weights per pair of channels, and a batch norm.
    fn convolution(&mut self, [inputs, outputs]: [u64; 2], taps: u64, [from, to]: [u64; 2]) {
        let weights = inputs * outputs * taps;
        self.num_parameters += weights + 2 * outputs;
        self.flops += 2 * weights * to * to;
        self.num_kept += inputs * from * from + outputs * to * to;
    }

    /// Two convolutions of every second position, side by side.
    fn factorized_reduction(&mut self, [inputs, outputs]: [u64; 2], from: u64) {
        let to = from / 2;
        self.num_parameters += inputs * outputs + 2 * outputs;
        self.flops += 2 * inputs * outputs * to * to;
        self.num_kept += inputs * from * from + outputs * to * to;
    }

    fn operation(&mut self, operation: Operation, channels: u64, from: u64, to: u64) {
        let narrow = channels / 4;
        match operation {
            Convolution1x1 => self.convolution([channels, channels], 1, [from, to]),
            Convolution3x3 => {
                self.convolution([channels, narrow], 1, [from, from]);
                self.convolution([narrow, narrow], 9, [from, to]);
                self.convolution([narrow, channels], 1, [to, to]);
            }
            Convolution1x7And7x1 => {
                self.convolution([channels, narrow], 1, [from, from]);
                self.convolution([narrow, narrow], 7, [from, from]);
                self.convolution([narrow, narrow], 7, [from, to]);
                self.convolution([narrow, channels], 1, [to, to]);
            }
            Pool | Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Table 1 of the paper.
    #[rstest]
    #[case(18, 208, 82e6)]
    #[case(18, 416, 318e6)]
    #[case(18, 544, 542e6)]
    #[case(36, 544, 1.05e9)]
    #[case(72, 512, 1.84e9)]
    fn an_amoebanet_has_the_parameters_of_the_paper(
        #[case] num_layers: usize,
        #[case] num_filters: u64,
        #[case] published: f64,
    ) {
        let model = amoebanet(num_layers, num_filters);
        let ratio = model.num_parameters() as f64 / published;
        assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
        assert_eq!(model.layers.len(), num_layers + 6);
    }
}
