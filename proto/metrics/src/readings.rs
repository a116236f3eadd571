//! What is looked up at the moment of asking.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Names and values of labels, in the order in which they are written.
pub type Labels = Vec<(&'static str, String)>;

/// Families of readings, in the order in which they were taken.
#[derive(Debug, Default)]
pub struct Readings(Vec<Family>);

#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Samples,
}

#[derive(Debug)]
enum Samples {
    Gauges(Vec<(Labels, f64)>),
    Counters(Vec<(Labels, u64)>),
    Spans { seconds: f64, count: u64, spans: Vec<(f64, u64)> },
}

impl Readings {
    /// One number.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.gauges(name, help, [(Labels::new(), value)]);
    }

    /// Whether something is so: 1 or 0.
    pub fn flag(&mut self, name: &'static str, help: &'static str, is_so: bool) {
        self.gauge(name, help, f64::from(u8::from(is_so)));
    }

    /// How many there are.
    pub fn size(&mut self, name: &'static str, help: &'static str, count: usize) {
        self.gauge(name, help, number(u64::try_from(count).unwrap_or(u64::MAX)));
    }

    /// A number for each of several. Where there is none, nothing is written.
    pub fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let samples = Samples::Gauges(samples.into_iter().collect());
        self.0.push(Family { name, help, samples });
    }

    /// What something else counted since the process began, for each of several. The
    /// name gets `_total`.
    pub fn counters(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let samples = Samples::Counters(samples.into_iter().collect());
        self.0.push(Family { name, help, samples });
    }

    /// A histogram that something else kept: upper bounds with how many were within
    /// each and above the one before, `f64::MAX` last.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        (seconds, count): (f64, u64),
        spans: Vec<(f64, u64)>,
    ) {
        self.0.push(Family { name, help, samples: Samples::Spans { seconds, count, spans } });
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for Family { name, help, samples } in &self.0 {
            let kind = match samples {
                Samples::Gauges(all) if all.is_empty() => continue,
                Samples::Counters(all) if all.is_empty() => continue,
                Samples::Gauges(_) => MetricType::Gauge,
                Samples::Counters(_) => MetricType::Counter,
                Samples::Spans { .. } => MetricType::Histogram,
            };
            // The registry ends what it describes with a full stop; so is it here.
            let help = format!("{help}.");
            let mut family = encoder.encode_descriptor(name, &help, None, kind)?;
            match samples {
                Samples::Gauges(all) => {
                    write(family, all.iter().map(|(of, it)| (of, ConstGauge::new(*it))))?;
                }
                Samples::Counters(all) => {
                    write(family, all.iter().map(|(of, it)| (of, ConstCounter::new(*it))))?;
                }
                Samples::Spans { seconds, count, spans } => {
                    family.encode_histogram::<NoLabelSet>(*seconds, *count, spans, None)?;
                }
            }
        }
        Ok(())
    }
}

fn write<'a>(
    mut family: MetricEncoder<'_>,
    samples: impl Iterator<Item = (&'a Labels, impl EncodeMetric)>,
) -> Result<(), Error> {
    for (labels, value) in samples {
        if labels.is_empty() {
            return value.encode(family);
        }
        let labels: Labels = labels.iter().map(|(name, value)| (*name, escaped(value))).collect();
        value.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// As the format wants the value of a label; the library leaves that to its callers.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// As metrics have it; whole up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "a metric is a float, and beyond 2^53 near enough")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{registry, text};

    #[test]
    fn readings_are_written_in_order_with_their_labels() {
        let mut readings = Readings::default();
        readings.size("cells", "Cells that there are", 3);
        readings.flag("frozen", "The owner froze the host", false);
        let host = |name: &str| vec![("host", name.to_owned())];
        readings.gauges("host_up", "It answers", [(host("a"), 1.0), (host("b"), 0.0)]);
        readings.gauges("nothing", "None of it", []);
        readings.counters("syncs", "Waits", [(Labels::new(), 7)]);
        let expected = "\
# HELP cofferdam_cells Cells that there are.
# TYPE cofferdam_cells gauge
cofferdam_cells 3.0
# HELP cofferdam_frozen The owner froze the host.
# TYPE cofferdam_frozen gauge
cofferdam_frozen 0.0
# HELP cofferdam_host_up It answers.
# TYPE cofferdam_host_up gauge
cofferdam_host_up{host=\"a\"} 1.0
cofferdam_host_up{host=\"b\"} 0.0
# HELP cofferdam_syncs Waits.
# TYPE cofferdam_syncs counter
cofferdam_syncs_total 7
# EOF
";
        assert_eq!(text(&registry(), readings).unwrap(), expected);
    }

    #[test]
    fn nothing_in_a_label_ends_it() {
        let mut readings = Readings::default();
        let label = vec![("host", "a\"} 1\nx\\".to_owned())];
        readings.gauges("host_up", "It answers", [(label, 1.0)]);
        let text = text(&registry(), readings).unwrap();
        assert!(text.contains("\ncofferdam_host_up{host=\"a\\\"} 1\\nx\\\\\"} 1.0\n"), "{text}");
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_infinity() {
        let mut readings = Readings::default();
        let spans = vec![(0.1, 2), (f64::MAX, 1)];
        readings.histogram("wait_seconds", "Waits", (5.5, 3), spans);
        let text = text(&registry(), readings).unwrap();
        for line in [
            "cofferdam_wait_seconds_sum 5.5",
            "cofferdam_wait_seconds_count 3",
            "cofferdam_wait_seconds_bucket{le=\"0.1\"} 2",
            "cofferdam_wait_seconds_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }
}
