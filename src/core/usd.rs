//! Exact amounts of US dollars.

use std::error::Error;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal places that [`Usd`] holds.
const PLACES: usize = 18;

/// One US dollar in units of [`Usd`].
const DOLLAR: i128 = 10_i128.pow(PLACES as u32);

/// An exact amount of US dollars, in steps of 10⁻¹⁸ dollars.
///
/// The API writes prices as decimal text ("0.00000015" for one token), which `f64` cannot represent
/// exactly; sums of many small amounts then drift. Arithmetic saturates at ±1.7 × 10²⁰ dollars.
///
/// ```
/// use openrouter_kit::helpers::Usd;
///
/// let price: Usd = "0.00000015".parse()?;
/// assert_eq!((price * 1_000_000).to_string(), "0.15");
/// # Ok::<(), openrouter_kit::helpers::ParseUsdError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i128);

impl Usd {
    /// Zero dollars.
    pub const ZERO: Self = Self(0);

    /// Converts an amount that the API sends as a number, such as the `cost` of a response: the
    /// decimal number that is written in the JSON, not its binary approximation. Returns `None` if
    /// it is not finite or too large.
    ///
    /// ```
    /// use openrouter_kit::helpers::Usd;
    ///
    /// let cost = Usd::from_f64(0.1).unwrap();
    /// assert_eq!((cost + cost + cost).to_string(), "0.3");
    /// assert_eq!(Usd::from_f64(f64::NAN), None);
    /// ```
    #[must_use]
    pub fn from_f64(amount: f64) -> Option<Self> {
        // The shortest decimal form that reads back as the same `f64` is the one that was written.
        format!("{amount:e}").parse().ok()
    }

    /// Returns the nearest `f64`, for display and statistics.
    ///
    /// ```
    /// use openrouter_kit::helpers::Usd;
    ///
    /// let cost: Usd = "0.25".parse().unwrap();
    /// assert_eq!(format!("${:.2}", cost.as_f64()), "$0.25");
    /// ```
    #[must_use]
    pub fn as_f64(self) -> f64 {
        // Text is the only exact way from 128 bits to the nearest `f64`.
        self.to_string().parse().unwrap_or_default()
    }

    /// Returns the price of a million units, the form in which prices are usually compared.
    ///
    /// ```
    /// use openrouter_kit::helpers::Usd;
    ///
    /// let per_token: Usd = "0.00000015".parse().unwrap();
    /// assert_eq!(per_token.per_million().to_string(), "0.15");
    /// ```
    #[must_use]
    pub const fn per_million(self) -> Self {
        Self(self.0.saturating_mul(1_000_000))
    }

    /// Returns this amount less `share` of it, a number from 0 to 1.
    #[allow(dead_code, reason = "only prices of models have discounts")]
    pub(crate) fn less(self, share: Self) -> Self {
        // In two steps, so that amounts up to 10^10 dollars do not overflow.
        let off = (self.0 / 1_000_000_000).saturating_mul(share.0) / (DOLLAR / 1_000_000_000);
        self - Self(off)
    }
}

/// Prints the amount as a decimal number without trailing zeros and without a currency sign.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0width$}", self.0.unsigned_abs(), width = PLACES + 1);
        let (whole, fraction) = digits.split_at(digits.len() - PLACES);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        f.pad_integral(self.0 >= 0, "", &format!("{whole}{point}{fraction}"))
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usd({self})")
    }
}

impl FromStr for Usd {
    type Err = ParseUsdError;

    /// Reads a decimal number with an optional sign and exponent (`1.5e-7`).
    fn from_str(text: &str) -> Result<Self, ParseUsdError> {
        parse(text.trim()).map(Self).ok_or_else(|| ParseUsdError(text.chars().take(40).collect()))
    }
}

fn parse(text: &str) -> Option<i128> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let is_negative = number.starts_with('-');
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_decimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
    // Zeros at the end of the fraction would only make the number look more precise than a step.
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let shift = i64::from(exponent) + PLACES as i64 - fraction.len() as i64;
    let value: i128 = digits.parse().ok()?;
    let value = match u32::try_from(shift) {
        Ok(shift) => value.checked_mul(10_i128.checked_pow(shift)?)?,
        // Below one step: rounded half up, since an amount is never that small on purpose.
        Err(_) => match 10_i128.checked_pow(u32::try_from(-shift).ok()?) {
            Some(step) => (value + step / 2) / step,
            None => 0,
        },
    };
    Some(if is_negative { -value } else { value })
}

impl Serialize for Usd {
    /// Writes the amount as text, as the API writes prices, since a JSON number is often read as an
    /// `f64`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// The price of so many units.
impl Mul<u64> for Usd {
    type Output = Self;

    fn mul(self, units: u64) -> Self {
        Self(self.0.saturating_mul(i128::from(units)))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// A text that is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseUsdError(String);

impl fmt::Display for ParseUsdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an amount in US dollars; expected a decimal number such as \"0.000002\"", self.0)
    }
}

impl Error for ParseUsdError {}
