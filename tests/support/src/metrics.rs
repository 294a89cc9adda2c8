//! A parser of Prometheus' text format.

use std::collections::BTreeMap;

/// One line of the exposition: a name, its labels, a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name, for histograms with its `_bucket`, `_sum` or `_count`.
    pub name: String,
    /// Label names to values.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

impl Sample {
    fn carries(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(*name).is_some_and(|found| found == value))
    }
}

/// The samples of one scrape.
#[derive(Clone, Debug)]
pub struct Metrics {
    samples: Vec<Sample>,
}

impl Metrics {
    /// Reads the text format.
    ///
    /// # Panics
    /// On a line that is not in that format.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| sample(line).unwrap_or_else(|| panic!("no line of Prometheus' format: {line}")));
        Metrics { samples: samples.collect() }
    }

    /// The lines with that name and at least these labels.
    pub fn samples(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| sample.name == name && sample.carries(labels)).collect()
    }

    /// Every line.
    pub fn all(&self) -> &[Sample] {
        &self.samples
    }

    /// The sum of the lines with that name and at least these labels; `None` if there is no such line.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let samples = self.samples(name, labels);
        (!samples.is_empty()).then(|| samples.iter().map(|sample| sample.value).sum())
    }

    /// As [`find`](Metrics::find).
    ///
    /// # Panics
    /// When there is no such line.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let Some(value) = self.find(name, labels) else {
            panic!("no metric {name} with {labels:?}; of that name there are {:?}", self.samples(name, &[]));
        };
        value
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // A time stamp may follow the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Reads behind the opening brace; returns what follows the closing one.
fn parse_labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquote(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = behind;
    }
}

/// Reads up to the closing quote; returns what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = r#"
# HELP hits Lookups answered.
# TYPE hits counter
hits{type="product",tier="l1"} 3
hits{type="product",tier="l2"} 4
hits{type="list",tier="l1"} 5
up 1
odd{path="a \"b\", {c}\\d"} 2.5e-3
wait_bucket{le="+Inf"} 7 1700000000
"#;

    #[test]
    fn sums_the_lines_with_the_labels() {
        let metrics = Metrics::parse(SCRAPE);
        assert_eq!(metrics.value("hits", &[("type", "product")]), 7.0);
        assert_eq!(metrics.value("hits", &[("tier", "l2"), ("type", "product")]), 4.0);
        assert_eq!(metrics.value("up", &[]), 1.0);
        assert_eq!(metrics.value("wait_bucket", &[("le", "+Inf")]), 7.0);
        assert_eq!(metrics.find("hits", &[("type", "session")]), None);
        assert_eq!(metrics.find("down", &[]), None);
    }

    #[test]
    fn unescapes_label_values() {
        let metrics = Metrics::parse(SCRAPE);
        assert_eq!(metrics.value("odd", &[("path", r#"a "b", {c}\d"#)]), 0.0025);
    }

    #[test]
    #[should_panic(expected = "no line of Prometheus' format: hits{type=")]
    fn refuses_a_broken_line() {
        Metrics::parse("hits{type=\"product} 3\n");
    }
}
