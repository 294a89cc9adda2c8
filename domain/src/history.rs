use std::fmt;

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

    /// For rows: the same bits with a sign.
    pub(crate) const fn from_row(bits: i64) -> Self {
        History(bits.cast_unsigned())
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
