//! Whether the clocks of hosts go as this one does: a host's receipt says when it was
//! signed, and the gateway's record of it when it came.

use cofferdam_gateway::Config;
use cofferdam_journal::clock_offsets;

use super::Finding;

/// Clocks that are further apart than this, in seconds, are told; at five minutes
/// requests are refused.
const APART: u64 = 60;

/// By what the journal has of late.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    // Whether the journal can be read is looked at elsewhere.
    let offsets = clock_offsets(&config.journal).unwrap_or_default();
    offsets.iter().filter_map(|(host, seconds)| judged(host, *seconds)).collect()
}

fn judged(host: &str, seconds: i64) -> Option<Finding> {
    let way = if seconds > 0 { "ahead of" } else { "behind" };
    let apart = seconds.unsigned_abs();
    (apart > APART).then(|| {
        let detail = format!("its clock is {apart} s {way} this machine's");
        let fix = "set the clock, there or here: timedatectl(1)";
        Finding::see_to(format!("host.{host}.clock"), detail, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_minutes_apart_are_told_and_seconds_are_not() {
        assert_eq!(judged("web-1", 59), None);
        assert_eq!(judged("web-1", -60), None);
        let behind = judged("web-1", -240).unwrap();
        assert!(behind.detail.contains("240 s behind"), "{}", behind.detail);
        // What a host says may be any number.
        assert!(judged("web-1", i64::MIN).unwrap().detail.contains("behind"));
        assert!(judged("web-1", 86_400).unwrap().detail.contains("ahead of"));
    }
}
