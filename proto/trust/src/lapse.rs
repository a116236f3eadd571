//! How long something counts that ends by itself: a certificate, a trust list. And from
//! when on that is worth a word to whoever can do something about it.
//!
//! Metrics, `doctor`, `status` and the warnings in logs all judge by this, so that they
//! never disagree.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::parse_x509_certificate;

use crate::peer::PeerError;

/// What is renewed by itself has that done before less than this part of its life is
/// left: peers renew at two thirds, a tenth sooner or later, and try again until then.
const OVERDUE: f64 = 0.25;
/// What somebody has to renew is told of so long before, or a third of its life.
const AHEAD: Duration = Duration::from_hours(60 * 24);
const THIRD: f64 = 1.0 / 3.0;

/// Something that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapse {
    /// When it began to count.
    pub begins: SystemTime,
    /// It counts for nothing from then on.
    pub ends: SystemTime,
    /// Whether it is renewed without anybody doing something.
    pub by_itself: bool,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// Nothing is to be done.
    Good,
    /// It ends soon: renewing it did not work, or somebody has to.
    Soon,
    /// It has ended.
    Over,
}

impl Lapse {
    /// Of a certificate in DER, whoever signed it.
    ///
    /// # Errors
    /// Where it is no X.509 certificate.
    pub fn of_certificate(der: &[u8], by_itself: bool) -> Result<Self, PeerError> {
        let (_, certificate) = parse_x509_certificate(der).map_err(|_| PeerError::Unreadable)?;
        let validity = certificate.validity();
        let time = |seconds: i64| {
            let seconds = u64::try_from(seconds).ok()?;
            UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        };
        let times = (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()));
        let (Some(begins), Some(ends)) = times else { return Err(PeerError::Unreadable) };
        Ok(Self { begins, ends, by_itself })
    }

    /// Of the first certificate of a chain in PEM.
    ///
    /// # Errors
    /// Where it begins with none.
    pub fn of_chain(pem: &[u8], by_itself: bool) -> Result<Self, PeerError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| PeerError::Unreadable)?;
        Self::of_certificate(&der, by_itself)
    }

    /// Seconds until it ends; negative: since then.
    #[must_use]
    pub fn left_seconds(&self, now: SystemTime) -> i64 {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        match self.ends.duration_since(now) {
            Ok(left) => seconds(left),
            Err(past) => -seconds(past.duration()),
        }
    }

    /// From its beginning to its end.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.ends.duration_since(self.begins).unwrap_or_default()
    }

    /// How it stands at `now`.
    #[must_use]
    pub fn outlook(&self, now: SystemTime) -> Outlook {
        let Ok(left) = self.ends.duration_since(now) else { return Outlook::Over };
        let life = self.life();
        let soon =
            if self.by_itself { life.mul_f64(OVERDUE) } else { life.mul_f64(THIRD).min(AHEAD) };
        match left {
            Duration::ZERO => Outlook::Over,
            left if left < soon => Outlook::Soon,
            _ => Outlook::Good,
        }
    }

    /// What is left, for a sentence: `47 min`, `12 days`; since when: `ended 3 h ago`.
    #[must_use]
    pub fn in_words(&self, now: SystemTime) -> String {
        match self.ends.duration_since(now) {
            Ok(left) => span_in_words(left),
            Err(past) => format!("ended {} ago", span_in_words(past.duration())),
        }
    }
}

/// A span for a sentence, in the unit that fits.
#[must_use]
pub fn span_in_words(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn lapse(life: u64, by_itself: bool) -> Lapse {
        Lapse { begins: at(1000), ends: at(1000 + life), by_itself }
    }

    #[test]
    fn what_renews_by_itself_is_overdue_in_its_last_quarter() {
        let hour = lapse(3600, true);
        assert_eq!(hour.outlook(at(1000 + 2700)), Outlook::Good);
        assert_eq!(hour.outlook(at(1000 + 2701)), Outlook::Soon);
        assert_eq!(hour.outlook(at(1000 + 3600)), Outlook::Over);
        assert_eq!(hour.left_seconds(at(1000)), 3600);
        assert_eq!(hour.left_seconds(at(1000 + 3660)), -60);
    }

    #[test]
    fn what_somebody_renews_is_told_of_two_months_or_a_third_of_its_life_before() {
        let (root, list) = (lapse(3650 * DAY, false), lapse(6 * DAY, false));
        assert_eq!(root.outlook(at(1000 + 3589 * DAY)), Outlook::Good);
        assert_eq!(root.outlook(at(1000 + 3591 * DAY)), Outlook::Soon);
        assert_eq!(list.outlook(at(1000 + 4 * DAY)), Outlook::Good);
        assert_eq!(list.outlook(at(1001 + 4 * DAY)), Outlook::Soon);
    }

    #[test]
    fn what_is_left_is_told_in_the_unit_that_fits() {
        let it = lapse(3 * DAY, true);
        let words = |seconds| it.in_words(at(1000 + seconds));
        assert_eq!(words(0), "3 days");
        assert_eq!(words(2 * DAY), "24 h");
        assert_eq!(words(3 * DAY - 600), "10 min");
        assert_eq!(words(3 * DAY + 30), "ended 30 s ago");
    }

    #[test]
    fn what_is_no_certificate_has_no_end_that_could_be_believed() {
        for bytes in [&b""[..], b"\x30\x03\x02\x01\x01", &[0xff; 64]] {
            assert!(Lapse::of_certificate(bytes, true).is_err());
            assert!(Lapse::of_chain(bytes, true).is_err());
        }
    }
}
