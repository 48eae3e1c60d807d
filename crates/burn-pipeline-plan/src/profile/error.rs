use thiserror::Error;

/// What is wrong with a profile, in which layer, and what to change.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ProfileError {
    /// Nothing was profiled.
    #[error("the profile has no layers: profile a model with at least 1 layer")]
    NoLayers,

    /// The model's input has no number of bytes.
    #[error(
        "the model's input has {bytes} bytes per sample: give a finite number that is not negative"
    )]
    InputBytes { bytes: f64 },

    /// A layer was not measured.
    #[error(
        "layer {layer} (`{name}`) has no measurement: give at least one number of samples with \
         its times"
    )]
    Unmeasured { layer: usize, name: String },

    /// The measurements of a layer are not in order.
    #[error(
        "layer {layer} (`{name}`) is measured with {previous} samples and then with {num_samples}: \
         list each number of samples once, in increasing order, from 1"
    )]
    Order {
        layer: usize,
        name: String,
        previous: usize,
        num_samples: usize,
    },

    /// A time is negative or no number.
    #[error(
        "the {field} of layer {layer} (`{name}`) with {num_samples} samples takes {seconds} s: \
         give a finite number that is not negative"
    )]
    Seconds {
        layer: usize,
        name: String,
        num_samples: usize,
        field: &'static str,
        seconds: f64,
    },

    /// Layers share a parameter that are not there.
    #[error(
        "a shared parameter of {bytes} bytes is in layer {layer}, but the profile has \
         {num_layers} layers: number them from 0"
    )]
    NoSuchLayer {
        bytes: u64,
        layer: usize,
        num_layers: usize,
    },

    /// A table cannot be read.
    #[error("line {line} of the table: {reason}")]
    Table { line: u64, reason: String },

    /// The stored form is none.
    #[error("this is no profile: {0}; mend it there, or measure again")]
    Json(String),
}
