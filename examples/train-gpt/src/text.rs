//! The text: where it comes from, what is held out, and how predictable its bytes are.

use std::fs;
use std::path::Path;

use crate::Error;

/// The workspace's book and sources, gathered by the build script.
static WORKSPACE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/text"));

/// One part in this many is held out.
const HELD_OUT: usize = 10;

/// A text of bytes, of which the last tenth is held out: never trained on.
#[derive(Debug, Clone)]
pub struct Text {
    bytes: Vec<u8>,
}

impl Text {
    /// The text in `file`, or else the workspace's own book and sources.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn read(file: Option<&Path>) -> Result<Self, Error> {
        let bytes = match file {
            Some(file) => fs::read(file).map_err(|error| Error::file("read", file, error))?,
            None => WORKSPACE.to_vec(),
        };
        Ok(Self::new(bytes))
    }

    /// A text of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What may be trained on.
    pub fn training(&self) -> &[u8] {
        &self.bytes[..self.cut()]
    }

    /// What is held out.
    pub fn held_out(&self) -> &[u8] {
        &self.bytes[self.cut()..]
    }

    fn cut(&self) -> usize {
        self.bytes.len() - self.bytes.len() / HELD_OUT
    }

    /// Make sure that both parts have a window of `context` bytes and the byte after it, and that
    /// a mini-batch need not repeat one.
    ///
    /// # Errors
    ///
    /// When the text is too short for that.
    pub fn check(&self, context: usize, batch_size: usize) -> Result<(), Error> {
        let needed_in_training = context + batch_size;
        let needed_held_out = context + 1;
        for (part, length, needed) in [
            ("to train on", self.training().len(), needed_in_training),
            ("held out", self.held_out().len(), needed_held_out),
        ] {
            if length < needed {
                return Err(Error::Options(format!(
                    "a text of {} bytes has {length} {part}, but --context {context} with \
                     --batch-size {batch_size} needs {needed}: give a longer --text, or lower them",
                    self.bytes.len()
                )));
            }
        }
        Ok(())
    }

    /// The entropy of the text's bytes, in nats per byte: the loss of the best guess that does not
    /// look at the bytes before, -∑ p ln p over the share p of each byte value.
    pub fn unigram_entropy(&self) -> f64 {
        let mut counts = [0usize; 256];
        for byte in &self.bytes {
            counts[usize::from(*byte)] += 1;
        }
        let total = self.bytes.len() as f64;
        let shares = counts.iter().filter(|count| **count > 0);
        shares
            .map(|count| *count as f64 / total)
            .map(|share| share * (1.0 / share).ln())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &str) -> Text {
        Text::new(bytes.into())
    }

    #[test]
    fn the_entropy_of_known_texts_is_known() {
        assert_eq!(text("").unigram_entropy(), 0.0);
        assert_eq!(text("aaaa").unigram_entropy(), 0.0);
        assert!((text("abab").unigram_entropy() - 2f64.ln()).abs() < 1e-12);
        assert!((text("abcd").unigram_entropy() - 4f64.ln()).abs() < 1e-12);
        let expected = 0.75 * (4.0 / 3.0f64).ln() + 0.25 * 4f64.ln();
        assert!((text("aaab").unigram_entropy() - expected).abs() < 1e-12);
    }

    #[test]
    fn the_parts_are_disjoint_and_whole() {
        for length in [0, 1, 9, 10, 11, 1234] {
            let bytes: Vec<u8> = (0..length).map(|byte| (byte % 251) as u8).collect();
            let text = Text::new(bytes.clone());
            assert_eq!([text.training(), text.held_out()].concat(), bytes);
            assert_eq!(text.held_out().len(), length / 10);
        }
    }

    #[test]
    fn a_text_that_is_too_short_is_refused_with_both_numbers() {
        let text = Text::new(vec![b'a'; 200]);
        assert!(text.check(19, 8).is_ok());
        assert_eq!(
            text.check(20, 8).unwrap_err().to_string(),
            "a text of 200 bytes has 20 held out, but --context 20 with --batch-size 8 needs 21: \
             give a longer --text, or lower them"
        );
        assert_eq!(
            text.check(19, 162).unwrap_err().to_string(),
            "a text of 200 bytes has 180 to train on, but --context 19 with --batch-size 162 \
             needs 181: give a longer --text, or lower them"
        );
    }

    #[test]
    fn the_workspace_has_text_enough_for_the_defaults() {
        let text = Text::read(None).unwrap();
        assert!(text.bytes().len() > 100_000);
        assert!(text.unigram_entropy() > 2.0);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Text::read(Some(Path::new("no/such/file"))).unwrap_err();
        assert!(error.to_string().starts_with("cannot read no/such/file: "));
    }
}
