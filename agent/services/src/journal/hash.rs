//! The hashes under which journal files keep their data.
//!
//! Files say which one: SipHash-2-4 keyed by the file's id (systemd 246 and later), or
//! Bob Jenkins's lookup3 before (RHEL 8 has it). Used by `lookup.rs`.

use std::hash::Hasher;

/// Which hash a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataHash {
    /// SipHash-2-4 with this key.
    Keyed([u8; 16]),
    /// lookup3, `hashlittle2`.
    Jenkins,
}

impl DataHash {
    pub(super) fn of(self, data: &[u8]) -> u64 {
        match self {
            Self::Keyed(key) => sip(key, data),
            Self::Jenkins => jenkins(data),
        }
    }
}

#[allow(
    deprecated,
    reason = "it names no algorithm for tables of one's own, but it is SipHash-2-4, which the \
              format fixes; no other hash of the standard library is"
)]
fn sip(key: [u8; 16], data: &[u8]) -> u64 {
    let key = u128::from_le_bytes(key);
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    let mut hasher = std::hash::SipHasher::new_with_keys(half(key), half(key >> 64));
    hasher.write(data);
    hasher.finish()
}

/// `hashlittle2` with both seeds 0; its first result is the higher half.
fn jenkins(data: &[u8]) -> u64 {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut state = [0xdead_beef_u32.wrapping_add(length); 3];
    let mut rest = data;
    while rest.len() > 12 {
        let (block, others) = rest.split_at(12);
        add(&mut state, block);
        mix(&mut state);
        rest = others;
    }
    if !rest.is_empty() {
        add(&mut state, rest);
        finish(&mut state);
    }
    u64::from(state[2]) << 32 | u64::from(state[1])
}

/// Adds up to twelve bytes, as if zeros came behind.
fn add(state: &mut [u32; 3], bytes: &[u8]) {
    for (word, part) in state.iter_mut().zip(bytes.chunks(4)) {
        let mut padded = [0; 4];
        padded[..part.len()].copy_from_slice(part);
        *word = word.wrapping_add(u32::from_le_bytes(padded));
    }
}

fn mix(state: &mut [u32; 3]) {
    // Each step: the word, the one that it is mixed with, the one that is added to that.
    for (step, rotation) in [4, 6, 8, 16, 19, 4].into_iter().enumerate() {
        let (word, with, other) = (step % 3, (step + 2) % 3, (step + 1) % 3);
        state[word] = state[word].wrapping_sub(state[with]) ^ state[with].rotate_left(rotation);
        state[with] = state[with].wrapping_add(state[other]);
    }
}

fn finish(state: &mut [u32; 3]) {
    for (step, rotation) in [14, 11, 25, 16, 4, 14, 24].into_iter().enumerate() {
        let (word, with) = ((step + 2) % 3, (step + 1) % 3);
        state[word] = (state[word] ^ state[with]).wrapping_sub(state[with].rotate_left(rotation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup3_gives_what_its_author_published() {
        assert_eq!(jenkins(b""), 0xdead_beef_dead_beef);
        assert_eq!(jenkins(b"Four score and seven years ago"), 0x1777_0551_ce72_26e6);
    }

    #[test]
    fn siphash_gives_what_its_authors_published() {
        let key = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        let data: Vec<u8> = (0..15).collect();
        assert_eq!(DataHash::Keyed(key).of(&data), 0xa129_ca61_49be_45e5);
    }
}
