//! The printed report of the measurements.

use std::time::Duration;

use crate::load::CLIENTS;
use crate::machine::TOO_BUSY;
use crate::rounds::{Measurement, Plan, Round, Series};

/// The service and its counterparts in one case.
pub(crate) struct Comparison {
    case: &'static str,
    aim: Aim,
    service: Series,
    bare: Vec<Series>,
    repeated: usize,
    disturbed: usize,
}

/// The aim of a ratio.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    AtLeast(f64),
    /// 1, with this tolerance.
    Equal {
        within: f64,
    },
    /// Printed without an aim.
    Any,
}

/// Minimum, median and maximum of the ratios of the rounds.
struct Ratio {
    min: f64,
    median: f64,
    max: f64,
}

impl Comparison {
    /// The servers, the service first.
    pub(crate) fn new(case: &'static str, aim: Aim, measurement: Measurement) -> Self {
        let Measurement { mut servers, repeated, disturbed } = measurement;
        let service = servers.remove(0);
        Comparison { case, aim, service, bare: servers, repeated, disturbed }
    }

    /// Whether other processes used the machine all the time.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.disturbed > 0
    }

    pub(crate) fn print(&self) {
        let of = self.service.rounds.len();
        let case = format!("{}, {of} rounds", self.case);
        println!("\n{case:<44} {:>11} {:>8} {:>8} {:>8}", "requests/s", "p50 ms", "p99 ms", "CPU µs");
        for Series { name, rounds, .. } in [&self.service].into_iter().chain(&self.bare) {
            let median_of = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
            let per_second = median_of(|round| round.measured.per_second);
            let p50 = median_of(|round| milliseconds(round.measured.p50));
            let p99 = median_of(|round| milliseconds(round.measured.p99));
            let (cpu, answered) = rounds.iter().fold((Duration::ZERO, 0), |(cpu, answered), round| {
                (cpu + round.cpu, answered + round.measured.answered)
            });
            let cpu = milliseconds(cpu) * 1_000.0 / answered as f64;
            println!("  {name:<42} {per_second:>11.0} {p50:>8.2} {p99:>8.2} {cpu:>8.2}");
        }
        if self.repeated > 0 {
            println!(
                "  {} further rounds were done again: others used the machine, or not all was as meant",
                self.repeated
            );
        }
        if self.disturbed > 0 {
            let most = self.bare.iter().chain([&self.service]).flat_map(|series| &series.rounds);
            let most = most.map(|round| round.others).fold(0.0, f64::max) * 100.0;
            println!(
                "  DO NOT BELIEVE THIS: in {} of {of} rounds others used the machine, up to {most:.0} %",
                self.disturbed
            );
        }
    }

    fn ratio_to(&self, bare: &Series) -> Ratio {
        let pairs = self.service.rounds.iter().zip(&bare.rounds);
        let ratios = || pairs.clone().map(|(service, bare)| service.measured.per_second / bare.measured.per_second);
        Ratio {
            min: ratios().fold(f64::INFINITY, f64::min),
            median: median(ratios()),
            max: ratios().fold(0.0, f64::max),
        }
    }
}

impl Aim {
    fn verdict(self, ratio: f64) -> String {
        match self {
            Aim::AtLeast(aim) if ratio >= aim => format!("{aim:>10.2}  reached"),
            Aim::AtLeast(aim) => format!("{aim:>10.2}  missed"),
            Aim::Equal { within } if (ratio - 1.0).abs() <= within => format!("{:>5.2}±{within:.2}  reached", 1.0),
            Aim::Equal { within } => format!("{:>5.2}±{within:.2}  missed: do not believe the others either", 1.0),
            Aim::Any => String::new(),
        }
    }
}

/// Notes about the run that a reader needs to interpret it.
pub(crate) fn print_conditions(plan: &Plan) {
    let cores = std::thread::available_parallelism().map_or("?".to_owned(), |cores| cores.to_string());
    println!("hotshelf against the bare stack, over HTTP on the loopback interface");
    println!("{cores} cores, {CLIENTS} connections, rounds of {:?} in turns; medians of the rounds", plan.round);
    println!("a round in which others use more than {:.0} % of the machine is done again", TOO_BUSY * 100.0);
}

/// The ratios beside the aims. If there are several counterparts, the fastest counts.
pub(crate) fn print_ratios(comparisons: &[Comparison]) {
    println!("\n{:<48} {:>7} {:>8} {:>7} {:>10}", "ratio of requests/s", "min", "median", "max", "aim");
    for comparison in comparisons {
        let mut ratios: Vec<_> = comparison.bare.iter().map(|bare| (bare, comparison.ratio_to(bare))).collect();
        ratios.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        for (place, (bare, Ratio { min, median, max })) in ratios.iter().enumerate() {
            let line = format!("{} / {}", comparison.case, bare.name);
            let verdict = match place {
                0 if comparison.is_doubtful() => "  the machine was too busy".to_owned(),
                0 => comparison.aim.verdict(*median),
                _ => String::new(),
            };
            println!("  {line:<46} {min:>7.2} {median:>8.3} {max:>7.2} {verdict}");
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
