//! Random numbers as a pure function of (seed, stream, index): the Philox4x32-10 generator and what
//! is drawn from it.
//!
//! In: a seed, a stream and a position. Out: bits, uniform and normal numbers, permutations; the
//! same on every machine and for every number of threads, because nothing is carried from one block
//! of numbers to the next.

use std::f64::consts::TAU;

/// The ten-round Philox4x32 block function: four random words that depend on nothing but key and
/// counter.
///
/// Each round multiplies two of the four words into 64 bits, mixes the halves with the other two
/// words and the key, and the key moves on by a Weyl sequence. Salmon, Moraes, Dror and Shaw,
/// "Parallel random numbers: as easy as 1, 2, 3" (2011), section 4.3.
///
/// ```
/// use endo::random::philox;
/// assert_eq!(philox([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
/// ```
#[inline]
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    const ROUNDS: usize = 10;
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let ([mut k0, mut k1], [mut a, mut b, mut c, mut d]) = (key, counter);
    for _ in 0..ROUNDS {
        let p = u64::from(MULTIPLIERS[0]) * u64::from(a);
        let q = u64::from(MULTIPLIERS[1]) * u64::from(c);
        [a, b, c, d] = [high(q) ^ b ^ k0, low(q), high(p) ^ d ^ k1, low(p)];
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    [a, b, c, d]
}

/// A uniform number in [0, 1) from the upper 24 bits of a random word: a multiple of 2^-24.
///
/// ```
/// use endo::random::unit_f32;
/// assert_eq!((unit_f32(0), unit_f32(1 << 31)), (0.0, 0.5));
/// assert!(unit_f32(u32::MAX) < 1.0);
/// ```
#[inline]
pub fn unit_f32(bits: u32) -> f32 {
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    (bits >> 8) as f32 * STEP
}

/// A uniform number in [0, 1) from the upper 53 bits: a multiple of 2^-53.
///
/// ```
/// use endo::random::unit_f64;
/// assert_eq!((unit_f64(0), unit_f64(1 << 63)), (0.0, 0.5));
/// assert!(unit_f64(u64::MAX) < 1.0);
/// ```
#[inline]
pub fn unit_f64(bits: u64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (bits >> 11) as f64 * STEP
}

/// Two independent standard normal numbers from 128 random bits, by the transform of Box and Muller
/// (1958):
/// `sqrt(-2 ln(1 - u)) * (cos, sin)(2 pi v)` with uniform u and v.
///
/// ```
/// use endo::random::normal_pair;
/// assert_eq!(normal_pair(0, 1 << 62), [0.0, 0.0]);
/// ```
#[inline]
pub fn normal_pair(u: u64, v: u64) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - unit_f64(u)).ln()).sqrt();
    let (sine, cosine) = (TAU * unit_f64(v)).sin_cos();
    [radius * cosine, radius * sine]
}

/// Random numbers one after another: word number `index` of a stream of a seed.
///
/// Streams of one seed are independent of each other, so that what is drawn in one place does not
/// move the numbers of another.
///
/// ```
/// use endo::random::Random;
/// let mut random = Random::new(42, 0);
/// let x = random.uniform();
/// assert!((0.0..1.0).contains(&x));
/// assert_eq!(Random::new(42, 0).uniform(), x);
/// assert_ne!(Random::new(42, 1).uniform(), x);
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    key: [u32; 2],
    stream: [u32; 2],
    index: u64,
    words: [u32; 4],
}

impl Random {
    /// The start of a stream of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: halves(seed), stream: halves(stream), index: 0, words: [0; 4] }
    }

    /// The same stream, from its word number `index` on.
    ///
    /// ```
    /// use endo::random::Random;
    /// let mut random = Random::new(42, 0);
    /// random.next_u32();
    /// assert_eq!(random.next_u32(), Random::new(42, 0).at(1).next_u32());
    /// ```
    #[must_use]
    pub fn at(mut self, index: u64) -> Self {
        self.index = index;
        self.words = self.block();
        self
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let place = (self.index % 4) as usize;
        if place == 0 {
            self.words = self.block();
        }
        self.index += 1;
        self.words[place]
    }

    /// 64 random bits: two words, the lower half first.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// A uniform number in [0, 1), a multiple of 2^-24; one word.
    pub fn uniform(&mut self) -> f32 {
        unit_f32(self.next_u32())
    }

    /// A uniform number in [0, 1), a multiple of 2^-53; two words.
    pub fn uniform_f64(&mut self) -> f64 {
        unit_f64(self.next_u64())
    }

    /// A standard normal number; four words.
    pub fn normal(&mut self) -> f32 {
        self.normal_f64() as f32
    }

    /// A standard normal number in 64 bits; four words.
    pub fn normal_f64(&mut self) -> f64 {
        let (u, v) = (self.next_u64(), self.next_u64());
        normal_pair(u, v)[0]
    }

    /// A whole number from 0 to `n - 1`, each equally likely: Lemire, "Fast random integer
    /// generation in an interval" (2019), algorithm 5.
    ///
    /// ```
    /// use endo::random::Random;
    /// let mut random = Random::new(42, 0);
    /// assert!((0..100).all(|_| random.below(6) < 6));
    /// ```
    ///
    /// # Panics
    /// If `n` is 0: there is no such number.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is no whole number below 0");
        let n = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let rest = product as u64;
            // Of the 2^64 words, the first `2^64 mod n` would make some numbers likelier than
            // others.
            if rest >= n || rest >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// The numbers from 0 to `n - 1` in random order.
    ///
    /// ```
    /// use endo::random::Random;
    /// let mut order = Random::new(42, 0).permutation(5);
    /// order.sort();
    /// assert_eq!(order, [0, 1, 2, 3, 4]);
    /// ```
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// Puts the items in random order, each order equally likely, in place: Fisher and Yates
    /// (1938), as Durstenfeld (1964).
    pub fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    fn block(&self) -> [u32; 4] {
        let ([a, b], [c, d]) = (halves(self.index / 4), self.stream);
        philox(self.key, [a, b, c, d])
    }
}

fn halves(bits: u64) -> [u32; 2] {
    [low(bits), high(bits)]
}

fn low(bits: u64) -> u32 {
    bits as u32
}

fn high(bits: u64) -> u32 {
    (bits >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_known_answers_of_random123() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        let (key, counter) =
            ([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]);
        assert_eq!(philox(key, counter), [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
    }

    #[test]
    fn a_stream_is_the_blocks_of_its_counter() {
        let mut random = Random::new(0xa2_0000_0001, 0xb3_0000_0002);
        let words: Vec<u32> = (0..8).map(|_| random.next_u32()).collect();
        assert_eq!(words[..4], philox([1, 0xa2], [0, 0, 2, 0xb3]));
        assert_eq!(words[4..], philox([1, 0xa2], [1, 0, 2, 0xb3]));
        assert_eq!(Random::new(0xa2_0000_0001, 0xb3_0000_0002).at(6).next_u32(), words[6]);
    }

    #[test]
    fn normal_numbers_have_mean_0_variance_1_and_normal_tails() {
        const COUNT: usize = 100_000;
        let mut random = Random::new(7, 0);
        let values: Vec<f64> = (0..COUNT).map(|_| random.normal_f64()).collect();
        let share =
            |is: fn(f64) -> bool| values.iter().filter(|&&z| is(z)).count() as f64 / COUNT as f64;
        let mean = values.iter().sum::<f64>() / COUNT as f64;
        let variance = values.iter().map(|z| z * z).sum::<f64>() / COUNT as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert!((share(|z| z.abs() < 1.0) - 0.6827).abs() < 0.005);
        assert!((share(|z| z > 2.0) - 0.02275).abs() < 0.002);
    }

    #[test]
    fn uniform_numbers_fill_the_unit_interval_evenly() {
        let mut random = Random::new(7, 1);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[(random.uniform() * 10.0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn all_orders_of_a_shuffle_are_equally_likely() {
        let mut random = Random::new(7, 2);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..60_000 {
            *counts.entry(random.permutation(3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
