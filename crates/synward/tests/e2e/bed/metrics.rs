//! What `/metrics` says, read.

use std::collections::BTreeMap;

/// One line of the exposition format.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// All lines.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(pub(crate) Vec<Sample>);

impl Metrics {
    /// Reads the exposition format (version 0.0.4), as far as there is no comma or brace in a label.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|sample| sample.name == name)
    }

    /// The samples of a metric that have all of these labels.
    pub(crate) fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample| {
            labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|have| have == value))
        };
        self.0.iter().filter(move |sample| sample.name == name && has(sample))
    }

    /// The sum of the samples of a metric that have all of these labels. There must be one.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        assert!(self.all(name, labels).next().is_some(), "no metric {name} {labels:?}");
        self.all(name, labels).map(|sample| sample.value as u64).sum()
    }

    /// What each reason dropped, or would have, by reason and mode, at both ports; without the zeros.
    pub(crate) fn drops(&self) -> BTreeMap<(String, String), u64> {
        let label = |sample: &Sample, name: &str| sample.labels.get(name).unwrap().clone();
        let mut drops = BTreeMap::new();
        for sample in self.all("synward_drops_total", &[]).filter(|sample| sample.value > 0.0) {
            *drops.entry((label(sample, "reason"), label(sample, "mode"))).or_default() +=
                sample.value as u64;
        }
        drops
    }
}

fn sample(line: &str) -> Sample {
    let (key, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
    let label = |label: &str| {
        let (name, value) = label.split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).map(label);
    Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
}
