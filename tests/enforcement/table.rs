//! What was foretold and what came true, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::enforced::Enforced;

/// One prediction and what came of it.
pub struct Pair {
    subject: String,
    policy: String,
    said: String,
    reasons: String,
    works: bool,
}

/// How a prediction fared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fared {
    /// It said so, and so it was.
    True,
    /// It was not so.
    False,
    /// It said nothing that could be true or false.
    Open,
}

impl Pair {
    pub fn new(
        subject: String,
        policy: &Enforced,
        said: &str,
        reasons: String,
        works: bool,
    ) -> Self {
        Self { subject, policy: policy.id.clone(), said: said.to_owned(), reasons, works }
    }

    fn fared(&self) -> Fared {
        let works = match &*self.said {
            "ready" | "unchanged" | "upgrades" => true,
            "breaks" => false,
            _ => return Fared::Open,
        };
        if works == self.works { Fared::True } else { Fared::False }
    }

    fn mark(&self) -> &'static str {
        match (self.fared(), self.works) {
            (Fared::True, true) => "+",
            (Fared::True, false) => "-",
            (Fared::False, true) => "WORKS",
            (Fared::False, false) => "FAILS",
            (Fared::Open, _) => "?",
        }
    }

    fn words(&self) -> String {
        let (subject, policy, said, reasons) =
            (&self.subject, &self.policy, &self.said, &self.reasons);
        let was = if self.works { "works" } else { "fails" };
        format!("{subject} under {policy}: said {said} ({reasons}), {was}")
    }
}

/// All predictions about one kind of thing.
pub struct Table {
    kind: &'static str,
    policies: Vec<String>,
    pairs: Vec<Pair>,
}

impl Table {
    pub fn new(kind: &'static str, policies: &[Enforced]) -> Self {
        let policies = policies.iter().map(|policy| policy.id.clone()).collect();
        Self { kind, policies, pairs: Vec::new() }
    }

    pub fn add(&mut self, pair: Pair) {
        self.pairs.push(pair);
    }

    fn count(&self, fared: Fared) -> usize {
        self.pairs.iter().filter(|pair| pair.fared() == fared).count()
    }

    /// Print it: a line for each subject, a column for each policy, then the sums.
    pub fn print(&self) {
        let mut subjects: Vec<&str> = Vec::new();
        for pair in &self.pairs {
            if !subjects.contains(&&*pair.subject) {
                subjects.push(&pair.subject);
            }
        }
        println!("{} × policy: + said to work and works, - said to break and fails,", self.kind);
        println!("? nothing said, WORKS or FAILS against what was said\n");
        for (number, policy) in self.policies.iter().enumerate() {
            println!("  {:>2} {policy}", number + 1);
        }
        let cell = |line: String, word: &dyn Display| format!("{line}{word:>3}");
        let numbers = (1..=self.policies.len()).fold(String::new(), |line, n| cell(line, &n));
        println!("{:58}{numbers}", "");
        for subject in subjects {
            let own = self.pairs.iter().filter(|pair| pair.subject == subject);
            let marks: BTreeMap<_, _> = own.map(|pair| (&*pair.policy, pair.mark())).collect();
            let marks = self.policies.iter().map(|policy| marks.get(&**policy).unwrap_or(&" "));
            let line = marks.fold(String::new(), |line, mark| cell(line, mark));
            println!("{subject:58}{line}");
        }
        println!(
            "\n{:34} {:>6} {:>6} {:>5} {:>8}",
            "policy", "works", "breaks", "open", "disagree"
        );
        for policy in &self.policies {
            let own = || self.pairs.iter().filter(|pair| pair.policy == *policy);
            let agree = |works| {
                own().filter(|pair| pair.fared() == Fared::True && pair.works == works).count()
            };
            let open = own().filter(|pair| pair.fared() == Fared::Open).count();
            let not = own().filter(|pair| pair.fared() == Fared::False).count();
            println!("{policy:34} {:>6} {:>6} {open:>5} {not:>8}", agree(true), agree(false));
        }
        println!(
            "{}: {} pairs, {} agree, {} disagree, of {} nothing was said\n",
            self.kind,
            self.pairs.len(),
            self.count(Fared::True),
            self.count(Fared::False),
            self.count(Fared::Open)
        );
        self.print_open();
    }

    /// Of what nothing was said: why, how often, and what became of it.
    fn print_open(&self) {
        let mut by_reason: BTreeMap<(&str, &str), (usize, usize, BTreeSet<&str>)> = BTreeMap::new();
        for pair in self.pairs.iter().filter(|pair| pair.fared() == Fared::Open) {
            let (worked, failed, subjects) =
                by_reason.entry((&pair.said, &pair.reasons)).or_default();
            *(if pair.works { worked } else { failed }) += 1;
            subjects.insert(&pair.subject);
        }
        println!("{:9} {:34} {:>6} {:>6}  for example", "said", "reasons", "worked", "failed");
        for ((said, reasons), (worked, failed, subjects)) in by_reason {
            let example = subjects.first().copied().unwrap_or_default();
            println!("{said:9} {reasons:34} {worked:>6} {failed:>6}  {example}");
        }
        println!();
    }

    /// Every prediction came true.
    pub fn assert_agrees(&self) {
        let false_ones = self.pairs.iter().filter(|pair| pair.fared() == Fared::False);
        let words: Vec<String> = false_ones.map(Pair::words).collect();
        assert!(words.is_empty(), "{} did not come true:\n{}", words.len(), words.join("\n"));
    }
}
