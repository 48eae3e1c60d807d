//! The interpreter of one stage's instructions.

use std::collections::HashSet;
use std::time::Instant;

use burn_pipeline_plan::{Instruction, Op, Span};

use super::cancel::Cancel;
use super::chunk::Chunk;
use super::report::{Halt, Position, Report, guarded};
use super::task::{ChunkResult, StageTask};
use crate::layer::Sequential;

struct Stage<M> {
    stage: usize,
    chunks: Vec<Chunk<M>>,
    start: Instant,
    cancel: Cancel,
}

impl<M: Sequential> StageTask<M> {
    /// Run the instructions to the end, or until this stage or a neighbour fails.
    pub(crate) fn run(self) -> Report<Vec<ChunkResult>> {
        let mut spans = Vec::with_capacity(self.instructions.len());
        let instructions = self.instructions.clone();
        let run = self.start();
        let outcome = run.and_then(|run| run.finish(&instructions, &mut spans));
        Report { outcome, spans }
    }

    fn start(self) -> Result<Stage<M>, Halt> {
        let Self {
            stage,
            instructions,
            chunks,
            model,
            start,
            cancel,
        } = self;
        let recomputed = |chunk| -> HashSet<usize> {
            let of_chunk = instructions.iter().filter(|it| it.chunk() == chunk);
            let recomputes = of_chunk.filter(|it| it.op() == Op::Recompute);
            recomputes.map(|it| it.micro_batch()).collect()
        };
        let chunks = guarded(
            stage,
            instructions[0],
            &mut (),
            |()| {
                let chunks = chunks.into_iter().enumerate();
                Ok(chunks
                    .map(|(chunk, task)| Chunk::new(task, model.clone(), recomputed(chunk)))
                    .collect())
            },
            |()| Position::default(),
        )?;
        Ok(Stage {
            stage,
            chunks,
            start,
            cancel,
        })
    }
}

impl<M: Sequential> Stage<M> {
    fn finish(
        mut self,
        instructions: &[Instruction],
        spans: &mut Vec<Span>,
    ) -> Result<Vec<ChunkResult>, Halt> {
        let outcome = self.run(instructions, spans);
        if outcome.is_err() {
            self.abandon();
        }
        outcome
    }

    fn run(
        &mut self,
        instructions: &[Instruction],
        spans: &mut Vec<Span>,
    ) -> Result<Vec<ChunkResult>, Halt> {
        for &instruction in instructions {
            spans.push(self.execute(instruction)?);
        }
        let last = instructions[instructions.len() - 1];
        let results = |chunks: &mut Vec<Chunk<M>>| chunks.iter_mut().map(Chunk::result).collect();
        guarded(self.stage, last, &mut self.chunks, results, |_| {
            Position::default()
        })
    }

    fn execute(&mut self, instruction: Instruction) -> Result<Span, Halt> {
        if self.cancel.is_said() {
            return Err(Halt::Stopped);
        }
        let chunk = &mut self.chunks[instruction.chunk()];
        let arrival = chunk.wait(instruction)?;
        let start = self.start.elapsed().as_secs_f64();
        guarded(
            self.stage,
            instruction,
            chunk,
            |chunk| chunk.execute(instruction, arrival),
            |chunk| chunk.layers().position.clone(),
        )?;
        let end = self.start.elapsed().as_secs_f64();
        Ok(Span {
            moving: chunk.take_moving().as_secs_f32(),
            ..Span::new(self.stage, instruction, start, end)
        })
    }

    /// Leave nothing of a step that does not end. Neighbours learn of it first.
    fn abandon(self) {
        let chunks: Vec<_> = self.chunks.into_iter().map(Chunk::abandon).collect();
        for chunk in chunks {
            chunk.sweep();
        }
    }
}
