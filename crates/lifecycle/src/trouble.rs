use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A failure this soon after the last one was over is the same trouble again.
const RELAPSE: Duration = Duration::from_secs(60);
/// So often, it may be over at once all the same.
const RELAPSES: u32 = 8;
const FIRST_HOLD: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// Whether something fails, as told by the outcomes of what is asked of it.
///
/// The first failure begins the trouble, and the first success after it ends it. What fails again within a minute, and
/// again and again, is believed less each time: from the ninth time on, the trouble lasts until a success comes 1 s,
/// 2 s, 4 s … and at last 60 s after the latest failure. So whoever logs its beginnings and its ends logs two lines for
/// an outage, and after a dozen two a minute at most for what fails and works in turns, however many requests meet it.
#[derive(Default)]
pub struct Trouble {
    /// Whether there is any: looked at first, for successes are many.
    stands: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    standing: Option<Standing>,
    /// How often it has failed again soon after it was over.
    relapses: u32,
    hold: Duration,
    over: Option<Instant>,
}

struct Standing {
    cause: String,
    since: Instant,
    latest: Instant,
}

impl Trouble {
    /// It has failed. `true` when that begins the trouble.
    pub fn failed(&self, cause: impl Into<String>) -> bool {
        self.failed_at(cause.into(), Instant::now())
    }

    /// It has worked. Tells how long the trouble was, when that ends it.
    pub fn succeeded(&self) -> Option<Duration> {
        if !self.stands() {
            return None;
        }
        self.succeeded_at(Instant::now())
    }

    /// As [`succeeded`](Trouble::succeeded), of a trial that does not tell much about what has failed: it is believed
    /// when nothing has failed for that long.
    pub fn succeeded_after(&self, quiet: Duration) -> Option<Duration> {
        let now = Instant::now();
        let since = |standing: &Standing| now.duration_since(standing.latest);
        let is_quiet = self.stands() && self.state.lock().standing.as_ref().is_some_and(|it| since(it) >= quiet);
        if is_quiet { self.succeeded_at(now) } else { None }
    }

    /// Whether there is trouble.
    pub fn stands(&self) -> bool {
        self.stands.load(Ordering::Acquire)
    }

    /// The cause of the latest failure, while there is trouble.
    pub fn cause(&self) -> Option<String> {
        self.state.lock().standing.as_ref().map(|standing| standing.cause.clone())
    }

    /// For how long successes are not believed after a failure: zero, unless it has failed again and again. A pause for
    /// whoever tries on its behalf.
    pub fn hold(&self) -> Duration {
        self.state.lock().hold
    }

    fn failed_at(&self, cause: String, now: Instant) -> bool {
        let mut state = self.state.lock();
        if let Some(standing) = &mut state.standing {
            (standing.cause, standing.latest) = (cause, now);
            return false;
        }
        let again = state.over.is_some_and(|over| now.duration_since(over) < RELAPSE);
        state.relapses = if again { state.relapses.saturating_add(1) } else { 0 };
        state.hold = match state.relapses {
            0..=RELAPSES => Duration::ZERO,
            _ => (state.hold * 2).clamp(FIRST_HOLD, LONGEST_HOLD),
        };
        state.standing = Some(Standing { cause, since: now, latest: now });
        self.stands.store(true, Ordering::Release);
        true
    }

    fn succeeded_at(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state.lock();
        let hold = state.hold;
        let standing = state.standing.take_if(|standing| now.duration_since(standing.latest) >= hold)?;
        state.over = Some(now);
        self.stands.store(false, Ordering::Release);
        Some(now.duration_since(standing.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(trouble: &Trouble, now: Instant) -> bool {
        trouble.failed_at("full".to_owned(), now)
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_at_once() {
        let (trouble, begin) = (Trouble::default(), Instant::now());
        assert!(trouble.succeeded().is_none() && !trouble.stands());
        let told = (0..1_000).filter(|&number| fail(&trouble, begin + number * SECOND)).count();
        assert_eq!((told, trouble.cause().as_deref()), (1, Some("full")));
        assert_eq!(trouble.succeeded_at(begin + 1_000 * SECOND), Some(1_000 * SECOND));
        assert!(!trouble.stands() && trouble.cause().is_none());
    }

    #[test]
    fn what_fails_and_works_in_turns_is_told_some_times_and_then_once_a_minute() {
        let (trouble, begin) = (Trouble::default(), Instant::now());
        let mut begun = Vec::new();
        for tick in 0..6_000 {
            let now = begin + tick * SECOND / 10;
            if fail(&trouble, now) {
                begun.push(now - begin);
            }
            let _ = trouble.succeeded_at(now + SECOND / 20);
        }
        // From then on it never works for as long as it would have to.
        assert_eq!(begun.len(), RELAPSES as usize + 2, "{begun:?}");
        assert!(trouble.stands());

        // Now with 90 s of health between the failures, then with 20 s.
        let mut now = begin + 600 * SECOND;
        let told = |apart: Duration, now: &mut Instant| {
            let mut told = 0;
            for _ in 0..20 {
                told += usize::from(fail(&trouble, *now));
                for _ in 0..apart.as_secs() {
                    *now += SECOND;
                    let _ = trouble.succeeded_at(*now);
                }
            }
            told
        };
        assert!(told(Duration::from_secs(150), &mut now) >= 19, "each is an outage of its own");
        assert!(told(Duration::from_secs(20), &mut now) <= 16, "until it is held for longer than it works");
    }

    #[test]
    fn after_a_minute_without_a_failure_all_is_forgotten() {
        let (trouble, begin) = (Trouble::default(), Instant::now());
        for _ in 0..=RELAPSES {
            assert!(fail(&trouble, begin) && trouble.hold() == Duration::ZERO);
            trouble.succeeded_at(begin);
        }
        fail(&trouble, begin + SECOND);
        assert_eq!(trouble.hold(), FIRST_HOLD);
        assert_eq!(trouble.succeeded_at(begin + SECOND), None, "too soon");
        trouble.succeeded_at(begin + 2 * SECOND);
        assert!(fail(&trouble, begin + 90 * SECOND));
        assert_eq!((trouble.hold(), trouble.succeeded_at(begin + 90 * SECOND)), (Duration::ZERO, Some(Duration::ZERO)));
    }
}
