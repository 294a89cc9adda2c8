//! How keys, what they hold, and answers read in a trace.

use std::time::Duration;

use bytes::Bytes;
use hotshelf_redis_client::RedisError;

use crate::redis::Agreement;

pub(super) trait Describe {
    fn describe(&self) -> String;
}

impl Describe for Bytes {
    fn describe(&self) -> String {
        let name = |from: usize| self[from..].iter().take(2).map(|byte| format!("{byte:02x}")).collect::<String>();
        let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| self[at + i]));
        match self.first() {
            None => "nothing".to_owned(),
            Some(b'L') if self.len() == 33 => format!("lease {}", name(1)),
            Some(b'W') if self.len() == 33 => format!("awaited lease {}", name(1)),
            Some(b'F') if self.len() == 33 => format!("fence {}", name(1)),
            Some(b'O') if self.len() == 33 => format!("overtaken fence {}", name(1)),
            Some(b'V') if self.len() >= 91 => {
                let revision = if self[2] == 1 { format!("version {}", number(51)) } else { "absence".to_owned() };
                format!("[{revision} of epoch {} generation {} #{}]", number(27), name(35), name(3))
            }
            Some(_) => name(0),
        }
    }
}

impl Describe for String {
    fn describe(&self) -> String {
        self.clone()
    }
}

impl Describe for (String, Vec<String>) {
    fn describe(&self) -> String {
        self.1.join(" ")
    }
}

impl<T: Describe> Describe for Result<T, RedisError> {
    fn describe(&self) -> String {
        self.as_ref().map_or_else(ToString::to_string, Describe::describe)
    }
}

impl Describe for Option<Bytes> {
    fn describe(&self) -> String {
        self.as_ref().map_or_else(|| "nothing".to_owned(), Describe::describe)
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(&self) -> String {
        self.iter().map(Describe::describe).collect::<Vec<_>>().join(" ")
    }
}

macro_rules! by_debug {
    ($($type:ty),*) => {
        $(impl Describe for $type {
            fn describe(&self) -> String {
                format!("{self:?}")
            }
        })*
    };
}

by_debug!(bool, u64, (), Agreement, Option<Duration>);
