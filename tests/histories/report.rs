//! The results of the reads under one fault, and the table of all faults.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::asked::Asked;
use crate::history::{Kind, Read, Verdict};

/// The number of stale reads that are explained.
const EXPLAINED: usize = 5;

/// Counts the reads and writes of one fault.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reads: usize,
    /// Of these, those with `Cache-Control: no-cache` or `X-Min-Version`.
    pub(crate) strict: usize,
    /// Reads of products with their details.
    pub(crate) details: usize,
    /// Reads of lists that depend on fields of products.
    pub(crate) lists: usize,
    /// Reads of sets of ids.
    pub(crate) sets: usize,
    /// Reads that missed a write of another instance, within the lease, and by how much.
    pub(crate) lags: Vec<Duration>,
    /// Reads under the exception of writes that were made without Redis.
    pub(crate) excepted: Vec<Duration>,
    pub(crate) stale: usize,
    /// The largest age of a stale read, if it is known.
    pub(crate) stale_by: Vec<Duration>,
    pub(crate) explanations: Vec<String>,
    /// Outages of Redis that an instance reported although no fault had caused them.
    pub(crate) unasked: usize,
    pub(crate) unanswered: usize,
    pub(crate) acknowledged: usize,
    pub(crate) unacknowledged: usize,
}

impl Tally {
    pub(crate) fn note_read(&mut self, read: &Read, verdict: &Verdict, explain: impl FnOnce() -> String) {
        self.reads += 1;
        self.strict += usize::from(read.kind == Kind::Strict);
        match verdict {
            Verdict::Fresh => {}
            Verdict::Lagging(lag) => self.lags.push(*lag),
            Verdict::Excepted(lag) => self.excepted.push(*lag),
            Verdict::Stale(lag) => {
                self.stale += 1;
                self.stale_by.extend(*lag);
                if self.explanations.len() < EXPLAINED {
                    self.explanations.push(explain());
                }
            }
        }
    }

    pub(crate) fn note_kind(&mut self, asked: &Asked) {
        match asked {
            Asked::Details(_) => self.details += 1,
            Asked::List(list) if list.is_plain() => {}
            Asked::List(_) => self.lists += 1,
            Asked::Ids(_) => self.sets += 1,
            Asked::Product(_) | Asked::Several(_) => {}
        }
    }

    pub(crate) fn note_write(&mut self, acknowledged: bool) {
        match acknowledged {
            true => self.acknowledged += 1,
            false => self.unacknowledged += 1,
        }
    }
}

/// One line of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) topology: String,
    pub(crate) fault: &'static str,
    /// How often the fault was repeated.
    pub(crate) strikes: usize,
    pub(crate) tally: Tally,
    /// The differences between the instances and the database at rest.
    pub(crate) disagreements: Vec<String>,
}

impl Row {
    /// The violations of the promise, explained.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let Tally { stale, explanations, .. } = &self.tally;
        let place = format!("{}, {}", self.topology, self.fault);
        let stale = (*stale > 0).then(|| format!("{place}: {stale} stale reads, such as\n{}", explanations.join("\n")));
        let at_rest = self.disagreements.iter().take(EXPLAINED).map(|found| format!("{place}, at rest: {found}"));
        stale.into_iter().chain(at_rest).collect()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { reads, strict, stale, unasked, unanswered, acknowledged, unacknowledged, .. } = &self.tally;
        write!(f, "{:<34} {:<30} {:>7} {unasked:>7} {reads:>8} {strict:>7} ", self.topology, self.fault, self.strikes)?;
        write!(f, "{:>7} {:>7} {:>7} ", self.tally.details, self.tally.lists, self.tally.sets)?;
        write!(
            f,
            "{acknowledged:>7} {unacknowledged:>7} {unanswered:>7} {stale:>6} {:>8} ",
            worst(&self.tally.stale_by)
        )?;
        let (mut lags, excepted) = (self.tally.lags.clone(), &self.tally.excepted);
        lags.sort_unstable();
        write!(f, "{:>8} {:>8} {:>7} ", excepted.len(), worst(excepted), lags.len())?;
        write!(f, "{:>7} {:>7} {:>7} ", quantile(&lags, 50), quantile(&lags, 99), worst(&lags))?;
        write!(
            f,
            "{:>9}",
            if self.disagreements.is_empty() { "agreed".to_owned() } else { self.disagreements.len().to_string() }
        )
    }
}

const EXPLANATION: &str = "Times in milliseconds. Strict reads: with no-cache or X-Min-Version. Lists: \
by organization or schema, with filters or orders; sets: of ids. Unasked: outages of Redis that an instance reported \
without a fault of the test. Excepted: missed only \
writes that another instance made without Redis, before it reached Redis again. Lagging: missed a write of another instance \
for less than the L1 lease.";
const HEADER: &str = "\
topology                           fault                          strikes unasked    reads  strict details   lists    sets  writes  no-ack no-answ  stale    worst \
excepted    worst lagging     p50     p99   worst   at rest";

fn worst(lags: &[Duration]) -> String {
    lags.iter().max().map_or("-".to_owned(), |lag| millis(*lag))
}

/// A percentile of sorted values.
fn quantile(lags: &[Duration], percent: usize) -> String {
    let index = (lags.len() * percent).div_ceil(100).saturating_sub(1);
    lags.get(index).map_or("-".to_owned(), |lag| millis(*lag))
}

fn millis(lag: Duration) -> String {
    format!("{:.1}", lag.as_secs_f64() * 1e3)
}

/// The rows of all tests of this run, in the order in which they came.
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints the row, and writes the table so far to `target/histories.txt`.
pub(crate) fn publish(row: &Row) {
    let mut rows = TABLE.lock().unwrap();
    if rows.is_empty() {
        println!("{HEADER}");
    }
    println!("{row}");
    rows.push(row.to_string());
    let mut sorted = rows.clone();
    // Tests run in parallel; the rows of each topology stay in order.
    sorted.sort_by(|a, b| a.get(..34).cmp(&b.get(..34)));
    let text = format!("{EXPLANATION}\n\n{HEADER}\n{}\n", sorted.join("\n"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    fs::write(target.join("histories.txt"), text).unwrap();
}
