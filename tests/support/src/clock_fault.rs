//! A clock that runs too slow or too fast, for one service.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::preload;
use crate::service::ServiceBuilder;

const SOURCE: &str = include_str!("clock_fault.c");

/// A clock that runs at another rate than the machine's. Only a service that is started with it is affected.
#[derive(Debug)]
pub struct ClockFault {
    _directory: TempDir,
    library: PathBuf,
    rate: f64,
}

impl ClockFault {
    /// `rate`: the seconds of this clock in a second of the machine; 0.99 is one percent slow. Compiles the library that
    /// is loaded between a service and its clock.
    ///
    /// # Panics
    /// When there is no C compiler.
    pub fn new(rate: f64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let library = preload::compile(directory.path(), "clock_fault", SOURCE);
        ClockFault { _directory: directory, library, rate }
    }

    /// A service with this clock.
    pub fn preload(&self, service: ServiceBuilder) -> ServiceBuilder {
        service.env("LD_PRELOAD", self.library.display()).env("CLOCK_RATE", self.rate)
    }
}
