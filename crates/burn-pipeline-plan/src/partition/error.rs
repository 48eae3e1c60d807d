use thiserror::Error;

/// What is wrong with a partition, where, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum PartitionError {
    /// There is nothing to cut.
    #[error("0 layers cannot make {num_stages} stages: give the model at least 1 layer")]
    NoLayers { num_stages: usize },

    /// There is nowhere to put the layers.
    #[error("0 stages cannot hold {num_layers} layers: ask for 1 to {num_layers} stages")]
    NoStages { num_layers: usize },

    /// Some stage would be empty.
    #[error(
        "{num_stages} stages need at least {num_stages} layers, but the model has {num_layers}: \
         ask for at most {num_layers} stages, or write the model as more layers"
    )]
    TooManyStages {
        num_stages: usize,
        num_layers: usize,
    },

    /// A stage is given no layers.
    #[error(
        "stage {stage} of {num_stages} has 0 layers: give it at least 1, or leave the stage out"
    )]
    EmptyStage { stage: usize, num_stages: usize },

    /// The layers of all stages are not the layers of the model.
    #[error(
        "the stages have {sum} layers in all, but the model has {num_layers}: \
         {}",
        sum_remedy(*sum, *num_layers)
    )]
    Sum { sum: usize, num_layers: usize },

    /// A cut does not fall between two layers.
    #[error(
        "cut {index} falls before layer {cut}, but the model has {num_layers} layers: \
         choose a cut from 1 to {}",
        num_layers - 1
    )]
    CutOutOfRange {
        index: usize,
        cut: usize,
        num_layers: usize,
    },

    /// A cut does not fall after the one before it.
    #[error(
        "cut {index} falls before layer {cut}, and the cut ahead of it before layer {previous}: \
         list each cut once, in increasing order"
    )]
    CutOrder {
        index: usize,
        cut: usize,
        previous: usize,
    },
}

fn sum_remedy(sum: usize, num_layers: usize) -> String {
    if sum < num_layers {
        format!("add {} to some stage", num_layers - sum)
    } else {
        format!("take {} from some stage", sum - num_layers)
    }
}
