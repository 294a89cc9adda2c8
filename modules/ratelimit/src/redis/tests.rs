//! The script against a plain count, and what that never meets: a clock that goes back, and keys of others.

use std::collections::HashMap;
use std::time::Duration;

use hotshelf_testkit::{RedisReply, RedisServer};
use rand::RngExt;

use super::*;
use crate::window::tests::PlainCount;

const KEY: &str = "p:ratelimit:s:a";

fn limit(requests: u32, window: u64) -> Limit {
    Limit::new(requests, Duration::from_millis(window)).unwrap()
}

fn step(key: &str, limit: Limit, wanted: u32) -> Step {
    Step { key: key.to_owned(), limit, wanted, prefetch: 0, unused: 0, bucket: 0 }
}

/// What the script says.
fn call(redis: &RedisServer, steps: &[Step]) -> Vec<Answer> {
    let mut command = vec!["EVAL".to_owned(), TAKE.to_owned(), steps.len().to_string()];
    command.extend(steps.iter().map(|step| step.key.clone()));
    command.extend(steps.iter().flat_map(Step::arguments).map(|number| number.as_string().unwrap()));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let RedisReply::Array(numbers) = redis.command(&command) else { panic!("no array") };
    let numbers: Vec<u64> = numbers.into_iter().map(|number| number.integer().try_into().unwrap()).collect();
    numbers.as_chunks().0.iter().map(Answer::of).collect()
}

fn take(redis: &RedisServer, limit: Limit, wanted: u32) -> Answer {
    call(redis, &[step(KEY, limit, wanted)])[0]
}

/// The time in ms on Redis' clock at that answer.
fn clock(answer: &Answer) -> u64 {
    answer.bucket - answer.bucket_left_ms
}

/// Permits that Redis counts.
fn counted(redis: &RedisServer) -> u32 {
    let RedisReply::Array(counts) = redis.command(&["HVALS", KEY]) else { panic!("no hash") };
    counts.into_iter().map(|count| count.text().unwrap().parse::<u32>().unwrap()).sum()
}

#[test]
fn no_window_has_more_in_it_than_the_limit_and_no_permit_is_kept_back() {
    let redis = RedisServer::start();
    let mut dice = rand::rng();
    let limits = [limit(1, 1_000), limit(7, 1_000), limit(3_000, 1_500), limit(40, 1_999), limit(9, 60_000)];
    let mut plain: HashMap<usize, PlainCount> = HashMap::new();
    let mut refused = 0;
    for _ in 0..800 {
        let asked: Vec<usize> = (0..limits.len()).filter(|_| dice.random_bool(0.5)).collect();
        let steps = asked.iter().map(|&index| {
            let wanted = dice.random_range(0..limits[index].requests().min(200) + 2);
            step(&format!("{KEY}:{index}"), limits[index], wanted)
        });
        let steps: Vec<Step> = steps.collect();
        for ((&index, step), answer) in asked.iter().zip(&steps).zip(call(&redis, &steps)) {
            let (now, limit) = (clock(&answer), step.limit);
            let plain = plain.entry(index).or_insert_with(|| PlainCount::new(limit));
            plain.answer(now, step.wanted, answer.granted);
            let taken = [limit.window_ms + limit.bucket_ms(), limit.window_ms].map(|ms| plain.in_the_last(ms, now));
            let left = taken.map(|taken| limit.requests().saturating_sub(taken));
            assert!((left[0]..=left[1]).contains(&answer.left), "{answer:?}, {taken:?} taken");
            assert!(answer.next_free_ms <= limit.window_ms + limit.bucket_ms(), "{answer:?}");
            refused += u32::from(answer.granted < step.wanted);
        }
        if dice.random_bool(0.02) {
            std::thread::sleep(Duration::from_millis(dice.random_range(0..150)));
        }
    }
    plain.values_mut().for_each(PlainCount::assert_no_window_has_more);
    assert!(refused > 100, "the windows were never full");
}

#[test]
fn permits_that_are_prefetched_count_for_their_whole_window_and_unused_ones_are_free_at_once() {
    let redis = RedisServer::start();
    let mut dice = rand::rng();
    let limit = limit(400, 1_000);
    let (mut plain, mut held) = (PlainCount::new(limit), HashMap::new());
    for _ in 0..1_500 {
        // Three instances, each of which uses some of what it has, as late as it may.
        let instance = dice.random_range(0..3);
        let (prefetched, bucket) = held.remove(&instance).unwrap_or_default();
        let used = dice.random_range(0..=prefetched);
        plain.grant(u64::saturating_sub(bucket, 1), used);
        let (wanted, prefetch, unused) = (dice.random_range(0..4), dice.random_range(0..40), prefetched - used);
        let answer = call(&redis, &[Step { prefetch, unused, bucket, ..step(KEY, limit, wanted) }])[0];
        let granted = answer.granted.min(wanted);
        plain.grant(clock(&answer), granted);
        held.insert(instance, (answer.granted - granted, answer.bucket));
        std::thread::sleep(Duration::from_millis(dice.random_range(0..3)));
    }
    for (unused, bucket) in held.into_values() {
        call(&redis, &[Step { unused, bucket, ..step(KEY, limit, 0) }]);
    }
    plain.assert_no_window_has_more();
    let now = clock(&take(&redis, limit, 0));
    let taken = [limit.window_ms, limit.window_ms + limit.bucket_ms()].map(|ms| plain.in_the_last(ms, now));
    assert!((taken[0]..=taken[1]).contains(&counted(&redis)), "{} counted, {taken:?} used", counted(&redis));
}

#[test]
fn a_sixteenth_of_what_is_left_is_prefetched_and_no_more_is_given_back_than_there_is() {
    let redis = RedisServer::start();
    let limit = limit(1_000, 3_600_000);
    let call = |wanted, prefetch, unused, bucket| {
        let answer = call(&redis, &[Step { prefetch, unused, bucket, ..step(KEY, limit, wanted) }])[0];
        (answer.granted, answer.left, answer.bucket)
    };
    let (granted, left, bucket) = call(40, 100, 0, 0);
    assert_eq!((granted, left), (100, 900));
    assert_eq!(call(1, 10, 50, bucket), (11, 939, bucket));
    for (unused, bucket) in [(5, bucket - limit.bucket_ms()), (90, bucket)] {
        assert_eq!(call(0, 0, unused, bucket).1, 939);
    }
    assert_eq!(call(930, 100, 0, 0), (930, 9, bucket), "of so few, none is prefetched");
    assert_eq!(call(0, 0, 991, bucket).1, 1_000);
    assert_eq!(redis.keys(KEY), Vec::<String>::new(), "nothing counts any more");
}

#[test]
fn a_key_ends_when_nothing_in_it_counts_any_more() {
    let redis = RedisServer::start();
    let limit = limit(2, 1_000);
    let begin = take(&redis, limit, 1);
    let answer = take(&redis, limit, 1);
    let life = redis.command(&["PTTL", KEY]).integer();
    assert!(life > 0 && life <= i64::try_from(limit.window_ms + limit.bucket_ms()).unwrap(), "{life} ms");
    let next_free_ms = begin.bucket + limit.window_ms - clock(&answer);
    assert_eq!((answer.granted, answer.left, answer.next_free_ms), (1, 0, next_free_ms));
    assert_eq!(take(&redis, limit, 5).granted, 0);
    std::thread::sleep(Duration::from_millis(next_free_ms));
    assert!(take(&redis, limit, 1).granted == 1, "it is free at the moment that was told");
}

#[test]
fn a_clock_that_is_set_back_gives_no_permit_away_and_locks_nobody_out_for_long() {
    let redis = RedisServer::start();
    for ahead in [50, 3_600_000] {
        redis.command(&["DEL", KEY]);
        let now = clock(&take(&redis, limit(3, 1_000), 0));
        // As it was left by a clock that was so far ahead.
        redis.command(&["HSET", KEY, &(now + ahead).to_string(), "2"]);
        let answer = take(&redis, limit(3, 1_000), 3);
        assert_eq!((answer.granted, answer.left), (1, 0), "two count already");
        assert!((1_000..=1_010).contains(&answer.next_free_ms), "{ahead} ms ahead: {answer:?}");
        assert!(redis.command(&["PTTL", KEY]).integer() >= i64::try_from(answer.next_free_ms).unwrap() - 5);
        assert_eq!(counted(&redis), 3);
    }
}

#[test]
fn another_window_under_the_same_name_forgets_nothing_that_is_in_both() {
    let redis = RedisServer::start();
    take(&redis, limit(5, 60_000), 4);
    let answer = take(&redis, limit(5, 2_000), 4);
    assert_eq!((answer.granted, answer.left), (1, 0));
    let answer = take(&redis, limit(2, 60_000), 1);
    assert_eq!((answer.granted, answer.left), (0, 0));
    assert!((59_000..=60_600).contains(&answer.next_free_ms), "{answer:?}");
}

#[test]
fn what_is_not_ours_makes_room() {
    let redis = RedisServer::start();
    for foreign in [&["SET", KEY, "x"][..], &["HSET", KEY, "total", "many", "oldest", "old"], &["RPUSH", KEY, "1"]] {
        redis.command(&["DEL", KEY]);
        redis.command(foreign);
        let answer = take(&redis, limit(2, 1_000), 1);
        assert_eq!((answer.granted, answer.left, counted(&redis)), (1, 1, 1), "{foreign:?}");
    }
}
