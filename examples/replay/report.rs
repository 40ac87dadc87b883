//! The counts over many exchanges.

use std::collections::BTreeMap;
use std::fmt;

use super::Verdict;

/// What became of all exchanges.
#[derive(Debug, Default)]
pub struct Report {
    pub verdicts: Vec<Verdict>,
    /// Files that are no recordings, with the reason.
    pub unreadable: Vec<String>,
}

/// Sums over exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub exchanges: usize,
    pub events: usize,
    pub typed: usize,
    pub kept: usize,
    pub lost: usize,
    pub aborted: usize,
    /// Requests that did not go out as they were recorded.
    pub requests: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.exchanges += 1;
        self.events += verdict.events;
        self.typed += verdict.typed;
        self.kept += verdict.kept;
        self.lost += verdict.lost;
        self.aborted += usize::from(verdict.aborted);
        self.requests += usize::from(verdict.lost_request);
    }
}

impl Report {
    pub fn add(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.verdicts.iter().for_each(|verdict| counts.add(verdict));
        counts
    }

    /// The exchanges of which something is lost, or that failed although the recording did not.
    #[allow(dead_code, reason = "the test asks for it, the report prints it")]
    pub fn failed(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.lost > 0 || verdict.aborted || verdict.lost_request)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for why in &self.unreadable {
            writeln!(f, "no recording: {why}")?;
        }
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.notes.is_empty()) {
            writeln!(f, "{} ({} {})", verdict.id, verdict.api, verdict.provider)?;
            for note in &verdict.notes {
                writeln!(f, "    {note}")?;
            }
        }
        let mut groups: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
        for verdict in &self.verdicts {
            groups.entry((&verdict.api, &verdict.provider)).or_default().add(verdict);
        }
        let titles = ("api", "provider", "exchanges", "events", "typed", "kept", "lost", "aborted");
        let (api, provider, exchanges, events, typed, kept, lost, aborted) = titles;
        writeln!(f, "{api:<12} {provider:<12} {exchanges:>9} {events:>8} {typed:>8} {kept:>6} {lost:>6} {aborted:>8}")?;
        for ((api, provider), counts) in groups {
            let Counts { exchanges, events, typed, kept, lost, aborted, .. } = counts;
            let share = 100.0 * typed as f64 / events.max(1) as f64;
            writeln!(
                f,
                "{api:<12} {provider:<12} {exchanges:>9} {events:>8} {share:>7.2}% {kept:>6} {lost:>6} {aborted:>8}"
            )?;
        }
        let Counts { exchanges, events, typed, kept, lost, aborted, requests } = self.counts();
        if requests > 0 {
            writeln!(f, "requests that did not go out as recorded {requests}")?;
        }
        writeln!(f, "exchanges {exchanges} events {events} typed {typed} kept {kept} lost {lost} aborted {aborted}")
    }
}
