//! The script against `Window`, and what `Window` never meets: a clock that goes back, and keys that others have left.

use std::collections::HashMap;
use std::time::Duration;

use hotshelf_testkit::{RedisReply, RedisServer};
use rand::RngExt;

use super::*;
use crate::window::Window;

const KEY: &str = "p:ratelimit:s:a";

fn limit(requests: u32, window: u64) -> Limit {
    Limit::new(requests, Duration::from_millis(window)).unwrap()
}

/// What the script says, and the time on Redis' clock.
fn call(redis: &RedisServer, steps: &[Step]) -> (u64, Vec<Taken>) {
    let mut command = vec!["EVAL".to_owned(), TAKE.to_owned(), steps.len().to_string()];
    command.extend(steps.iter().map(|step| step.key.clone()));
    for Step { limit, wanted, ahead, back, .. } in steps {
        let numbers = [limit.requests().into(), limit.window_ms(), (*wanted).into()];
        let ahead = [(*ahead).into(), back.places.into(), back.bucket];
        command.extend(numbers.into_iter().chain(ahead).map(|number: u64| number.to_string()));
    }
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let RedisReply::Array(numbers) = redis.command(&command) else { panic!("no array") };
    let numbers: Vec<u64> = numbers.into_iter().map(|number| number.integer().try_into().unwrap()).collect();
    (numbers[0], taken(&numbers))
}

fn take(redis: &RedisServer, limit: Limit, wanted: u32) -> (u64, Taken) {
    let (now, taken) = call(redis, &[step(KEY, limit, wanted)]);
    (now, taken[0])
}

fn step(key: &str, limit: Limit, wanted: u32) -> Step {
    Step { key: key.to_owned(), limit, wanted, ahead: 0, back: GivenBack::default() }
}

#[test]
fn the_script_does_what_the_window_does() {
    let redis = RedisServer::start();
    let mut dice = rand::rng();
    let limits = [limit(1, 1_000), limit(7, 1_000), limit(3_000, 1_500), limit(40, 1_999), limit(9, 60_000)];
    let mut windows: HashMap<usize, Window> = HashMap::new();
    let mut refused = 0;
    for _ in 0..800 {
        let asked: Vec<usize> = (0..limits.len()).filter(|_| dice.random_bool(0.5)).collect();
        let steps = asked.iter().map(|&index| {
            let wanted = dice.random_range(0..limits[index].requests().min(200) + 2);
            step(&format!("{KEY}:{index}"), limits[index], wanted)
        });
        let steps: Vec<Step> = steps.collect();
        let (now, taken) = call(&redis, &steps);
        for ((&index, step), taken) in asked.iter().zip(&steps).zip(taken) {
            assert_eq!(taken, windows.entry(index).or_default().take(step.limit, now, step.wanted), "limit {index}");
            refused += u32::from(taken.granted < step.wanted);
        }
        if dice.random_bool(0.02) {
            std::thread::sleep(Duration::from_millis(dice.random_range(0..150)));
        }
    }
    assert!(refused > 100, "the windows were never full");
}

#[test]
fn a_key_ends_when_nothing_in_it_counts_any_more() {
    let redis = RedisServer::start();
    let (limit, begin) = (limit(2, 1_000), take(&redis, limit(2, 1_000), 1).0);
    let (now, taken) = take(&redis, limit, 1);
    let life = redis.command(&["PTTL", KEY]).integer();
    assert!(life > 0 && life <= i64::try_from(limit.window_ms() + limit.width_ms()).unwrap(), "{life} ms");
    assert_eq!((taken.granted, taken.left, taken.wait), (1, 0, begin + limit.width_ms() + limit.window_ms() - now));
    assert_eq!(take(&redis, limit, 5).1.granted, 0);
    std::thread::sleep(Duration::from_millis(taken.wait));
    assert!(take(&redis, limit, 1).1.granted == 1, "the place is back at the moment that was told");
}

#[test]
fn a_clock_that_is_set_back_gives_no_place_away_and_locks_nobody_out_for_long() {
    let redis = RedisServer::start();
    for ahead in [50, 3_600_000] {
        redis.command(&["DEL", KEY]);
        let (now, _) = take(&redis, limit(3, 1_000), 0);
        // As it was left by a clock that was so far ahead.
        let bucket = (now + ahead).to_string();
        let fields = ["window", "1000", "total", "2", "oldest", &bucket, "newest", &bucket, &bucket, "2"];
        redis.command(&[["HSET", KEY].as_slice(), &fields].concat());
        let (_, taken) = take(&redis, limit(3, 1_000), 3);
        assert_eq!((taken.granted, taken.left), (1, 0), "two count already");
        assert!((1..=1_001 + 50).contains(&taken.wait), "{ahead} ms ahead: {} ms to wait", taken.wait);
        assert!(redis.command(&["PTTL", KEY]).integer() >= i64::try_from(taken.wait).unwrap() - 5);
    }
}

#[test]
fn another_window_under_the_same_name_forgets_nothing() {
    let redis = RedisServer::start();
    take(&redis, limit(5, 60_000), 4);
    let (_, taken) = take(&redis, limit(5, 2_000), 4);
    assert_eq!((taken.granted, taken.left), (1, 0));
    assert!((2_000..=2_002).contains(&taken.wait));
    let (_, taken) = take(&redis, limit(2, 60_000), 1);
    assert_eq!((taken.granted, taken.left), (0, 0));
    assert!((60_000..=60_060).contains(&taken.wait));
}

#[test]
fn what_is_not_ours_makes_room() {
    let redis = RedisServer::start();
    for foreign in [&["SET", KEY, "x"][..], &["HSET", KEY, "total", "many", "oldest", "old"], &["RPUSH", KEY, "1"]] {
        redis.command(&["DEL", KEY]);
        redis.command(foreign);
        let (_, taken) = take(&redis, limit(2, 1_000), 1);
        assert_eq!((taken.granted, taken.left), (1, 1), "{foreign:?}");
    }
}

#[test]
fn a_sixteenth_of_what_is_left_is_taken_ahead_and_can_be_given_back() {
    let redis = RedisServer::start();
    let limit = limit(1_000, 60_000);
    let ahead = |wanted, ahead, back| {
        let (now, taken) = call(&redis, &[Step { ahead, back, ..step(KEY, limit, wanted) }]);
        let Taken { bucket, bucket_ends, .. } = taken[0];
        assert_eq!((bucket, bucket_ends), (now / 60, (bucket + 1) * 60 - now));
        (taken[0].granted, taken[0].ahead, taken[0].left, bucket)
    };
    let (granted, taken, left, bucket) = ahead(40, 100, GivenBack::default());
    assert_eq!((granted, taken, left), (40, 60, 900));
    let (granted, taken, left, _) = ahead(1, 10, GivenBack { places: 50, bucket });
    assert_eq!((granted, taken, left), (1, 10, 939));
    // What is in none of the buckets is not given back, and no more than there is.
    for back in [GivenBack { places: 5, bucket: bucket - 1 }, GivenBack { places: 90, bucket }] {
        assert_eq!(ahead(0, 0, back).2, 939);
    }
    let (granted, taken, left, _) = ahead(930, 100, GivenBack::default());
    assert_eq!((granted, taken, left), (930, 0, 9), "of so few, none is taken ahead");
}
