use std::time::Duration;

use super::*;
use crate::limit::Limit;

#[test]
fn it_is_bounded_and_forgets_those_first_that_were_not_heard_of_for_longest() {
    let (memory, limit) = (Memory::new(), Limit::new(2, Duration::from_secs(3_600)).unwrap());
    let key = |number: usize| (0, Subject::new(&format!("s{number}")));
    let used = |number| memory.with(key(number), |state| state.let_through.count(limit, 0));
    let take = |number| memory.with(key(number), |state| state.let_through.record(limit, 0));
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
