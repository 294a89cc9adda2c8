use std::time::Duration;

use super::*;

fn limit(requests: u32, seconds: u64) -> Limit {
    Limit::new(requests, Duration::from_secs(seconds)).unwrap()
}

fn answer(granted: u32, left: u32, next_free_ms: u64) -> Answer {
    Answer { granted, left, next_free_ms, bucket: 7, bucket_left_ms: 50 }
}

/// Those who wait ask, and have the answer.
fn step(state: &mut SubjectState, limit: Limit, now: u64, waiting: usize, answer: Answer) -> Vec<Decision> {
    state.step(String::new(), limit, now, waiting);
    state.note(limit, answer, now);
    (0..waiting).map(|_| state.use_permit(limit, now)).collect()
}

/// What a step for so many gives back, and how many it prefetches.
fn exchange(state: &mut SubjectState, now: u64, waiting: usize) -> (u32, u32) {
    let step = state.step(String::new(), limit(100_000, 5), now, waiting);
    (step.unused, step.prefetch)
}

fn is_used(state: &mut SubjectState, now: u64) -> bool {
    matches!(state.decide(limit(100_000, 5), now), Some(Decision::Allowed(_)))
}

/// Ten permits that were prefetched at 1 s, of a bucket that is over at 1.05 s.
fn ten() -> SubjectState {
    SubjectState { batch: 10, unused: 10, answer: answer(10, 9, 0), sent: 1_000, ..SubjectState::default() }
}

fn remaining(decision: Option<Decision>) -> Option<u32> {
    match decision? {
        Decision::Allowed(quota) => Some(quota.remaining),
        other => panic!("{other:?}"),
    }
}

fn wait(quota: Option<Quota>) -> Option<u64> {
    quota.map(|quota| quota.reset.as_millis() as u64)
}

#[test]
fn those_who_wait_share_what_a_step_granted_and_later_ones_use_what_it_prefetched() {
    let (limit, mut state) = (limit(1_000, 60), SubjectState::default());
    let decisions = step(&mut state, limit, 1_000, 2, answer(4, 90, 60_000));
    assert_eq!(
        decisions.into_iter().map(|decision| remaining(Some(decision))).collect::<Vec<_>>(),
        [Some(93), Some(92)]
    );
    assert_eq!(state.let_through.count(limit, 1_001), 2, "what is used counts here");
    assert_eq!(remaining(state.decide(limit, 1_002)), Some(91));
    assert_eq!(remaining(state.decide(limit, 1_047)), Some(90));
    assert_eq!((state.decide(limit, 1_047), state.let_through.count(limit, 1_047)), (None, 4));
    let decisions = step(&mut state, limit, 1_050, 3, answer(1, 0, 300));
    assert!(
        matches!(decisions[..], [Decision::Allowed(_), Decision::Refused(_), Decision::Refused(_)]),
        "{decisions:?}"
    );
}

#[test]
fn a_step_wants_no_more_than_this_process_may_let_through() {
    let (limit, mut state) = (limit(10, 60), SubjectState { batch: 9, ..SubjectState::default() });
    (0..7).for_each(|_| state.let_through.record(limit, 1_000));
    let wanted = |step: Step| (step.wanted, step.prefetch);
    assert_eq!(wanted(state.step(String::new(), limit, 1_000, 5)), (3, 0));
    assert_eq!(wanted(state.step(String::new(), limit, 1_000, 2)).0, 2);
}

#[test]
fn a_refusal_is_certain_only_while_what_is_counted_here_still_counts_in_redis() {
    let (limit, mut state) = (limit(1, 10), SubjectState::default());
    state.let_through.record(limit, 1_020);
    assert_eq!(wait(state.refusal(limit, 1_020)), Some(10_180));
    assert!(state.refusal(limit, 10_999).is_some());
    // In Redis it may have been granted then, at the end of a bucket.
    assert_eq!(state.refusal(limit, 1_020 + 10_000), None);
}

#[test]
fn a_refusal_by_redis_is_believed_until_a_permit_is_free_and_for_a_second_at_most() {
    for (wait_ms, until) in [(300, 1_300), (9_000, 2_000)] {
        let (limit, mut state) = (limit(9, 10), SubjectState::default());
        step(&mut state, limit, 1_000, 1, answer(0, 0, wait_ms));
        assert_eq!(wait(state.refusal(limit, until - 1)), Some(1_000 + wait_ms - (until - 1)));
        assert_eq!(state.refusal(limit, until), None);
    }
}

#[test]
fn permits_are_used_while_their_bucket_lasts_and_given_back_once() {
    let mut state = ten();
    assert!(is_used(&mut state, 1_000) && is_used(&mut state, 1_047) && !is_used(&mut state, 1_048));
    assert_eq!(exchange(&mut state, 1_047, 0), (0, 0), "they are not over");
    assert_eq!((exchange(&mut state, 1_048, 0), exchange(&mut state, 1_048, 0)), ((8, 0), (0, 0)));
}

#[test]
fn batches_follow_what_is_used() {
    let mut state = ten();
    assert!((0..10).all(|_| is_used(&mut state, 1_001)) && !is_used(&mut state, 1_001));
    assert_eq!(exchange(&mut state, 1_002, 3), (0, 23), "used up in time");
    state.note(limit(100_000, 5), answer(23, 9, 0), 1_002);
    assert_eq!(exchange(&mut state, 1_060, 1), (23, 11), "not used");
    state.note(limit(100_000, 5), answer(0, 9, 0), 1_060);
    assert_eq!(exchange(&mut state, 1_200, 1), (0, 11), "none was lacking in its time");
    assert_eq!(exchange(&mut state, 3_000, 1), (0, 0), "that was long ago");
}

/// Too many wait for Redis, so others decide without it while a step is under way.
#[test]
fn a_step_grants_no_more_than_this_process_may_still_let_through() {
    let (limit, mut state) = (limit(10, 10), SubjectState::default());
    assert_eq!(state.step(String::new(), limit, 1_000, 10).wanted, 10);
    assert!((0..4).all(|_| matches!(state.decide_alone(limit, 1_010), Decision::Allowed(_))));
    state.note(limit, answer(10, 0, 10_050), 1_000);
    let decisions = (0..10).map(|_| state.use_permit(limit, 1_000));
    assert_eq!(decisions.filter(|decision| matches!(decision, Decision::Allowed(_))).count(), 6);
}
