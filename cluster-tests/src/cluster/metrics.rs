//! Prometheus text, read back.

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Metrics {
    /// Reads the exposition format; lines that are not samples are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(sample).collect())
    }

    /// The sum over all samples of that name whose labels contain all of `labels`, each written
    /// `key="value"`; 0 if there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name && labels.iter().all(|label| sample.labels.contains(label))
        };
        self.0.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// Whether there is a sample of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|sample| sample.name == name)
    }

    /// The buckets of a histogram: upper bound and cumulated count, the last without bound.
    pub fn buckets(&self, name: &str) -> impl Iterator<Item = (f64, f64)> {
        let name = format!("{name}_bucket");
        self.0.iter().filter(move |sample| sample.name == name).filter_map(|sample| {
            let (_, rest) = sample.labels.split_once("le=\"")?;
            Some((rest.split_once('"')?.0.parse().ok()?, sample.value))
        })
    }

    /// The names of all samples, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|sample| sample.name.as_str()).collect();
        names.dedup();
        names
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    let labels = labels.trim_end_matches('}').to_owned();
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_what_fits() {
        let text = "# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"1\"} 4\na{x=\"2\"} 5\nb 6\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.sum("a", &["x=\"1\""]), 7.0);
        assert_eq!(metrics.sum("a", &[]), 12.0);
        assert_eq!(metrics.sum("b", &[]), 6.0);
        assert!(!metrics.has("c"));
    }
}
