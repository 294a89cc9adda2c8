//! The states of one right, and the observations of the clients that tried it.

use std::time::{Duration, Instant};

use crate::report::Tally;
use crate::testbed::LEASE;

/// The number of violations that are explained.
const EXPLAINED: usize = 5;

/// A state of the right, and the time from which it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) granted: bool,
    /// The time when the change was requested.
    pub(crate) begun: Instant,
    pub(crate) acknowledged: Instant,
    /// The instance that made the change.
    pub(crate) instance: usize,
}

/// An attempt to use the right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    pub(crate) instance: usize,
    pub(crate) granted: bool,
}

pub(crate) struct Timeline {
    states: Vec<State>,
    probes: Vec<Probe>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It agrees with a state of the time between request and answer.
    Fresh,
    /// It agrees with a state that another instance had ended this long before.
    Lagging(Duration),
    /// It agrees only with a state that ended too long before, or that the same instance had ended.
    Stale(Duration),
}

impl Timeline {
    pub(crate) fn beginning(first: State) -> Self {
        Timeline { states: vec![first], probes: Vec::new() }
    }

    pub(crate) fn then(mut self, state: State) -> Self {
        self.states.push(state);
        self
    }

    pub(crate) fn seen(mut self, probes: Vec<Probe>) -> Self {
        self.probes.extend(probes);
        self
    }

    pub(crate) fn judge(&self, tally: &mut Tally) {
        // The state before the first one is not known.
        let since = self.states[0].acknowledged;
        for probe in self.probes.iter().filter(|probe| probe.sent >= since) {
            tally.reads += 1;
            match self.judgement(probe) {
                Judgement::Fresh => {}
                Judgement::Lagging(lag) => tally.lags.push(lag),
                Judgement::Stale(lag) => {
                    tally.stale += 1;
                    tally.stale_by.push(lag);
                    if tally.explanations.len() < EXPLAINED {
                        tally.explanations.push(self.explanation(probe, lag));
                    }
                }
            }
        }
        tally.acknowledged += self.states.len();
    }

    /// By the latest state with which it agrees.
    fn judgement(&self, probe: &Probe) -> Judgement {
        let fits = |state: &State| state.granted == probe.granted && state.begun <= probe.answered;
        let Some(index) = self.states.iter().rposition(fits) else {
            return Judgement::Stale(probe.sent - self.states[0].acknowledged);
        };
        // The changes that the attempt should have seen.
        let missed: Vec<_> = self.states[index + 1..].iter().filter(|state| state.acknowledged < probe.sent).collect();
        let Some(lag) = missed.iter().map(|state| probe.sent - state.acknowledged).max() else {
            return Judgement::Fresh;
        };
        let own = missed.iter().any(|state| state.instance == probe.instance);
        if own || lag > LEASE { Judgement::Stale(lag) } else { Judgement::Lagging(lag) }
    }

    fn explanation(&self, probe: &Probe, lag: Duration) -> String {
        let what = if probe.granted { "accepted" } else { "refused" };
        let last = self.states.iter().rfind(|state| state.acknowledged < probe.sent);
        let change = last.map_or(String::new(), |last| {
            let ago = probe.sent - last.acknowledged;
            format!("; instance {} had acknowledged the last change {ago:?} before", last.instance)
        });
        format!("instance {} {what}, {lag:?} late{change}", probe.instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_right_may_lag_on_other_instances_within_the_lease() {
        let zero = Instant::now();
        let at = |milliseconds: u64| zero + Duration::from_millis(milliseconds);
        let state = |granted, begun, acknowledged| State {
            granted,
            begun: at(begun),
            acknowledged: at(acknowledged),
            instance: 0,
        };
        let timeline =
            Timeline::beginning(state(true, 0, 10)).then(state(false, 100, 110)).then(state(true, 5_000, 5_010));
        let judge = |sent, answered, instance, granted| {
            timeline.judgement(&Probe { sent: at(sent), answered: at(answered), instance, granted })
        };
        let late = Duration::from_millis;
        for instance in [0, 1] {
            assert_eq!(judge(50, 60, instance, true), Judgement::Fresh);
            assert_eq!(judge(50, 60, instance, false), Judgement::Stale(late(40)));
            assert_eq!(judge(105, 106, instance, true), Judgement::Fresh);
            assert_eq!(judge(105, 106, instance, false), Judgement::Fresh);
            assert_eq!(judge(300, 310, instance, false), Judgement::Fresh);
            assert_eq!(judge(4_990, 5_005, instance, true), Judgement::Fresh);
        }
        assert_eq!(judge(120, 130, 0, true), Judgement::Stale(late(10)));
        assert_eq!(judge(120, 130, 1, true), Judgement::Lagging(late(10)));
        assert_eq!(judge(1_200, 1_210, 1, true), Judgement::Stale(late(1_090)));
        assert_eq!(judge(5_020, 5_030, 1, false), Judgement::Lagging(late(10)));
    }
}
