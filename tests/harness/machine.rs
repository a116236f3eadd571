//! What kind of machine the tests run on.

/// How many times longer than elsewhere everything takes here: where `COFFERDAM_EMULATED`
/// says that each instruction is emulated, seconds are too short for what they are for.
#[must_use]
pub fn slowness() -> u64 {
    if std::env::var_os("COFFERDAM_EMULATED").is_some() { 4 } else { 1 }
}
