//! The report for people, and for machines as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::report::{CheckResult, Item, Outcome, Report};

impl Report {
    /// The report as a person reads it: exchanges of what failed, or of everything.
    #[must_use]
    pub fn text(&self, verbose: bool) -> String {
        let mut out = format!("{}, organization {}\n", self.url, self.organization);
        let [orders, menu, asynchronous] =
            self.locations.each_ref().map(|id| if id.is_empty() { "nowhere" } else { id.as_str() });
        let _ = match self.dry {
            true => writeln!(out, "menu and validate at {menu}; dry: no order is placed\n"),
            false => writeln!(out, "orders at {orders}, menu and validate at {menu}, 202 at {asynchronous}\n"),
        };
        let _ = writeln!(out, "What PAR obliges a partner to");
        for (name, outcome, reason) in self.obligations() {
            line(&mut out, &format!("  {:<9}  {name:<32} {reason}", outcome.word()));
        }
        let _ = writeln!(out, "\nWhat PAR tests, and more");
        for item in Item::ALL {
            let (outcome, reason) = self.item(item);
            line(&mut out, &format!("  {:<9}  {:<32} {reason}", outcome.word(), item.name()));
        }
        let _ = writeln!(out, "\nThe checks");
        for item in Item::ALL {
            for check in self.of(item) {
                check_text(&mut out, check, verbose);
            }
        }
        self.latency_text(&mut out);
        let counts = self.counts();
        let verdict = if self.passed() { "nothing failed" } else { "FAILED" };
        let _ = writeln!(
            out,
            "\n{verdict}: {} passed, {} with a warning, {} failed, {} not tried, in {}.{} s",
            counts.passed,
            counts.warnings,
            counts.failed,
            counts.not_tried,
            self.took.as_secs(),
            self.took.subsec_millis() / 100
        );
        out
    }

    fn latency_text(&self, out: &mut String) {
        let _ = writeln!(out, "\n{:<10} {:>8} {:>8} {:>8}", "answers", "number", "p50 ms", "p95 ms");
        for latency in &self.latency {
            let name = latency.endpoint.map_or("all", |endpoint| endpoint.name());
            let _ = writeln!(out, "{name:<10} {:>8} {:>8} {:>8}", latency.answers, latency.p50_ms, latency.p95_ms);
        }
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let check = |check: &CheckResult| {
            json!({
                "id": check.id,
                "what": check.what,
                "outcome": check.outcome,
                "reason": check.reason,
                "exchanges": check.records.iter().map(|record| &**record).collect::<Vec<_>>(),
            })
        };
        let item = |item: Item| {
            let (outcome, reason) = self.item(item);
            let checks: Vec<_> = self.of(item).map(check).collect();
            json!({ "name": item.name(), "outcome": outcome, "reason": reason, "checks": checks })
        };
        let obligation =
            |(name, outcome, reason): &(&str, Outcome, String)| json!({ "name": name, "outcome": outcome, "reason": reason });
        json!({
            "url": self.url,
            "organization_id": self.organization,
            "locations": { "submit": self.locations[0], "menu": self.locations[1], "async": self.locations[2] },
            "dry": self.dry,
            "passed": self.passed(),
            "counts": self.counts(),
            "seconds": self.took.as_secs(),
            "latency": self.latency,
            "obligations": self.obligations().iter().map(obligation).collect::<Vec<_>>(),
            "items": Item::ALL.map(item),
        })
    }
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{}", text.trim_end());
}

fn check_text(out: &mut String, check: &CheckResult, verbose: bool) {
    let reason = if check.reason.is_empty() { String::new() } else { format!(" ({})", check.reason) };
    line(out, &format!("  {:<9}  {:<28} {}{reason}", check.outcome.word(), check.id, check.what));
    if verbose || check.outcome == Outcome::Fail {
        for record in &check.records {
            exchange_text(out, record);
        }
    }
}

/// An exchange, so indented that it is told from the checks.
pub(super) fn exchange_text(out: &mut String, record: &super::Record) {
    for (mark, shown) in [('>', &record.request), ('<', &record.answer)] {
        line(out, &format!("      {mark} {}", shown.line));
        for (name, value) in &shown.headers {
            line(out, &format!("      {mark} {name}: {value}"));
        }
        if !shown.body.is_empty() {
            line(out, &format!("      {mark} {}", shown.body.replace(['\n', '\r'], " ")));
        }
    }
    line(out, &format!("        {} ms", record.ms));
}
