//! Results as a table for people or as JSON lines for programs.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::{Map, Value};

/// Where results go.
pub struct Report {
    json: bool,
    repetitions: usize,
    devices: String,
    header: AtomicBool,
}

impl Report {
    /// A report of medians over `repetitions`, measured on `devices`.
    pub fn new(json: bool, repetitions: usize, devices: &str) -> Self {
        Self {
            json,
            repetitions,
            devices: devices.to_string(),
            header: AtomicBool::new(false),
        }
    }

    /// How often each configuration runs.
    pub fn repetitions(&self) -> usize {
        self.repetitions
    }

    /// Say under which conditions the results that follow were measured, each several times.
    pub fn conditions(&self, what: &str) {
        let repetitions = self.repetitions;
        self.open(what, &format!(", median of {repetitions} repetitions"));
    }

    /// Say under which conditions the results that follow were measured, each once.
    #[cfg(feature = "remote")]
    pub fn conditions_of_one_run(&self, what: &str) {
        self.open(what, "");
    }

    /// Say what the results that follow are predictions of: nothing is measured.
    pub fn predictions(&self, what: &str) {
        self.header.store(false, Ordering::Relaxed);
        if !self.json {
            println!("{what}\n");
        }
    }

    /// Begin a table.
    fn open(&self, what: &str, repetitions: &str) {
        self.header.store(false, Ordering::Relaxed);
        if self.json {
            return;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        println!("{what}");
        println!(
            "Burn {BURN} on {}, {cores} cores, {} build{repetitions}.",
            self.devices,
            if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        );
        println!();
    }

    /// One result: a row of the table, or a line of JSON.
    pub fn result<T: Serialize>(&self, result: &T) {
        let value = serde_json::to_value(result).expect("a result is plain data");
        let Value::Object(mut fields) = value else {
            unreachable!("a result is a struct")
        };
        if self.json {
            fields.insert("devices".to_string(), self.devices.as_str().into());
            println!("{}", Value::Object(fields));
            return;
        }
        if !self.header.swap(true, Ordering::Relaxed) {
            println!("{}", row(&fields, |name, _| name.clone()));
        }
        println!("{}", row(&fields, |_, value| text(value)));
    }
}

/// The version of Burn that the workspace pins.
const BURN: &str = "0.22.1";

fn row(fields: &Map<String, Value>, cell: impl Fn(&String, &Value) -> String) -> String {
    fields
        .iter()
        .filter(|(name, _)| *name != "bench")
        .map(|(name, value)| {
            let width = name.len().max(11);
            format!("{:>width$}", cell(name, value))
        })
        .collect::<Vec<_>>()
        .join("  ")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_string(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => whole.to_string(),
            None => format!("{:.4}", number.as_f64().unwrap_or(f64::NAN)),
        },
        other => other.to_string(),
    }
}
