//! Where values come from: defaults below the file below the environment, merged by figment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Num, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::parse::Refusal;
use super::problem::{Hint, Problem};
use super::settings::{self, Setting, Variable};

/// The file that is read from the working directory when there is one.
const DEFAULT_FILE: &str = "hotshelf.toml";

/// What stands above the defaults.
pub(crate) struct Layers {
    pub(crate) environment: Environment,
    pub(crate) file: Option<PathBuf>,
}

/// The known variables among the environment's, as a layer of figment.
///
/// figment's own `Env` guesses types, and would make the number 123 of the password `00123`; here text stays text.
pub(crate) struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Fails when a known variable is not valid UTF-8.
    pub(crate) fn of_process() -> Result<Self, Problem> {
        Environment::of(|name| env::var_os(name))
    }

    pub(crate) fn of(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, Problem> {
        let mut variables = BTreeMap::new();
        for Variable { name, may_be_empty, .. } in settings::ALL {
            let Some(text) = lookup(name) else { continue };
            let text = text.into_string().map_err(|_| Problem::NotUtf8 { name })?;
            if *may_be_empty || !text.is_empty() {
                variables.insert(*name, text);
            }
        }
        Ok(Environment(variables))
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::from("environment", "environment").interpolater(|_, keys| keys.join(".").to_ascii_uppercase())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let values = self.0.iter().map(|(name, text)| (name.to_ascii_lowercase(), Value::from(text.as_str())));
        Ok(Profile::Default.collect(values.collect()))
    }
}

/// The file to read: the `named` one, which must exist, or the default one if it does.
pub(crate) fn find_file(named: Option<OsString>) -> Result<Option<PathBuf>, Problem> {
    let named = named.filter(|name| !name.is_empty()).map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    match (path.try_exists(), named) {
        (Ok(true), _) => Ok(Some(path)),
        (Ok(false), Some(path)) => Err(Problem::NoSuchFile { path }),
        (Ok(false), None) => Ok(None),
        (Err(error), _) => Err(Problem::Unreadable { origin: Origin::File(path), reason: error.to_string() }),
    }
}

impl Layers {
    /// The effective text of every variable. Unknown keys are among the [`Values`]' problems.
    pub(crate) fn merge(self) -> Result<Values, Problem> {
        let defaults: BTreeMap<String, &str> = settings::ALL.iter().map(|v| (v.key(), v.default)).collect();
        let mut figment = Figment::from(Serialized::defaults(defaults));
        if let Some(path) = self.file {
            figment = figment.merge(Toml::file_exact(path));
        }
        figment = figment.merge(self.environment);
        let merged = figment.extract().map_err(|error| unreadable(&error))?;
        Ok(Values::of(&figment, merged))
    }
}

fn unreadable(error: &figment::Error) -> Problem {
    let origin = Origin::of(error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref()));
    Problem::Unreadable { origin, reason: one_line(&error.kind.to_string()) }
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

impl Origin {
    fn of(source: Option<&Source>) -> Self {
        match source {
            Some(Source::File(path)) => Origin::File(path.clone()),
            Some(Source::Custom(_)) => Origin::Environment,
            _ => Origin::Default,
        }
    }
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

/// The effective text of one variable.
pub(crate) struct Given {
    pub(crate) variable: Variable,
    pub(crate) text: String,
    pub(crate) origin: Origin,
    /// The variable that makes this one moot.
    pub(crate) overridden_by: Option<&'static str>,
    /// Why it does nothing, to follow "has no effect".
    pub(crate) no_effect: Option<&'static str>,
}

impl Given {
    fn refused(&self, reason: String) -> Problem {
        self.problem(self.variable.visibility.quote(&self.text), reason)
    }

    fn problem(&self, value: String, reason: String) -> Problem {
        let origin = match &self.origin {
            Origin::File(path) => format!("{} in {}", self.variable.key(), path.display()),
            other => other.to_string(),
        };
        Problem::BadValue { name: self.variable.name, value, origin, reason }
    }
}

/// The effective texts of all variables, and what turned out to be wrong with them so far.
pub(crate) struct Values {
    given: Vec<Given>,
    problems: Vec<Problem>,
}

impl Values {
    fn of(figment: &Figment, mut merged: Dict) -> Self {
        let origin = |value: &Value| Origin::of(figment.get_metadata(value.tag()).and_then(|m| m.source.as_ref()));
        let mut values = Values { given: Vec::new(), problems: Vec::new() };
        for &variable in settings::ALL {
            let Some(value) = merged.remove(&variable.key()) else { continue };
            let (origin, text) = (origin(&value), String::new());
            let mut given = Given { variable, text, origin, overridden_by: None, no_effect: None };
            match plain_text(&value) {
                Some(text) => {
                    given.text = text;
                    values.given.push(given);
                }
                None => {
                    let kind = format!("({})", value.to_actual());
                    values.problems.push(given.problem(kind, format!("expected {}, in one string", variable.expected)));
                }
            }
        }
        // The defaults and the environment hold known names only: what is left over is the file's.
        for (key, value) in merged {
            if let Origin::File(file) = origin(&value) {
                let hint = Hint { nearest: nearest_key(&key) };
                values.problems.push(Problem::UnknownKey { key, file, hint });
            }
        }
        values
    }

    /// The value of one variable, or `None` after noting why there is none: callers go on with the other variables.
    pub(crate) fn read<T>(&mut self, setting: &Setting<T>) -> Option<T> {
        let given = self.given.iter().find(|given| given.variable.name == setting.variable.name)?;
        match (setting.parse)(&given.text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let reason = match refusal {
                    Refusal::Malformed => format!("expected {}", setting.variable.expected),
                    Refusal::Because(reason) => reason,
                };
                self.problems.push(given.refused(reason));
                None
            }
        }
    }

    /// Notes that a value, good in itself, cannot stand beside another one.
    pub(crate) fn refuse<T>(&mut self, setting: &Setting<T>, reason: &str) {
        let given = self.given.iter().filter(|given| given.variable.name == setting.variable.name);
        self.problems.extend(given.map(|given| given.refused(reason.to_owned())));
    }

    /// Notes for `check-config` that `setting` has no effect because of the variable `by`.
    pub(crate) fn override_with<T>(&mut self, setting: &Setting<T>, by: &'static str) {
        for given in self.given.iter_mut().filter(|given| given.variable.name == setting.variable.name) {
            given.overridden_by = Some(by);
        }
    }

    /// Notes that this setting does nothing, for that reason, if it was set to something.
    pub(super) fn has_no_effect(&mut self, name: &str, reason: &'static str) {
        let set = |given: &&mut Given| given.origin != Origin::Default && given.text != given.variable.default;
        for given in self.given.iter_mut().filter(|given| given.variable.name == name).filter(set) {
            given.no_effect.get_or_insert(reason);
        }
    }

    /// The settings that do nothing, each with a sentence that says why.
    pub(crate) fn without_effect(&self) -> impl Iterator<Item = String> {
        let told = |given: &Given| Some(format!("{} has no effect {}", given.variable.name, given.no_effect?));
        self.given.iter().filter_map(told)
    }

    pub(crate) fn given(&self) -> &[Given] {
        &self.given
    }

    pub(crate) fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }
}

/// A scalar as it would be written in the environment; `None` for arrays, tables and dates.
fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, c) => Some(c.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        // With `{:?}` 3.0 stays 3.0, and is not taken for the whole number 3.
        Value::Num(_, Num::F64(number)) => Some(format!("{number:?}")),
        Value::Num(_, number) => number.to_i128().map(|number| number.to_string()),
        _ => None,
    }
}

/// The known key that `key` is most likely a misspelling of.
fn nearest_key(key: &str) -> Option<String> {
    let wanted = key.to_ascii_lowercase().replace('-', "_");
    let candidates = settings::ALL.iter().map(|variable| (edit_distance(&wanted, &variable.key()), variable.key()));
    candidates.filter(|(distance, known)| *distance <= known.len() / 4).min().map(|(_, known)| known)
}

/// How many characters must be inserted, removed or replaced to make `b` of `a` (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
