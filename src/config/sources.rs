//! Where values come from: the environment, then the configuration file, then the defaults.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Format;
use figment::value::{Dict, Num, Value};
use serde::de::DeserializeOwned;

use super::definition::Definition;
use super::parse::{Parsed, Refusal};
use super::problem::Problem;
use super::settings::ALL;

/// The file that is read from the working directory when there is one.
const DEFAULT_FILE: &str = "hotshelf.toml";

/// The file to read: the `named` one, which must exist, or the default one if it does.
pub(crate) fn find_file(named: Option<OsString>) -> Result<Option<PathBuf>, Problem> {
    let named = named.filter(|name| !name.is_empty()).map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    match (path.try_exists(), named) {
        (Ok(true), _) => Ok(Some(path)),
        (Ok(false), Some(path)) => Err(Problem::NoSuchFile { path }),
        (Ok(false), None) => Ok(None),
        (Err(error), _) => Err(Problem::Unreadable { path, reason: error.to_string() }),
    }
}

/// The format of the file. Of the version of `toml` that the migrations are read with, so that there is one parser.
struct Toml;

impl Format for Toml {
    type Error = toml::de::Error;
    const NAME: &'static str = "TOML";

    fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Self::Error> {
        toml::from_str(text)
    }
}

fn read_file(path: PathBuf) -> Result<Dict, Problem> {
    let table = Figment::from(Toml::file_exact(&path)).extract();
    table.map_err(|error: figment::Error| Problem::Unreadable { path, reason: one_line(&error.kind.to_string()) })
}

/// A message of the TOML parser without the three lines of source in its middle, which may show a password.
fn one_line(message: &str) -> String {
    let source_lines = if message.starts_with("TOML parse error") { 1..4 } else { 0..0 };
    let kept = message.lines().enumerate().filter(|(number, _)| !source_lines.contains(number));
    kept.map(|(_, line)| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Environment,
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Environment => f.write_str("environment"),
            Origin::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The effective text of one setting.
pub(crate) struct Given {
    pub(crate) definition: &'static Definition,
    pub(crate) text: String,
    pub(crate) origin: Origin,
    /// The variable that is used instead of this one.
    pub(crate) overridden_by: Option<&'static str>,
    /// Completes "has no effect …".
    pub(crate) no_effect: Option<&'static str>,
    /// Whether the value cannot be used.
    refused: bool,
}

/// The effective text of a setting. `path` is the file that `in_file` is from.
fn find(
    definition: &Definition,
    variable: Option<OsString>,
    in_file: Option<Value>,
    path: &Path,
) -> Result<(String, Origin), Problem> {
    let variable = variable.filter(|text| definition.may_be_empty || !text.is_empty());
    match (variable.map(OsString::into_string), in_file) {
        (Some(Err(_)), _) => Err(Problem::NotUtf8 { name: definition.name() }),
        (Some(Ok(text)), _) => Ok((text, Origin::Environment)),
        (None, Some(value)) => {
            let origin = Origin::File(path.to_owned());
            let reason = format!("expected {}, in one string", definition.expected);
            let text = plain_text(value).map_err(|kind| bad_value(definition, &origin, format!("({kind})"), reason))?;
            Ok((text, origin))
        }
        (None, None) => Ok((definition.default.to_owned(), Origin::Default)),
    }
}

fn bad_value(definition: &Definition, origin: &Origin, value: String, reason: String) -> Problem {
    let origin = match origin {
        Origin::File(path) => format!("{} in {}", definition.key, path.display()),
        other => other.to_string(),
    };
    Problem::BadValue { name: definition.name(), value, origin, reason }
}

/// The effective texts of all settings, and the problems that were found so far.
pub(crate) struct Values {
    given: Vec<Given>,
    problems: Vec<Problem>,
}

impl Values {
    /// Reads the environment, through `lookup`, and the file. Unknown keys of the file are among the problems.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn collect(lookup: impl Fn(&str) -> Option<OsString>, file: Option<PathBuf>) -> Result<Self, Problem> {
        let mut table = file.clone().map(read_file).transpose()?.unwrap_or_default();
        let path = file.unwrap_or_default();
        let mut values = Values { given: Vec::new(), problems: Vec::new() };
        for definition in ALL {
            let found = find(definition, lookup(&definition.name()), table.remove(definition.key), &path);
            let refused = found.is_err();
            let (text, origin) = found.unwrap_or_else(|problem| {
                values.problems.push(problem);
                (definition.default.to_owned(), Origin::Default)
            });
            values.given.push(Given { definition, text, origin, overridden_by: None, no_effect: None, refused });
        }
        let unknown = table.into_keys().map(|key| Problem::unknown_key(key, path.clone()));
        values.problems.extend(unknown);
        Ok(values)
    }

    fn by_key(&mut self, key: &str) -> Option<&mut Given> {
        debug_assert!(ALL.iter().any(|definition| definition.key == key), "no setting is called {key}");
        self.given.iter_mut().find(|given| given.definition.key == key)
    }

    /// The value of one setting; if it is bad, the default, after noting why it is: callers go on with the other
    /// settings. `None`: the default is bad as well.
    pub(super) fn read<T>(&mut self, key: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let given = self.by_key(key)?;
        let definition = given.definition;
        let reason = match parse(&given.text) {
            Ok(value) => return Some(value),
            Err(Refusal::Malformed) => format!("expected {}", definition.expected),
            Err(Refusal::Because(reason)) => reason,
        };
        self.refuse(key, reason);
        parse(definition.default).ok()
    }

    /// Notes why a value cannot be used.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        if let Some(given) = self.by_key(key) {
            given.refused = true;
            let shown = given.definition.visibility.quote(&given.text);
            let problem = bad_value(given.definition, &given.origin, shown, reason.into());
            self.problems.push(problem);
        }
    }

    /// Whether the value of a setting is in use, and not its default instead of a bad one.
    pub(super) fn is_good(&self, key: &str) -> bool {
        !self.given.iter().any(|given| given.definition.key == key && given.refused)
    }

    /// Notes for `check-config` that the variable `by` is used instead of this setting.
    pub(super) fn override_with(&mut self, key: &str, by: &'static str) {
        if let Some(given) = self.by_key(key) {
            given.overridden_by = Some(by);
        }
    }

    /// Notes why this setting has no effect, if it was set to another value than its default.
    pub(super) fn has_no_effect(&mut self, key: &str, reason: &'static str) {
        let set = |given: &&mut Given| given.origin != Origin::Default && given.text != given.definition.default;
        if let Some(given) = self.by_key(key).filter(set) {
            given.no_effect = Some(reason);
        }
    }

    /// One sentence about each setting that has no effect.
    pub(crate) fn without_effect(&self) -> impl Iterator<Item = String> {
        let sentence = |given: &Given| Some(format!("{} has no effect {}", given.definition.name(), given.no_effect?));
        self.given.iter().filter_map(sentence)
    }

    /// One sentence about a file with secrets that others can read.
    pub(crate) fn exposed_secret(&self) -> Option<String> {
        self.given.iter().find_map(|given| {
            let Origin::File(path) = &given.origin else { return None };
            let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
            let exposed = given.definition.visibility.hides(&given.text) && mode & 0o004 != 0;
            let (path, name) = (path.display(), given.definition.name());
            exposed.then(|| format!("others can read {path} (mode {mode:o}), and {name} in it is a secret"))
        })
    }

    pub(crate) fn given(&self) -> &[Given] {
        &self.given
    }

    pub(crate) fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }
}

/// A scalar as it would be written in the environment. The error is the type of any other value.
fn plain_text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(_, text) => Ok(text),
        Value::Char(_, letter) => Ok(letter.to_string()),
        Value::Bool(_, flag) => Ok(flag.to_string()),
        // With `{:?}` 3.0 stays 3.0, and is not taken for the whole number 3.
        Value::Num(_, Num::F64(number)) => Ok(format!("{number:?}")),
        Value::Num(_, number) => number.to_i128().map(|number| number.to_string()).ok_or("number"),
        Value::Array(..) => Err("sequence"),
        Value::Dict(..) | Value::Empty(..) => Err("map"),
    }
}
