use thiserror::Error;

/// What is wrong with costs, where, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum CostError {
    /// The costs are of another number of chunks than the schedule has.
    #[error(
        "the costs are of {found} chunks, but the schedule has {num_stages} stages of {num_chunks} \
         chunks: give 1 cost for all, or {expected}, one for each place along the model",
        expected = num_stages * num_chunks
    )]
    Places {
        found: usize,
        num_stages: usize,
        num_chunks: usize,
    },

    /// The costs of a chunk are of another number of micro-batches than the schedule has.
    #[error(
        "the costs of chunk {chunk} of stage {stage} are of {found} micro-batches, but the \
         schedule has {num_micro_batches}: give 1 cost for all, or one for each"
    )]
    MicroBatches {
        stage: usize,
        chunk: usize,
        found: usize,
        num_micro_batches: usize,
    },

    /// A duration is negative or no number.
    #[error(
        "the {field} of chunk {chunk} of stage {stage} takes {seconds} s: give a finite number \
         that is not negative"
    )]
    Seconds {
        stage: usize,
        chunk: usize,
        field: &'static str,
        seconds: f64,
    },

    /// A stage has not run what its costs are to be taken from.
    #[error(
        "no {field} of micro-batch {micro_batch} on chunk {chunk} of stage {stage} has been \
         measured: measure whole steps of one schedule"
    )]
    Unmeasured {
        stage: usize,
        chunk: usize,
        micro_batch: usize,
        field: &'static str,
    },
}
