//! A renderer that remembers all that it is told, in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

/// What a renderer is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something has begun, or ended.
    Progress(String),
    /// The value of a metric, named by its split first.
    Metric(String, f64),
}

/// The renderer; its clones share what they remember.
#[derive(Clone, Default)]
pub struct Recorder {
    told: Arc<Mutex<Vec<Told>>>,
    summary: Arc<Mutex<Option<String>>>,
    names: HashMap<MetricId, String>,
}

impl Recorder {
    /// All of it.
    pub fn told(&self) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    /// The summary at the end, when there was one.
    pub fn summary(&self) -> Option<String> {
        let summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.clone()
    }

    fn tell(&self, told: Told) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(told);
    }

    fn progress(&self, progress: impl Into<String>) {
        self.tell(Told::Progress(progress.into()));
    }

    fn metric(&self, split: &str, state: MetricState) {
        let MetricState::Numeric(entry, value) = state else {
            return;
        };
        let name = format!("{split} {}", self.names[&entry.metric_id]);
        let value = value.as_ref().map_or(f64::NAN, NumericEntry::current);
        self.tell(Told::Metric(name, value));
    }
}

impl MetricsRendererTraining for Recorder {
    fn update_train(&mut self, state: MetricState) {
        self.metric("train", state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.metric("valid", state);
    }

    fn on_train_end(
        &mut self,
        summary: Option<LearnerSummary>,
    ) -> Result<(), Box<dyn core::error::Error>> {
        let text = summary.map(|summary| summary.to_string());
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
    }
}

impl MetricsRendererEvaluation for Recorder {
    fn update_test(&mut self, name: EvaluationName, state: MetricState) {
        self.metric(name.as_str(), state);
    }
}

impl TrainingProgressLogger for Recorder {
    fn start(
        &mut self,
        total_epochs: usize,
        starting_epoch: usize,
        _total_items: Option<usize>,
        label: Option<&str>,
    ) {
        self.progress(format!("start {starting_epoch}..={total_epochs} {label:?}"));
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.progress(format!("end of epoch {epoch}"));
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        self.progress(format!("{split}: {total_items} items"));
    }

    fn update_split(&mut self, items_processed: usize) {
        self.progress(format!("{items_processed} items"));
    }

    fn end_split(&mut self) {
        self.progress("end of split");
    }

    fn end(&mut self) {
        self.progress("end");
    }

    fn log_event_training(&mut self, event: String) {
        self.progress(event);
    }
}

impl EvaluationProgressLogger for Recorder {
    fn start_global_progress(&mut self, total_tests: usize) {
        self.progress(format!("{total_tests} tests"));
    }

    fn start_test(&mut self, name: &str, total_items: usize) {
        self.progress(format!("test {name}: {total_items} items"));
    }

    fn update_test_progress(&mut self, items_processed: usize) {
        self.progress(format!("{items_processed} items"));
    }

    fn end_test(&mut self) {
        self.progress("end of test");
    }

    fn end_global_progress(&mut self) {
        self.progress("end of tests");
    }

    fn log_event_evaluation(&mut self, event: String) {
        self.progress(event);
    }
}

impl MetricsRenderer for Recorder {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        let name = definition.name.to_string();
        self.names.insert(definition.metric_id, name);
    }
}
