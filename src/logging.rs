//! The log, on standard error: standard output belongs to what a command prints, such as an export. Where traces are
//! exported, they get the spans that are meant for them, and the log the others.

use std::io::{self, IsTerminal};

use hotshelf_lifecycle::TRACED;
use hotshelf_telemetry::Exporter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{LogConfig, LogFormat};

pub(crate) fn start(log: &LogConfig, exporter: Option<&Exporter>) {
    let (filter, format) = (without_traces(log.filter.clone()), log.format);
    match exporter {
        // One filter for everything: what the log does not want is not even made.
        None => tracing_subscriber::registry().with(lines(format)).with(filter).init(),
        Some(exporter) => {
            tracing_subscriber::registry().with(lines(format).with_filter(filter)).with(exporter.layer()).init();
        }
    }
}

fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal() && !no_color);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().with_span_list(false).boxed(),
    }
}

fn without_traces(filter: EnvFilter) -> EnvFilter {
    match format!("{TRACED}={}", LevelFilter::OFF).parse::<Directive>() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
