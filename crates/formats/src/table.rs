//! CSV as a table: a header and the records under it, each with the line on which it starts.

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use crate::error::{RowError, RowFault, UnreadableFile};
use crate::line_feed::LineFeed;

/// A CSV file past its header.
pub(crate) struct Table {
    reader: csv::Reader<LineFeed>,
    columns: Columns,
    ended: bool,
}

/// One record that is not blank and has as many fields as there are columns.
pub(crate) struct Record {
    pub(crate) line: u64,
    /// Bytes of the file up to the end of the record.
    pub(crate) position: u64,
    fields: StringRecord,
}

impl Record {
    /// The field's text; empty when the file has no such column.
    pub(crate) fn text(&self, column: Option<usize>) -> &str {
        column.and_then(|column| self.fields.get(column)).unwrap_or_default()
    }
}

impl Table {
    /// Reads up to the end of the header.
    pub(crate) fn open(input: LineFeed, delimiter: u8) -> Result<Self, UnreadableFile> {
        let reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(input);
        let mut table = Table { reader, columns: Columns(Vec::new()), ended: false };
        if let Some(header) = table.record() {
            table.columns = Columns::of(&header.map_err(header_error)?.fields);
        }
        Ok(table)
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    fn record(&mut self) -> Option<Result<Record, RowError>> {
        loop {
            if self.ended {
                return None;
            }
            self.reader.get_mut().begin_record();
            let mut fields = StringRecord::new();
            let read = self.reader.read_record(&mut fields);
            let feed = self.reader.get_ref();
            let (line, position) = (feed.line(), feed.position());
            let fault = match read {
                Ok(false) => return None,
                Ok(true) if feed.ended_in_quotes() && fields.iter().any(|field| field.contains('\n')) => {
                    RowFault::UnclosedQuote
                }
                Ok(true) if fields.iter().all(|field| field.trim().is_empty()) => continue,
                Ok(true) => return Some(Ok(Record { line, position, fields })),
                Err(error) => match error.into_kind() {
                    ErrorKind::Utf8 { .. } => RowFault::NotUtf8,
                    _ if feed.record_is_endless() => RowFault::EndlessRow,
                    ErrorKind::Io(error) => RowFault::Read(error),
                    other => RowFault::Read(std::io::Error::other(format!("{other:?}"))),
                },
            };
            let error = RowError::new(line, fault);
            self.ended = error.ends_reading();
            return Some(Err(error));
        }
    }

    /// Bytes of the file read so far.
    pub(crate) fn position(&self) -> u64 {
        self.reader.get_ref().position()
    }
}

impl Iterator for Table {
    type Item = Result<Record, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.record()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let (expected, found) = (self.columns.0.len(), record.fields.len());
        if expected == found {
            return Some(Ok(record));
        }
        Some(Err(RowError::new(record.line, RowFault::FieldCount { expected, found })))
    }
}

fn header_error(error: RowError) -> UnreadableFile {
    match error.fault {
        RowFault::Read(error) => UnreadableFile::Read(error),
        fault => UnreadableFile::Read(std::io::Error::other(format!("the header {fault}"))),
    }
}

/// The names of the columns, in lower case.
pub(crate) struct Columns(Vec<String>);

impl Columns {
    fn of(header: &StringRecord) -> Self {
        Columns(header.iter().map(|name| name.trim().to_lowercase()).collect())
    }

    /// Where the column is, if there is one of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    pub(crate) fn missing(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().copied().filter(|name| self.find(name).is_none()).collect()
    }

    /// The columns that are none of `names`. One without a name is none at all.
    pub(crate) fn others(&self, names: &[&str]) -> Vec<String> {
        self.0.iter().filter(|column| !column.is_empty() && !names.contains(&column.as_str())).cloned().collect()
    }

    pub(crate) fn repeated(&self, names: &[&'static str]) -> Option<&'static str> {
        let count = |name: &str| self.0.iter().filter(|column| column.eq_ignore_ascii_case(name)).count();
        names.iter().copied().find(|name| count(name) > 1)
    }
}
