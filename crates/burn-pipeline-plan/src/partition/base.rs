use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use super::PartitionError;

/// The cuts in a sequence of layers: which layers each stage holds.
///
/// Every layer is in exactly one stage, and every stage holds at least one layer. It is written
/// as the ranges of layers of its stages:
///
/// ```
/// use burn_pipeline_plan::Partition;
///
/// let partition = Partition::from_cuts(&[3], 5)?;
/// assert_eq!(partition.to_string(), "0..3 | 3..5");
/// assert_eq!(partition, Partition::from_counts(&[3, 2], 5)?);
/// # Ok::<(), burn_pipeline_plan::PartitionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Partition {
    cuts: Vec<usize>,
    num_layers: usize,
}

impl Partition {
    /// Stages whose numbers of layers differ by at most one, the larger ones first.
    ///
    /// Zero layers, zero stages, and more stages than layers are errors.
    pub fn even(num_layers: usize, num_stages: usize) -> Result<Self, PartitionError> {
        check_numbers(num_layers, num_stages)?;
        let (small, num_large) = (num_layers / num_stages, num_layers % num_stages);
        let cut = |stage: usize| stage * small + stage.min(num_large);
        Ok(Self {
            cuts: (1..num_stages).map(cut).collect(),
            num_layers,
        })
    }

    /// Stages of these numbers of layers, first stage first.
    ///
    /// Every count is at least 1, and they add up to `num_layers`; anything else is an error.
    pub fn from_counts(counts: &[usize], num_layers: usize) -> Result<Self, PartitionError> {
        let num_stages = counts.len();
        if let Some(stage) = counts.iter().position(|&count| count == 0) {
            return Err(PartitionError::EmptyStage { stage, num_stages });
        }
        check_numbers(num_layers, num_stages)?;
        let mut cuts = Vec::with_capacity(num_stages);
        let sum = counts.iter().fold(0usize, |sum, &count| {
            cuts.push(sum);
            sum.saturating_add(count)
        });
        if sum != num_layers {
            return Err(PartitionError::Sum { sum, num_layers });
        }
        Ok(Self {
            cuts: cuts.split_off(1),
            num_layers,
        })
    }

    /// Stages between these cuts: a cut `c` falls before layer `c`.
    ///
    /// Cuts lie in `1..num_layers` and increase strictly; anything else is an error.
    pub fn from_cuts(cuts: &[usize], num_layers: usize) -> Result<Self, PartitionError> {
        check_numbers(num_layers, cuts.len() + 1)?;
        let mut previous = 0;
        for (index, &cut) in cuts.iter().enumerate() {
            if cut == 0 || cut >= num_layers {
                return Err(PartitionError::CutOutOfRange {
                    index,
                    cut,
                    num_layers,
                });
            }
            if cut <= previous {
                return Err(PartitionError::CutOrder {
                    index,
                    cut,
                    previous,
                });
            }
            previous = cut;
        }
        Ok(Self {
            cuts: cuts.to_vec(),
            num_layers,
        })
    }

    /// How many stages there are.
    pub fn num_stages(&self) -> usize {
        self.cuts.len() + 1
    }

    /// How many layers there are.
    pub fn num_layers(&self) -> usize {
        self.num_layers
    }

    /// The layers that a stage holds.
    ///
    /// # Panics
    ///
    /// If there is no such stage.
    pub fn stage(&self, stage: usize) -> Range<usize> {
        assert!(
            stage < self.num_stages(),
            "stage {stage} of a partition into {} stages",
            self.num_stages()
        );
        let start = stage.checked_sub(1).map_or(0, |before| self.cuts[before]);
        start..self.cuts.get(stage).copied().unwrap_or(self.num_layers)
    }

    /// The layers that each stage holds, first stage first.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        (0..self.num_stages()).map(|stage| self.stage(stage))
    }

    /// The stage that holds a layer.
    ///
    /// # Panics
    ///
    /// If there is no such layer.
    pub fn stage_of(&self, layer: usize) -> usize {
        assert!(
            layer < self.num_layers,
            "layer {layer} of a partition of {} layers",
            self.num_layers
        );
        self.cuts.partition_point(|&cut| cut <= layer)
    }

    /// How many layers each stage holds, first stage first.
    pub fn counts(&self) -> Vec<usize> {
        self.stages().map(|layers| layers.len()).collect()
    }
}

fn check_numbers(num_layers: usize, num_stages: usize) -> Result<(), PartitionError> {
    match (num_layers, num_stages) {
        (_, 0) => Err(PartitionError::NoStages { num_layers }),
        (0, _) => Err(PartitionError::NoLayers { num_stages }),
        _ if num_stages > num_layers => Err(PartitionError::TooManyStages {
            num_stages,
            num_layers,
        }),
        _ => Ok(()),
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (stage, layers) in self.stages().enumerate() {
            let separator = if stage == 0 { "" } else { " | " };
            write!(f, "{separator}{layers:?}")?;
        }
        Ok(())
    }
}

/// A partition as it is stored, before its cuts are checked.
#[derive(Deserialize)]
#[serde(rename = "Partition")]
struct Unchecked {
    cuts: Vec<usize>,
    num_layers: usize,
}

impl TryFrom<Unchecked> for Partition {
    type Error = PartitionError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        Self::from_cuts(&unchecked.cuts, unchecked.num_layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(1, 1, "0..1")]
    #[case(8, 3, "0..3 | 3..6 | 6..8")]
    #[case(9, 3, "0..3 | 3..6 | 6..9")]
    #[case(7, 3, "0..3 | 3..5 | 5..7")]
    #[case(4, 4, "0..1 | 1..2 | 2..3 | 3..4")]
    fn an_even_partition_puts_the_larger_stages_first(
        #[case] num_layers: usize,
        #[case] num_stages: usize,
        #[case] text: &str,
    ) {
        let partition = Partition::even(num_layers, num_stages).unwrap();
        assert_eq!(partition.to_string(), text);
    }

    #[rstest]
    #[case(
        Partition::even(0, 2),
        "0 layers cannot make 2 stages: give the model at least 1 layer"
    )]
    #[case(
        Partition::even(5, 0),
        "0 stages cannot hold 5 layers: ask for 1 to 5 stages"
    )]
    #[case(
        Partition::even(3, 4),
        "4 stages need at least 4 layers, but the model has 3: \
         ask for at most 3 stages, or write the model as more layers"
    )]
    #[case(
        Partition::from_counts(&[], 5),
        "0 stages cannot hold 5 layers: ask for 1 to 5 stages"
    )]
    #[case(
        Partition::from_counts(&[2, 0, 3], 5),
        "stage 1 of 3 has 0 layers: give it at least 1, or leave the stage out"
    )]
    #[case(
        Partition::from_counts(&[2, 2], 5),
        "the stages have 4 layers in all, but the model has 5: add 1 to some stage"
    )]
    #[case(
        Partition::from_counts(&[2, 6], 5),
        "the stages have 8 layers in all, but the model has 5: take 3 from some stage"
    )]
    #[case(
        Partition::from_cuts(&[2, 5], 5),
        "cut 1 falls before layer 5, but the model has 5 layers: choose a cut from 1 to 4"
    )]
    #[case(
        Partition::from_cuts(&[0, 2], 5),
        "cut 0 falls before layer 0, but the model has 5 layers: choose a cut from 1 to 4"
    )]
    #[case(
        Partition::from_cuts(&[3, 2], 5),
        "cut 1 falls before layer 2, and the cut ahead of it before layer 3: \
         list each cut once, in increasing order"
    )]
    #[case(
        Partition::from_cuts(&[1], 1),
        "2 stages need at least 2 layers, but the model has 1: \
         ask for at most 1 stages, or write the model as more layers"
    )]
    fn what_cannot_be_cut_is_an_error_with_both_numbers(
        #[case] partition: Result<Partition, PartitionError>,
        #[case] message: &str,
    ) {
        assert_eq!(partition.unwrap_err().to_string(), message);
    }

    #[test]
    fn counts_beyond_every_number_are_an_error() {
        assert!(Partition::from_counts(&[usize::MAX, usize::MAX], 5).is_err());
    }

    #[test]
    fn a_stored_partition_is_checked_when_it_is_read() {
        let partition = Partition::from_counts(&[3, 2], 5).unwrap();
        let json = serde_json::to_string(&partition).unwrap();
        assert_eq!(json, r#"{"cuts":[3],"num_layers":5}"#);
        assert_eq!(serde_json::from_str::<Partition>(&json).unwrap(), partition);
        assert!(serde_json::from_str::<Partition>(&json.replace('3', "9")).is_err());
    }

    proptest! {
        #[test]
        fn every_layer_is_in_exactly_one_stage(
            counts in prop::collection::vec(1..6usize, 1..9)
        ) {
            let num_layers = counts.iter().sum();
            let partition = Partition::from_counts(&counts, num_layers).unwrap();
            prop_assert_eq!(partition.counts(), counts);
            prop_assert!(partition.stages().flatten().eq(0..num_layers));
            for layer in 0..num_layers {
                prop_assert!(partition.stage(partition.stage_of(layer)).contains(&layer));
            }
        }

        #[test]
        fn an_even_partition_is_even(
            (num_layers, num_stages) in (1..200usize).prop_flat_map(|n| (Just(n), 1..=n))
        ) {
            let counts = Partition::even(num_layers, num_stages).unwrap().counts();
            prop_assert_eq!(counts.iter().sum::<usize>(), num_layers);
            prop_assert!(counts.is_sorted_by(|a, b| a >= b));
            prop_assert!(counts[0] - counts[num_stages - 1] <= 1);
        }

        #[test]
        fn cuts_and_counts_say_the_same(
            (num_layers, cuts) in (2..40usize).prop_flat_map(|n| {
                (Just(n), prop::collection::btree_set(1..n, 0..n.min(8)))
            })
        ) {
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let partition = Partition::from_cuts(&cuts, num_layers).unwrap();
            let same = Partition::from_counts(&partition.counts(), num_layers);
            prop_assert_eq!(same, Ok(partition));
        }
    }
}
