//! The counts over many exchanges.

use std::collections::BTreeMap;
use std::fmt;

use super::{Classes, Verdict};

/// The results of all exchanges.
#[derive(Debug, Default)]
pub struct Report {
    pub verdicts: Vec<Verdict>,
    /// Files that are not recordings, with the reason.
    pub unreadable: Vec<String>,
}

/// Sums over exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub exchanges: usize,
    pub events: Classes,
    pub requests: Classes,
    pub aborted: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.exchanges += 1;
        self.events.join(&verdict.events);
        self.requests.join(&verdict.requests);
        self.aborted += usize::from(verdict.aborted);
    }
}

impl Classes {
    fn join(&mut self, other: &Self) {
        let Self { count, typed, untyped_members, kept, lost, with_untyped_members } = other;
        self.count += count;
        self.typed += typed;
        self.untyped_members += untyped_members;
        self.kept += kept;
        self.lost += lost;
        self.with_untyped_members += with_untyped_members;
    }
}

impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, typed, untyped_members, kept, lost, .. } = self;
        write!(f, "{count} typed {typed} untyped members {untyped_members} kept {kept} lost {lost}")
    }
}

/// A group of unknown JSON fields.
struct Members<'a> {
    count: usize,
    first: &'a str,
    example: &'a str,
}

impl Report {
    pub fn add(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    pub fn counts(&self) -> Counts {
        self.counts_of(|_| true)
    }

    /// Returns the counts for some of the exchanges.
    pub fn counts_of(&self, is_one: impl Fn(&Verdict) -> bool) -> Counts {
        let mut counts = Counts::default();
        self.verdicts.iter().filter(|verdict| is_one(verdict)).for_each(|verdict| counts.add(verdict));
        counts
    }

    /// Returns the exchanges that lost something, or that failed although the recording did not.
    pub fn failed(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.events.lost > 0 || verdict.requests.lost > 0 || verdict.aborted)
    }

    /// Returns the unknown JSON fields by place, type and name, the most frequent first.
    fn members(&self) -> Vec<((bool, &str, &str), Members<'_>)> {
        let mut groups: BTreeMap<(bool, &str, &str), Members<'_>> = BTreeMap::new();
        for verdict in &self.verdicts {
            for member in &verdict.members {
                let group = groups.entry((member.is_of_request, member.type_name, &member.name));
                let first = || Members { count: 0, first: &verdict.id, example: &member.example };
                group.or_insert_with(first).count += 1;
            }
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|((is_of_request, ..), members)| (*is_of_request, std::cmp::Reverse(members.count)));
        groups
    }

    /// Prints the unknown JSON fields as a table.
    fn write_members(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.members();
        if groups.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:<8} {:<48} {:>6}  {:<32} example", "in", "untyped member", "count", "first exchange")?;
        for ((is_of_request, type_name, name), Members { count, first, example }) in groups {
            let place = if is_of_request { "request" } else { "response" };
            let member = format!("{type_name}.{name}");
            writeln!(f, "{place:<8} {member:<48} {count:>6}  {first:<32} {example}")?;
        }
        Ok(())
    }

    /// Prints the counts for each protocol and provider as a table.
    fn write_groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
        for verdict in &self.verdicts {
            groups.entry((&verdict.api, &verdict.provider)).or_default().add(verdict);
        }
        writeln!(
            f,
            "\n{:<12} {:<12} {:>9} {:>8} {:>8} {:>8} {:>6} {:>6} {:>8} {:>9} {:>8} {:>8} {:>6} {:>6}",
            "api",
            "provider",
            "exchanges",
            "events",
            "typed",
            "untyped",
            "kept",
            "lost",
            "aborted",
            "requests",
            "typed",
            "untyped",
            "kept",
            "lost"
        )?;
        for ((api, provider), counts) in groups {
            let Counts { exchanges, events, requests, aborted } = counts;
            let share = |classes: Classes| 100.0 * classes.typed as f64 / classes.count.max(1) as f64;
            writeln!(
                f,
                "{api:<12} {provider:<12} {exchanges:>9} {:>8} {:>7.2}% {:>8} {:>6} {:>6} {aborted:>8} {:>9} {:>7.2}% {:>8} {:>6} {:>6}",
                events.count,
                share(events),
                events.untyped_members,
                events.kept,
                events.lost,
                requests.count,
                share(requests),
                requests.untyped_members,
                requests.kept,
                requests.lost
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for why in &self.unreadable {
            writeln!(f, "not a recording: {why}")?;
        }
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.notes.is_empty()) {
            writeln!(f, "{} ({} {})", verdict.id, verdict.api, verdict.provider)?;
            for note in &verdict.notes {
                writeln!(f, "    {note}")?;
            }
        }
        self.write_members(f)?;
        self.write_groups(f)?;
        let Counts { exchanges, events, requests, aborted } = self.counts();
        writeln!(f, "\nrequests {requests}")?;
        writeln!(f, "exchanges {exchanges} events {events} aborted {aborted}")
    }
}
