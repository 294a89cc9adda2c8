//! `hotshelf import` and `hotshelf export` from outside: the real binary, real files, and the service that then
//! serves what was imported.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod config;
mod demo;
mod export;
mod files;
mod health;
mod import;
mod tutorial;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use hotshelf_testkit::{Service, ServiceBuilder};
use tempfile::TempDir;

/// A directory with a database in it and files to import.
struct Shop {
    directory: TempDir,
}

impl Shop {
    fn new() -> Self {
        Shop { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> &Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// `hotshelf …` in the directory.
    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotshelf"));
        command.current_dir(self.directory.path()).env_clear().args(arguments);
        let output = command.env("CACHE_BACKEND", "memory").env("RUST_LOG", "error").output().unwrap();
        Outcome::from(output)
    }

    /// Starts the service on the same database.
    fn service(&self) -> ServiceBuilder {
        Service::builder(env!("CARGO_BIN_EXE_hotshelf")).database(&self.path("products.db")).backend("memory")
    }
}

/// The output and the exit code of a command.
#[derive(Debug)]
struct Outcome {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Outcome {
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}
