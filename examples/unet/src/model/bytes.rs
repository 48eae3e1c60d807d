//! What a step moves, from the shapes alone.

use burn_pipeline::Partition;

use super::{Route, UNetConfig};

impl UNetConfig {
    /// The bytes that all stages receive in a step on `num_pictures` pictures of `size` by `size`,
    /// where `partition` has a range of layers for each part of the model.
    ///
    /// At a cut, what the layer before it leaves goes there, and its gradient back. What a down
    /// sends to its up does so once, if a cut lies between the two, or at each cut between them
    /// when it goes through the stages.
    pub fn bytes_received(&self, partition: &Partition, num_pictures: usize, size: usize) -> u64 {
        let parts = partition.stages().skip(1);
        let cuts: Vec<usize> = parts.map(|part| part.start).collect();
        let left = cuts.iter().map(|cut| self.numbers_left(cut - 1, size));
        let sent: usize = (0..self.depth)
            .map(|level| {
                let between = level + 1..=2 * self.depth - level;
                let num_cuts = cuts.iter().filter(|cut| between.contains(*cut)).count();
                let num_moves = match self.route {
                    Route::Skip => num_cuts.min(1),
                    Route::ThroughStages => num_cuts,
                };
                num_moves * self.numbers(level, size >> level)
            })
            .sum();
        (2 * num_pictures * size_of::<f32>() * (left.sum::<usize>() + sent)) as u64
    }

    /// What `layer` leaves for the next one, of a picture.
    fn numbers_left(&self, layer: usize, size: usize) -> usize {
        match layer < self.depth {
            // A down halves its maps.
            true => self.numbers(layer, size >> (layer + 1)),
            false => {
                let level = 2 * self.depth - layer;
                self.numbers(level, size >> level)
            }
        }
    }

    fn numbers(&self, level: usize, size: usize) -> usize {
        self.channels(level) * size * size
    }
}
