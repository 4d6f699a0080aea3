//! What was measured, and the tables that come of it.

use std::collections::BTreeMap;
use std::fmt::Write;

/// One measurement.
#[derive(Clone, Debug)]
pub struct Sample {
    pub peer: String,
    pub round: usize,
    /// The values of the table's columns.
    pub values: Vec<f64>,
    pub errors: String,
}

/// A table: the same measurement of every superserver.
#[derive(Debug)]
pub struct Table {
    pub title: String,
    pub columns: &'static [&'static str],
    /// Whose value in the first column is 1; none: no such column.
    pub reference: Option<&'static str>,
    pub samples: Vec<Sample>,
}

impl Table {
    pub fn new(
        title: impl Into<String>,
        columns: &'static [&'static str],
        reference: Option<&'static str>,
    ) -> Self {
        Self { title: title.into(), columns, reference, samples: Vec::new() }
    }

    /// The value in the first column of each round.
    fn firsts(&self, peer: &str) -> BTreeMap<usize, f64> {
        let own = self.samples.iter().filter(|sample| sample.peer == peer);
        own.filter_map(|sample| Some((sample.round, *sample.values.first()?))).collect()
    }

    /// As Markdown. The ratio is the median of the ratios of each round.
    pub fn text(&self) -> String {
        let mut text = format!("\n### {}\n\n| |", self.title);
        let mut add = |part: String| text.push_str(&part);
        add(format!(" {} | least - most |", self.columns[0]));
        if let Some(reference) = self.reference {
            add(format!(" of {reference} |"));
        }
        for column in &self.columns[1..] {
            add(format!(" {column} |"));
        }
        let width = self.columns.len() + 2 + usize::from(self.reference.is_some());
        add(format!(" errors |\n|{}\n", "---|".repeat(width + 1)));
        let base = self.reference.map(|reference| self.firsts(reference)).unwrap_or_default();
        for peer in self.peers() {
            let own: Vec<&Sample> = self.samples.iter().filter(|s| s.peer == peer).collect();
            add(format!("| {peer} |"));
            let firsts = self.firsts(&peer);
            let column = |place: usize| -> Vec<f64> {
                own.iter().filter_map(|sample| sample.values.get(place).copied()).collect()
            };
            let (least, most) = firsts
                .values()
                .fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(*v), most.max(*v)));
            if firsts.is_empty() {
                add(" - | - |".into());
            } else {
                let first = median(column(0));
                add(format!(" {} | {} - {} |", short(first), short(least), short(most)));
            }
            if self.reference.is_some() {
                let ratio = |(round, value): (&usize, &f64)| Some(value / base.get(round)?);
                let ratios: Vec<f64> = firsts.iter().filter_map(ratio).collect();
                add(if ratios.is_empty() {
                    " - |".into()
                } else {
                    format!(" {:.2} |", median(ratios))
                });
            }
            for place in 1..self.columns.len() {
                let values = column(place);
                add(if values.is_empty() {
                    " - |".into()
                } else {
                    format!(" {} |", short(median(values)))
                });
            }
            let mut errors: Vec<&str> =
                own.iter().map(|s| s.errors.as_str()).filter(|e| !e.is_empty()).collect();
            errors.dedup();
            add(format!(" {} |\n", if errors.is_empty() { "0".into() } else { errors.join("; ") }));
        }
        text
    }

    /// In the order in which they were measured first.
    fn peers(&self) -> Vec<String> {
        let mut peers: Vec<String> = Vec::new();
        for sample in &self.samples {
            if !peers.contains(&sample.peer) {
                peers.push(sample.peer.clone());
            }
        }
        peers.sort_by_key(|peer| !peer.starts_with("floor"));
        peers
    }

    /// Every sample, a line each, for whoever wants to calculate anew.
    pub fn raw(&self) -> String {
        let mut text = String::new();
        for sample in &self.samples {
            let Sample { peer, round, values, errors } = sample;
            let values: Vec<String> =
                self.columns.iter().zip(values).map(|(name, v)| format!("{name}={v}")).collect();
            let values = values.join("\t");
            writeln!(text, "{}\t{peer}\t{round}\t{values}\t{errors}", self.title)
                .unwrap_or_default();
        }
        text
    }
}

/// The middle one.
pub fn median(values: Vec<f64>) -> f64 {
    percentile(values, 0.5)
}

/// The value that `part` of all are not above.
pub fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return 0.0;
    }
    let last = (values.len() - 1) as f64;
    // In the range by construction; truncation is what is wanted.
    let (below, rest) = ((last * part) as usize, (last * part).fract());
    let above = values[(below + 1).min(values.len() - 1)];
    values[below] + (above - values[below]) * rest
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
