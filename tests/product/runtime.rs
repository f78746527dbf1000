//! One of the functions' own binaries, as Lambda runs it. (`cargo build --workspace` makes them; tests/run does.)

use std::{path::PathBuf, time::Duration};

use posnext_proofs::lambda::Worker;
use serde_json::Value;

use crate::support::ROOT;

pub(crate) struct Runtime(Worker);

impl Runtime {
    pub(crate) async fn start(function: &str, environment: Vec<(&'static str, String)>) -> Self {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name(function);
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self(Worker::start(function, &binary, &environment).await.unwrap())
    }

    /// What the function answers an event file.
    pub(crate) async fn invoke_file(&mut self, file: &str) -> Value {
        self.invoke(std::fs::read_to_string(format!("{ROOT}/events/{file}.json")).unwrap()).await
    }

    /// What the function answers an event.
    pub(crate) async fn invoke(&mut self, event: String) -> Value {
        self.0.invoke(event, Duration::from_secs(30)).await.unwrap()
    }
}
