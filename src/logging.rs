//! The log, on standard error: standard output belongs to what a command prints, such as an export. While traces are
//! exported, spans of the target `TRACED` go to the exporter, and the others to the log.

use std::io::{self, IsTerminal};

use hotshelf_lifecycle::{TRACED, current_request};
use hotshelf_telemetry::Exporter;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    pub(crate) filter: EnvFilter,
    pub(crate) format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

pub(crate) fn start(log: &LogOptions, exporter: Option<&Exporter>) {
    let (filter, format) = (without_traces(log.filter.clone()), log.format);
    match exporter {
        // One filter for all: a span that the log does not want is not created.
        None => tracing_subscriber::registry().with(lines(format)).with(filter).init(),
        Some(exporter) => {
            tracing_subscriber::registry().with(lines(format).with_filter(filter)).with(exporter.layer()).init();
        }
    }
}

fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ansi = io::stderr().is_terminal() && !no_color;
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(ansi);
    match format {
        LogFormat::Text => {
            let format =
                WithRequest { event: fmt::format().with_ansi(ansi), append: |id| format!(" request_id={id}\n") };
            lines.event_format(format).boxed()
        }
        // An id needs no escaping: it consists of letters, digits and three signs.
        LogFormat::Json => {
            let event = fmt::format().json().with_span_list(false);
            let format = WithRequest { event, append: |id| format!(",\"request_id\":\"{id}\"}}\n") };
            lines.fmt_fields(JsonFields::new()).event_format(format).boxed()
        }
    }
}

/// Adds the request id to each line.
struct WithRequest<F> {
    event: F,
    /// The new end of the line, in place of its line break and its closing brace.
    append: fn(&str) -> String,
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let Some(id) = current_request() else { return self.event.format_event(ctx, writer, event) };
        let mut line = String::new();
        self.event.format_event(ctx, Writer::new(&mut line), event)?;
        let appended = (self.append)(&id);
        let line = line.trim_end_matches('\n');
        let line = if appended.ends_with("}\n") { line.strip_suffix('}').unwrap_or(line) } else { line };
        writer.write_str(line)?;
        writer.write_str(&appended)
    }
}

fn without_traces(filter: EnvFilter) -> EnvFilter {
    match format!("{TRACED}={}", LevelFilter::OFF).parse::<Directive>() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
