//! `/etc/ld.so.cache`: which file holds the library of a name.
//!
//! Only the format of glibc 2.2 and later is read, alone or behind the older
//! one. Source: `struct cache_file_new` in glibc's sysdeps/generic/dl-cache.h.
//! The hardware capabilities of an entry are not looked at: all files for one
//! name are candidates, and the loader takes the one that fits the processor.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
/// Bytes before the first entry, and bytes of an entry.
const HEADER: usize = 48;
const ENTRY: usize = 24;
const OLD_ENTRY: usize = 12;
const ENTRIES: usize = 1 << 16;
/// Bytes of a name or path in it.
const TEXT: usize = 4096;

/// The cache, by library name.
#[derive(Debug, Default)]
pub(crate) struct LoaderCache(BTreeMap<OsString, Vec<PathBuf>>);

impl LoaderCache {
    /// The files that hold the library `name`.
    pub(crate) fn files(&self, name: &OsStr) -> &[PathBuf] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Reads what can be read of `bytes`; what is out of bounds is left out.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Some(cache) = start(bytes) else { return Self::default() };
        let count = number(cache, 20).unwrap_or(0).min(ENTRIES);
        let mut files = BTreeMap::<OsString, Vec<PathBuf>>::new();
        for index in 0..count {
            let at = HEADER + index * ENTRY;
            let text = |field| number(cache, at + field).and_then(|offset| text(cache, offset));
            if let (Some(name), Some(path)) = (text(4), text(8)) {
                let path = PathBuf::from(path);
                let known = files.entry(name).or_default();
                if path.is_absolute() && !known.contains(&path) {
                    known.push(path);
                }
            }
        }
        Self(files)
    }
}

/// Where the new format begins: at once, or behind the old one's entries.
fn start(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(MAGIC) {
        return Some(bytes);
    }
    let count = bytes.starts_with(OLD_MAGIC).then(|| number(bytes, OLD_MAGIC.len()))??;
    let end = count.checked_mul(OLD_ENTRY)?.checked_add(OLD_MAGIC.len() + 4)?;
    let cache = bytes.get(end.checked_next_multiple_of(8)?..)?;
    cache.starts_with(MAGIC).then_some(cache)
}

/// A number of the host's own byte order.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_ne_bytes(field)).ok()
}

fn text(bytes: &[u8], at: usize) -> Option<OsString> {
    let rest = bytes.get(at..)?;
    let rest = &rest[..rest.len().min(TEXT)];
    let end = rest.iter().position(|&byte| byte == 0)?;
    Some(OsString::from_vec(rest[..end].to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(entries.len()).unwrap().to_ne_bytes());
        bytes.resize(HEADER, 0);
        let mut strings = Vec::new();
        let base = HEADER + entries.len() * ENTRY;
        for (name, path) in entries {
            let mut place = |text: &str| {
                let at = u32::try_from(base + strings.len()).unwrap();
                strings.extend(text.bytes().chain([0]));
                at.to_ne_bytes()
            };
            let (name, path) = (place(name), place(path));
            bytes.extend([[0; 4], name, path, [0; 4], [0; 4], [0; 4]].concat());
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn names_lead_to_all_their_files() {
        let entries =
            [("libz.so.1", "/lib/libz.so.1"), ("libz.so.1", "/lib32/libz.so.1"), ("b", "relative")];
        let read = LoaderCache::parse(&cache(&entries));
        let both = [PathBuf::from("/lib/libz.so.1"), PathBuf::from("/lib32/libz.so.1")];
        assert_eq!(read.files("libz.so.1".as_ref()), both);
        assert!(read.files("b".as_ref()).is_empty());
        assert!(read.files("c".as_ref()).is_empty());
    }

    #[test]
    fn the_new_format_is_found_behind_the_old_one() {
        let mut bytes = OLD_MAGIC.to_vec();
        bytes.extend(1_u32.to_ne_bytes());
        bytes.resize(bytes.len() + OLD_ENTRY, 7);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(cache(&[("a", "/a")]));
        assert_eq!(LoaderCache::parse(&bytes).files("a".as_ref()), [PathBuf::from("/a")]);
    }

    proptest! {
        #[test]
        fn damaged_caches_are_read_without_panic(
            at in 0_usize..200,
            byte in any::<u8>(),
            cut in 0_usize..200,
        ) {
            let mut bytes = cache(&[("a", "/a"), ("bb", "/bb")]);
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            _ = LoaderCache::parse(&bytes);
        }
    }
}
