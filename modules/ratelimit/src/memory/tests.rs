use std::time::Duration;

use super::*;

const MARGIN: u64 = 100;

fn key(number: usize) -> SubjectKey {
    (0, Subject::new(&format!("s{number}")))
}

fn limit(requests: u32, seconds: u64) -> Limit {
    Limit::new(requests, Duration::from_secs(seconds)).unwrap()
}

fn answer(granted: u32, left: u32, next_free_ms: u64) -> Answer {
    Answer { granted, left, next_free_ms, bucket: 7, bucket_left_ms: 50 }
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
fn it_is_bounded_and_forgets_those_first_that_were_not_heard_of_for_longest() {
    let (memory, limit) = (Memory::default(), limit(2, 3_600));
    let used = |number| memory.with(key(number), |state| state.let_through.count(limit, 0));
    let take = |number| memory.with(key(number), |state| state.let_through.record(limit, 0, 1));
    take(0);
    for number in 1..2 * MOST_SUBJECTS {
        take(number);
        if number % 256 == 0 {
            assert_eq!(used(0), 1, "forgotten after {number} others");
        }
    }
    assert!(memory.subjects() <= MOST_SUBJECTS, "{} subjects", memory.subjects());
    assert_eq!(used(1), 0, "heard of longest ago");
}

#[test]
fn those_who_wait_share_what_a_step_granted_and_later_ones_use_what_it_prefetched() {
    let (limit, mut state) = (limit(1_000, 60), SubjectState::default());
    let decisions = state.note(limit, 1_000, 1_001, 2, &answer(4, 90, 60_000));
    assert_eq!(
        decisions.into_iter().map(|decision| remaining(Some(decision))).collect::<Vec<_>>(),
        [Some(93), Some(92)]
    );
    assert_eq!(state.let_through.count(limit, 1_001), 2, "what is used counts here");
    assert_eq!(remaining(state.decide(limit, 1_002, MARGIN)), Some(91));
    assert_eq!(remaining(state.decide(limit, 1_047, MARGIN)), Some(90));
    assert_eq!((state.decide(limit, 1_047, MARGIN), state.let_through.count(limit, 1_047)), (None, 4));
    let decisions = state.note(limit, 1_050, 1_051, 3, &answer(1, 0, 300));
    assert!(
        matches!(decisions[..], [Decision::Allowed(_), Decision::Refused(_), Decision::Refused(_)]),
        "{decisions:?}"
    );
}

#[test]
fn a_refusal_is_certain_only_while_what_is_counted_here_still_counts_in_redis() {
    let (limit, mut state) = (limit(1, 10), SubjectState::default());
    state.let_through.record(limit, 1_020, 1);
    assert_eq!(wait(state.refusal(limit, 1_020, MARGIN)), Some(10_180));
    assert!(state.refusal(limit, 10_700, MARGIN).is_some());
    // In Redis it may have been granted the margin before, at the end of a bucket.
    assert_eq!(state.refusal(limit, 1_020 - MARGIN + 10_000, MARGIN), None);
}

#[test]
fn a_refusal_by_redis_is_believed_until_a_permit_is_free_and_for_a_second_at_most() {
    for (wait_ms, until) in [(300, 1_300), (9_000, 2_000)] {
        let (limit, mut state) = (limit(9, 10), SubjectState::default());
        state.note(limit, 1_000, 1_020, 1, &answer(0, 0, wait_ms));
        assert_eq!(wait(state.refusal(limit, until - 1, MARGIN)), Some(1_000 + wait_ms - (until - 1)));
        assert_eq!(state.refusal(limit, until, MARGIN), None);
    }
}
