use std::ops::Range;

use super::UnsolvableError;

/// Where cuts may fall, and where they must: what is pinned together or apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins {
    together: Vec<Range<usize>>,
    apart: Vec<usize>,
}

impl Pins {
    /// These layers end up on one stage.
    pub(super) fn together(&mut self, layers: Range<usize>) {
        self.together.push(layers);
    }

    /// A stage begins with this layer.
    pub(super) fn cut_before(&mut self, layer: usize) {
        self.apart.push(layer);
    }

    /// The pieces that are left to be divided among `num_stages` stages.
    pub(super) fn pieces(
        &self,
        num_layers: usize,
        num_stages: usize,
    ) -> Result<Pieces, UnsolvableError> {
        let mut may_cut = vec![true; num_layers + 1];
        for layers in &self.together {
            if layers.is_empty() || layers.end > num_layers {
                return Err(UnsolvableError::PinnedLayers {
                    layers: layers.clone(),
                    num_layers,
                });
            }
            may_cut[layers.start + 1..layers.end].fill(false);
        }
        let mut must_cut = vec![false; num_layers + 1];
        for &layer in &self.apart {
            if layer == 0 || layer >= num_layers {
                return Err(UnsolvableError::PinnedCut { layer, num_layers });
            }
            let parted = |it: &&Range<usize>| it.start < layer && layer < it.end;
            if let Some(layers) = self.together.iter().find(parted) {
                return Err(UnsolvableError::PinsDisagree {
                    layer,
                    layers: layers.clone(),
                });
            }
            must_cut[layer] = true;
        }
        let bounds: Vec<usize> = (0..=num_layers).filter(|&it| may_cut[it]).collect();
        let pieces = Pieces {
            required: bounds.iter().map(|&it| must_cut[it]).collect(),
            bounds,
        };
        let num_parts = pieces.required.iter().filter(|it| **it).count() + 1;
        if num_parts > num_stages {
            return Err(UnsolvableError::TooManyCuts {
                num_parts,
                num_stages,
            });
        }
        if pieces.len() < num_stages {
            return Err(UnsolvableError::TooFewPieces {
                num_pieces: pieces.len(),
                num_layers,
                num_stages,
            });
        }
        Ok(pieces)
    }
}

/// Runs of layers that no cut may part, and the cuts between them that must be.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    /// Where each piece begins, and the number of layers.
    bounds: Vec<usize>,
    /// For each bound, whether a stage must begin there.
    required: Vec<bool>,
}

impl Pieces {
    pub(super) fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// The layers of some pieces in a row.
    pub(super) fn layers(&self, pieces: Range<usize>) -> Range<usize> {
        self.bounds[pieces.start]..self.bounds[pieces.end]
    }

    /// Whether a stage must begin with this piece.
    pub(super) fn must_begin(&self, piece: usize) -> bool {
        self.required[piece]
    }
}
