use std::fmt;
use std::ops::Deref;

/// Names one history of the database.
///
/// A history ends when the database is restored from a backup, copied, or otherwise found to lack what it held before.
/// Versions, ids and epochs count up within one history; two histories may give the same number to different things. So
/// whoever keeps such a number for later keeps the history beside it. Random, 64 bits; shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct History(u64);

impl History {
    /// Of the bits.
    pub const fn new(bits: u64) -> Self {
        History(bits)
    }

    /// The bits.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As it is shown, without an allocation.
    pub fn digits(self) -> HistoryDigits {
        let digit = |place: usize| b"0123456789abcdef"[(self.0 >> (60 - 4 * place)) as usize & 0xf];
        HistoryDigits(std::array::from_fn(digit))
    }

    /// Of its digits, exactly as they are shown.
    pub fn from_digits(digits: &str) -> Option<Self> {
        let history = History(u64::from_str_radix(digits, 16).ok()?);
        (*history.digits() == *digits).then_some(history)
    }

    /// Of a row that a database has kept: the same bits with a sign.
    pub const fn from_row(bits: i64) -> Self {
        History(bits.cast_unsigned())
    }
}

/// A history as it is shown: 16 hexadecimal digits.
#[derive(Clone, Copy)]
pub struct HistoryDigits([u8; 16]);

impl Deref for HistoryDigits {
    type Target = str;

    fn deref(&self) -> &str {
        // They are digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits())
    }
}
