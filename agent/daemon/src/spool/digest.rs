//! SHA-256 whose state can be kept and taken up by another process (FIPS 180-4): what
//! was printed is digested as it comes, and most of it is not held any more when the
//! agent is restarted.
//!
//! Only the padding and the keeping are here; the compression function is sha2's.

use sha2::compress256;
use sha2::digest::generic_array::GenericArray;

/// Bytes of a saved state: the eight words, the length, what has not filled a block yet.
pub const SAVED: usize = 32 + 8 + BLOCK;

const BLOCK: usize = 64;

/// The first 32 bits of the fractional parts of the square roots of the first primes.
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A digest that is being made.
#[derive(Debug, Clone)]
pub struct Digest {
    words: [u32; 8],
    length: u64,
    /// Of these, as many as `length` is beyond a whole block.
    pending: [u8; BLOCK],
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Digest {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { words: BEGIN, length: 0, pending: [0; BLOCK] }
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// More bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = self.waiting();
            self.length += bytes.len().min(BLOCK - at) as u64;
            if at == 0
                && let Some((block, rest)) = bytes.split_first_chunk::<BLOCK>()
            {
                self.compress(block);
                bytes = rest;
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - at));
            self.pending[at..at + now.len()].copy_from_slice(now);
            if at + now.len() == BLOCK {
                let block = self.pending;
                self.compress(&block);
            }
            bytes = later;
        }
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.length % BLOCK as u64).unwrap_or_default()
    }

    fn compress(&mut self, block: &[u8; BLOCK]) {
        compress256(&mut self.words, std::slice::from_ref(GenericArray::from_slice(block)));
    }

    /// The digest.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        let mut last = self.clone();
        let bits = self.length.wrapping_mul(8);
        let zeroes = (BLOCK * 2 - 9 - self.waiting()) % BLOCK;
        last.update(&[0x80]);
        last.update(&[0; BLOCK][..zeroes]);
        last.update(&bits.to_be_bytes());
        let mut out = [0; 32];
        for (to, word) in out.chunks_exact_mut(4).zip(last.words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    /// To be taken up by [`Self::restore`].
    #[must_use]
    pub fn save(&self) -> [u8; SAVED] {
        let mut saved = [0; SAVED];
        for (to, word) in saved.chunks_exact_mut(4).zip(self.words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        saved[32..40].copy_from_slice(&self.length.to_le_bytes());
        saved[40..].copy_from_slice(&self.pending);
        saved
    }

    /// What [`Self::save`] gave.
    #[must_use]
    pub fn restore(saved: &[u8; SAVED]) -> Option<Self> {
        let mut words = [0; 8];
        for (word, from) in words.iter_mut().zip(saved.chunks_exact(4)) {
            *word = u32::from_le_bytes(*from.first_chunk()?);
        }
        let length = u64::from_le_bytes(*saved[32..].first_chunk()?);
        Some(Self { words, length, pending: *saved[40..].first_chunk()? })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_sha_256_of_another_library_however_it_is_cut_and_kept(
            bytes in prop::collection::vec(any::<u8>(), 0..1000),
            cuts in prop::collection::vec(0_usize..300, 0..6),
        ) {
            let mut made = Digest::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                made.update(now);
                made = Digest::restore(&made.save()).unwrap();
                rest = later;
            }
            made.update(rest);
            prop_assert_eq!(made.length(), bytes.len() as u64);
            let expected = digest(&SHA256, &bytes);
            prop_assert_eq!(&made.finish()[..], expected.as_ref());
        }
    }
}
