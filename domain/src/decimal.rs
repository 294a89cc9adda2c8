//! Decimal numbers, exact: taken from their text, without binary floating point.

/// A number: `digits` times ten to the power of `exponent`, negative or not. The digits have no zeros at either end, so
/// that equal numbers are equal values; those of 0 are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Why a number does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    TooPrecise,
    TooLarge,
}

impl Decimal {
    /// Accepts what a JSON number may look like (`12`, `12.5`, `1.25e1`) as well as a leading `+` and missing integer
    /// digits (`.5`), as spreadsheets write them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let complete = whole.len() + fraction.len() > 0 && !exponent_digits.is_empty();
        if !complete || ![whole, fraction, exponent_digits].into_iter().all(is_digits) {
            return None;
        }
        // One past i64 is out of range in either direction.
        let beyond = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent = exponent.parse().unwrap_or(beyond).saturating_sub(fraction.len() as i64);
        let digits = [whole, fraction].concat();
        let significant = digits.trim_end_matches('0');
        let exponent = exponent.saturating_add((digits.len() - significant.len()) as i64);
        let significant = significant.trim_start_matches('0').to_owned();
        Some(match significant.is_empty() {
            true => Decimal { negative: false, digits: significant, exponent: 0 },
            false => Decimal { negative: text.starts_with('-'), digits: significant, exponent },
        })
    }

    /// Whether it is greater than 0.
    pub(crate) fn is_positive(&self) -> bool {
        !self.negative && !self.digits.is_empty()
    }

    /// The number in units of the last of so many decimals.
    pub(crate) fn in_units(&self, decimals: i64) -> Result<i64, Misfit> {
        if self.digits.is_empty() {
            return Ok(0);
        }
        let scale = self.exponent.saturating_add(decimals);
        if scale < 0 {
            return Err(Misfit::TooPrecise);
        }
        let power = u32::try_from(scale).ok().and_then(|scale| 10_i128.checked_pow(scale));
        let units = self.digits.parse::<i128>().ok().zip(power).and_then(|(digits, power)| digits.checked_mul(power));
        let signed = units.map(|units| if self.negative { -units } else { units });
        signed.and_then(|units| i64::try_from(units).ok()).ok_or(Misfit::TooLarge)
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_value_however_it_is_written() {
        for (one, other) in [("1", "1.0"), ("100", "1e2"), ("-0", "0.00e5"), ("0.1", "1E-1"), ("-12.50", "-1250e-2")] {
            assert_eq!(Decimal::parse(one), Decimal::parse(other), "{one} and {other}");
        }
        assert_ne!(Decimal::parse("1"), Decimal::parse("-1"));
        for wrong in ["", "-", ".", "1e", "1e+", "0x1", "NaN", "1,5", "1_000", " 1", "+-1", "٣"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_whole_number_fits_or_says_why_not() {
        let whole = |text: &str| Decimal::parse(text).expect("a number").in_units(0);
        assert_eq!(whole("-9223372036854775808.0"), Ok(i64::MIN));
        assert_eq!(whole("9.223372036854775807e18"), Ok(i64::MAX));
        assert_eq!(whole("9223372036854775808"), Err(Misfit::TooLarge));
        assert_eq!(whole("1e99999999999999999999"), Err(Misfit::TooLarge));
        assert_eq!(whole("1.5"), Err(Misfit::TooPrecise));
        assert_eq!(whole("1e-99999999999999999999"), Err(Misfit::TooPrecise));
        assert_eq!(whole("0e99999999999999999999"), Ok(0));
    }
}
