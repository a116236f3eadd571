//! The payload of a data object, unpacked.
//!
//! journald packs what is longer than a threshold (`Compress=` in journald.conf(5)):
//! with Zstandard since 246, with LZ4 before, with XZ in its first years. Zstandard and
//! LZ4 are unpacked within bounds; XZ is told as not read. Sizes are checked before
//! anything is allocated. Used by `lookup.rs` and `fields.rs`.

use super::budget::Fault;
use super::file::{File, u64_at};
use super::object::Data;

/// The largest payload that is unpacked, packed or not.
const MAX_UNPACKED: usize = 4 << 20;

const XZ: u8 = 1 << 0;
const LZ4: u8 = 1 << 1;
const ZSTD: u8 = 1 << 2;

/// A payload, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// Its first bytes, as many as asked for, and how many it has.
    Payload { bytes: Vec<u8>, length: u64 },
    /// It was not unpacked.
    Not(&'static str),
}

/// The first `most` bytes of the payload.
pub(super) fn payload(file: &File<'_>, data: &Data, most: usize) -> Result<Unpacked, Fault> {
    if data.packed == 0 {
        return Ok(Unpacked::Payload { bytes: data.payload(file, most)?, length: data.length });
    }
    if data.length > MAX_UNPACKED as u64 {
        return Ok(Unpacked::Not("it is packed, and larger than 4 MiB"));
    }
    let packed = data.payload(file, MAX_UNPACKED)?;
    Ok(unpack(data.packed, &packed, most))
}

fn unpack(how: u8, packed: &[u8], most: usize) -> Unpacked {
    let unpacked = match how {
        LZ4 => lz4(packed),
        ZSTD => zstd(packed),
        XZ => Err("it is packed with XZ, which is not read here"),
        _ => Err("it is packed in a way that is not known here"),
    };
    match unpacked {
        Ok(mut bytes) => {
            let length = bytes.len() as u64;
            bytes.truncate(most);
            Unpacked::Payload { bytes, length }
        }
        Err(why) => Unpacked::Not(why),
    }
}

/// An LZ4 block behind the length of what it holds.
fn lz4(packed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let block = packed.get(8..).ok_or("its packing is damaged")?;
    let length = sized(u64_at(packed, 0))?;
    match lz4_flex::block::decompress(block, length) {
        Ok(bytes) if bytes.len() == length => Ok(bytes),
        _ => Err("its packing is damaged"),
    }
}

/// A frame of Zstandard that says how much it holds, as journald writes and asks for it.
fn zstd(packed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let damaged = |_| "its packing is damaged";
    let mut source = packed;
    let mut decoder = ruzstd::decoding::FrameDecoder::new();
    decoder.set_max_window_size(MAX_UNPACKED as u64);
    decoder.init(&mut source).map_err(damaged)?;
    let length = sized(decoder.content_size())?;
    let mut bytes = Vec::with_capacity(length);
    while !decoder.is_finished() {
        // Block by block: one holds 128 KiB at most, whatever the frame says.
        let one = ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1);
        decoder.decode_blocks(&mut source, one).map_err(damaged)?;
        if let Some(more) = decoder.collect() {
            bytes.extend(more);
        }
        if bytes.len() > length {
            return Err("its packing is damaged");
        }
    }
    bytes.extend(decoder.collect().unwrap_or_default());
    if bytes.len() == length { Ok(bytes) } else { Err("its packing is damaged") }
}

fn sized(length: u64) -> Result<usize, &'static str> {
    match usize::try_from(length) {
        Ok(0) => Err("its packing is damaged"),
        Ok(length) if length <= MAX_UNPACKED => Ok(length),
        _ => Err("it holds more than 4 MiB, packed"),
    }
}
