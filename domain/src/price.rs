//! Money, exact: a price is a whole number of minor units and never a binary float.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::decimal::{Decimal, Misfit};

/// A product's price in minor units (cents): greater than 0, at most 1,000,000,000.00.
///
/// Reads and writes as a JSON number with at most two decimals, exactly: the digits are taken from the text of the
/// number and no `f64` is involved.
///
/// ```
/// use hotshelf_domain::Price;
///
/// let price: Price = "999.99".parse()?;
/// assert_eq!(price.minor_units(), 99_999);
/// assert_eq!(serde_json::to_string(&price)?, "999.99");
/// assert!("0.001".parse::<Price>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

/// Why a text is no price. The message completes the sentence "price …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal number at all.
    #[error("must be a number")]
    NotANumber,
    /// Zero or negative.
    #[error("must be greater than 0")]
    NotPositive,
    /// A digit other than 0 past the second decimal.
    #[error("must have at most 2 decimals")]
    TooPrecise,
    /// Above [`Price::MAX`].
    #[error("must be at most 1000000000")]
    TooLarge,
}

impl Price {
    /// The largest price, 1,000,000,000.00.
    pub const MAX: Price = Price(1_000_000_000 * Price::MINOR_PER_MAJOR);
    const MINOR_PER_MAJOR: i64 = 100;
    const DECIMALS: i64 = 2;

    /// A price of that many minor units.
    ///
    /// # Errors
    /// [`PriceError::NotPositive`] and [`PriceError::TooLarge`] outside of the allowed range.
    pub fn from_minor_units(units: i64) -> Result<Self, PriceError> {
        if units <= 0 {
            Err(PriceError::NotPositive)
        } else if units > Self::MAX.0 {
            Err(PriceError::TooLarge)
        } else {
            Ok(Price(units))
        }
    }

    /// The price in minor units.
    pub fn minor_units(self) -> i64 {
        self.0
    }
}

/// Accepts what a JSON number may look like (`12`, `12.5`, `1.25e1`) as well as a leading `+` and missing integer
/// digits (`.5`), as spreadsheets write them. Trailing zeros past the second decimal are no precision and pass.
impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let number = Decimal::parse(text).ok_or(PriceError::NotANumber)?;
        if !number.is_positive() {
            return Err(PriceError::NotPositive);
        }
        let units = number.in_units(Self::DECIMALS).map_err(|misfit| match misfit {
            Misfit::TooPrecise => PriceError::TooPrecise,
            Misfit::TooLarge => PriceError::TooLarge,
        })?;
        Self::from_minor_units(units)
    }
}

/// The shortest exact decimal: `5`, `9.5`, `999.99`.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = (self.0 / Self::MINOR_PER_MAJOR, self.0 % Self::MINOR_PER_MAJOR);
        match minor {
            0 => write!(f, "{major}"),
            tenths if tenths % 10 == 0 => write!(f, "{major}.{}", tenths / 10),
            hundredths => write!(f, "{major}.{hundredths:02}"),
        }
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        raw.get().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Result<i64, PriceError> {
        text.parse::<Price>().map(Price::minor_units)
    }

    #[test]
    fn every_way_to_write_a_number_is_exact() {
        for (text, expected) in [
            ("999.99", 99_999),
            ("5", 500),
            ("0.01", 1),
            ("1.10", 110),
            ("1.100", 110),
            ("1e2", 10_000),
            ("1.25E+1", 1_250),
            ("1200e-2", 1_200),
            (".5", 50),
            ("1000000000", 100_000_000_000),
            ("000012.30", 1_230),
        ] {
            assert_eq!(units(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_says_why() {
        use PriceError::*;
        for (text, expected) in [
            ("", NotANumber),
            (".", NotANumber),
            ("-", NotANumber),
            ("12,50", NotANumber),
            ("1e", NotANumber),
            ("NaN", NotANumber),
            ("\"1\"", NotANumber),
            ("0", NotPositive),
            ("0.00", NotPositive),
            ("-1", NotPositive),
            ("0.001", TooPrecise),
            ("1e-3", TooPrecise),
            ("1e-99999999999999999999", TooPrecise),
            ("1000000000.01", TooLarge),
            ("1e99999999999999999999", TooLarge),
            ("99999999999999999999999", TooLarge),
        ] {
            assert_eq!(units(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn text_and_back_is_the_same_for_each_amount_of_cents() {
        for cents in (1..=20_000).chain([99_999_999_999, 100_000_000_000]) {
            let price = Price::from_minor_units(cents).expect("in range");
            assert_eq!(price.to_string().parse(), Ok(price));
            let json = serde_json::to_string(&price).expect("a number");
            assert_eq!(serde_json::from_str::<Price>(&json).expect("a price"), price);
        }
    }
}
