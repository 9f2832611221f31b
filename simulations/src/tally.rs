//! What a run counted.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by group and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(Group, &'static str), u64>);

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Size of the run.
    Run,
    /// Where cases ended, as their requesters see them.
    Cases,
    /// What was said and fetched.
    Traffic,
    /// What went wrong on purpose.
    Faults,
    /// What people did.
    People,
    /// Checks made.
    Checks,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Group::Run => "run",
            Group::Cases => "cases",
            Group::Traffic => "traffic",
            Group::Faults => "faults",
            Group::People => "people",
            Group::Checks => "checks",
        }
    }
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, group: Group, name: &'static str) {
        self.add(group, name, 1);
    }

    /// Counts several more.
    pub fn add(&mut self, group: Group, name: &'static str, more: u64) {
        *self.0.entry((group, name)).or_default() += more;
    }

    /// How many there are.
    pub fn of(&self, group: Group, name: &'static str) -> u64 {
        self.0.get(&(group, name)).copied().unwrap_or_default()
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Tally) {
        for ((group, name), more) in &other.0 {
            self.add(*group, name, *more);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<Group, Vec<String>> = BTreeMap::new();
        for ((group, name), count) in &self.0 {
            groups
                .entry(*group)
                .or_default()
                .push(format!("{name} {count}"));
        }
        for (group, counts) in groups {
            writeln!(f, "{:8} {}", group.name(), counts.join(" · "))?;
        }
        Ok(())
    }
}
