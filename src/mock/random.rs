//! Values that look random and are the same in every run.

/// A source of values: the same seed gives the same ones.
#[derive(Clone, Copy)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The value of this number (SplitMix64).
    pub(super) const fn value(self, number: u64) -> u64 {
        let mut value = self.0.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// An identifier of 20 letters and digits.
    pub(super) fn text(self, number: u64) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let own = Self(self.value(number));
        (0..20).filter_map(|at| LETTERS.get((own.value(at) % 62) as usize)).map(|letter| char::from(*letter)).collect()
    }
}

/// A number for these bytes (FNV-1a).
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
