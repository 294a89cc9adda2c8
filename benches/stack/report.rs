//! What was measured, as people read it.

use std::time::Duration;

use crate::load::CLIENTS;
use crate::rounds::{Plan, Series};

/// The service and its counterparts in one case.
pub(crate) struct Comparison {
    pub(crate) case: &'static str,
    /// The ratio that the service is meant to reach.
    pub(crate) aim: f64,
    pub(crate) service: Series,
    pub(crate) bare: Vec<Series>,
}

/// Of the ratios of each round.
struct Ratio {
    min: f64,
    median: f64,
    max: f64,
}

impl Comparison {
    /// From the servers in the order in which they were measured, the service first.
    pub(crate) fn new(case: &'static str, aim: f64, mut servers: Vec<Series>) -> Self {
        let service = servers.remove(0);
        Comparison { case, aim, service, bare: servers }
    }

    pub(crate) fn print(&self) {
        println!("\n{:<48} {:>11} {:>9} {:>9}", self.case, "requests/s", "p50 ms", "p99 ms");
        for Series { name, rounds, .. } in [&self.service].into_iter().chain(&self.bare) {
            let per_second = median(rounds.iter().map(|round| round.per_second));
            let p50 = median(rounds.iter().map(|round| milliseconds(round.p50)));
            let p99 = median(rounds.iter().map(|round| milliseconds(round.p99)));
            println!("  {name:<46} {per_second:>11.0} {p50:>9.2} {p99:>9.2}");
        }
    }

    fn ratio_to(&self, bare: &Series) -> Ratio {
        let pairs = self.service.rounds.iter().zip(&bare.rounds);
        let ratios = || pairs.clone().map(|(service, bare)| service.per_second / bare.per_second);
        Ratio {
            min: ratios().fold(f64::INFINITY, f64::min),
            median: median(ratios()),
            max: ratios().fold(0.0, f64::max),
        }
    }
}

/// What a reader must know of the run to believe it.
pub(crate) fn print_conditions(plan: &Plan) {
    let cores = std::thread::available_parallelism().map_or("?".to_owned(), |cores| cores.to_string());
    let busy = std::fs::read_to_string("/proc/loadavg").ok();
    let busy = busy.as_deref().and_then(|text| text.split(' ').next()).unwrap_or("?");
    println!("hotshelf against the bare stack, over HTTP on the loopback interface");
    println!("{cores} cores, load average before the run {busy} (above 0.5, others are using the machine)");
    println!("{CLIENTS} connections, {} rounds of {:?} in turns; medians of the rounds", plan.rounds, plan.round);
}

/// The ratios beside the aims. Where there are several counterparts, the strongest is the one that counts.
pub(crate) fn print_ratios(comparisons: &[Comparison]) {
    println!("\n{:<48} {:>7} {:>8} {:>7} {:>7}", "ratio of requests/s", "min", "median", "max", "aim");
    for comparison in comparisons {
        let mut ratios: Vec<_> = comparison.bare.iter().map(|bare| (bare, comparison.ratio_to(bare))).collect();
        ratios.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        for (place, (bare, Ratio { min, median, max })) in ratios.iter().enumerate() {
            let line = format!("{} / {}", comparison.case, bare.name);
            let aim = comparison.aim;
            let verdict = match place {
                0 if *median >= aim => format!("{aim:>7.2}  reached"),
                0 => format!("{aim:>7.2}  missed"),
                _ => String::new(),
            };
            println!("  {line:<46} {min:>7.2} {median:>8.2} {max:>7.2} {verdict}");
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}
