//! What is known, and for how long, on virtual time.

use std::time::Duration;

use holdline_model::Millis;

use super::super::{Cache, CacheOptions, Reply};
use super::*;

const START: Millis = Millis(1_000_000);

fn question(name: &str) -> Question {
    Question::new(Kind::Host, name)
}

fn addresses(last: u8) -> Answer {
    Answer::Host(vec![[192, 0, 2, last].into()])
}

fn answer(last: u8, ttl_s: u64) -> Reply {
    Reply::Answer { answer: addresses(last), ttl: Duration::from_secs(ttl_s) }
}

fn failed() -> Reply {
    Reply::Failed { reason: "timed out".to_owned() }
}

fn at(cache: &Cache, seconds: u64) -> Known {
    let now = START.plus_ms(seconds * 1_000);
    cache.at(now, Duration::ZERO).known(&question("h"))
}

#[test]
fn a_record_is_used_for_its_ttl_within_bounds() {
    for (ttl_s, used_s) in [(60, 60), (0, 2), (1_000_000, 3_600)] {
        let mut cache = Cache::new(CacheOptions::default());
        cache.insert(START, question("h"), answer(1, ttl_s));
        assert_eq!(at(&cache, used_s - 1), Known::Answer(addresses(1)));
        assert_eq!(at(&cache, used_s), Known::Unknown, "a TTL of {ttl_s} s");
    }
}

#[test]
fn what_does_not_exist_is_remembered_within_bounds() {
    for (ttl, used_s) in [(Some(60), 60), (Some(0), 5), (Some(86_400), 300), (None, 5)] {
        let mut cache = Cache::new(CacheOptions::default());
        let reply = Reply::Nothing { ttl: ttl.map(Duration::from_secs) };
        cache.insert(START, question("h"), reply);
        assert_eq!(at(&cache, used_s - 1), Known::Nothing);
        assert_eq!(at(&cache, used_s), Known::Unknown);
    }
}

#[test]
fn an_expired_record_is_used_on_while_nobody_answers_but_not_for_ever() {
    let mut cache = Cache::new(CacheOptions::default());
    cache.insert(START, question("h"), answer(1, 60));
    assert_eq!(at(&cache, 60), Known::Unknown, "it is asked first");
    cache.insert(START.plus_ms(60_000), question("h"), failed());
    assert_eq!(at(&cache, 60), Known::Answer(addresses(1)));
    assert_eq!(at(&cache, 64), Known::Answer(addresses(1)));
    assert_eq!(at(&cache, 65), Known::Unknown, "then it is asked again");
    cache.insert(START.plus_ms(3_658_000), question("h"), failed());
    assert_eq!(at(&cache, 3_659), Known::Answer(addresses(1)));
    assert_eq!(at(&cache, 3_660), Known::Failed("timed out".to_owned()), "an hour later");
    // An answer makes it good.
    cache.insert(START.plus_ms(3_700_000), question("h"), answer(2, 60));
    assert_eq!(at(&cache, 3_701), Known::Answer(addresses(2)));
}

#[test]
fn nobody_is_asked_again_before_a_pause() {
    let mut cache = Cache::new(CacheOptions::default());
    cache.insert(START, question("h"), failed());
    assert_eq!(at(&cache, 4), Known::Failed("timed out".to_owned()));
    assert_eq!(at(&cache, 5), Known::Unknown);
}

#[test]
fn what_ends_soon_can_be_asked_again_before_it_does() {
    let mut cache = Cache::new(CacheOptions::default());
    cache.insert(START, question("h"), answer(1, 60));
    let ahead = Duration::from_secs(10);
    let known =
        |seconds: u64| cache.at(START.plus_ms(seconds * 1_000), ahead).known(&question("h"));
    assert_eq!(known(49), Known::Answer(addresses(1)));
    assert_eq!(known(50), Known::Unknown);
    assert_eq!(cache.fresh_until(&question("h")), Some(START.plus_ms(60_000)));
}

#[test]
fn it_is_bounded_and_forgets_what_was_not_used_for_longest() {
    let mut cache = Cache::new(CacheOptions { capacity: 3, ..CacheOptions::default() });
    for (name, second) in [("h", 0), ("a", 1), ("b", 2)] {
        cache.insert(START.plus_ms(second * 1_000), question(name), answer(1, 600));
    }
    assert_eq!(at(&cache, 3), Known::Answer(addresses(1)), "used again");
    cache.insert(START.plus_ms(4_000), question("c"), answer(1, 600));
    assert_eq!(cache.len(), 3);
    let known = |name: &str| cache.at(START.plus_ms(5_000), Duration::ZERO).known(&question(name));
    assert_eq!(known("a"), Known::Unknown);
    assert_eq!(known("h"), Known::Answer(addresses(1)));
}
