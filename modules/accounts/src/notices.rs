//! How many notices an address gets: a few an hour, however many changes are made to its account.

use std::collections::HashMap;
use std::time::Duration;

use hotshelf_domain::Email;
use tokio::time::Instant;

/// Notices to one address in an hour.
const MOST: u32 = 5;
const HOUR: Duration = Duration::from_secs(3_600);
/// Addresses that are counted. Beyond that, no others get notices until the hour is over.
const MOST_ADDRESSES: usize = 10_000;

/// Counts the notices of the current hour.
#[derive(Default)]
pub(crate) struct Notices {
    begun: Option<Instant>,
    sent: HashMap<Email, u32>,
}

impl Notices {
    /// Counts one more notice to that address; `false` when it has had enough.
    pub(crate) fn admit(&mut self, to: &Email, now: Instant) -> bool {
        if self.begun.is_none_or(|begun| now.duration_since(begun) >= HOUR) {
            *self = Notices { begun: Some(now), sent: HashMap::new() };
        }
        if let Some(sent) = self.sent.get_mut(to) {
            *sent += 1;
            return *sent <= MOST;
        }
        let room = self.sent.len() < MOST_ADDRESSES;
        if room {
            self.sent.insert(to.clone(), 1);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_a_few_notices_an_hour() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        let [ann, bob]: [Email; 2] = ["ann@shop.example", "bob@shop.example"].map(|email| email.parse().unwrap());
        let told = |notices: &mut Notices, now| (0..100).filter(|_| notices.admit(&ann, now)).count();
        assert_eq!(told(&mut notices, now), 5);
        assert!(notices.admit(&bob, now));
        assert_eq!(told(&mut notices, now + HOUR / 2), 0);
        assert_eq!(told(&mut notices, now + HOUR), 5);
    }

    #[test]
    fn the_addresses_that_are_counted_are_bounded() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        let told = |number: &usize| notices.admit(&format!("user{number}@shop.example").parse().unwrap(), now);
        assert_eq!((0..2 * MOST_ADDRESSES).filter(told).count(), MOST_ADDRESSES);
    }
}
