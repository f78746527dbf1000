//! The report as JUnit XML, which CI systems read.

use std::fmt::Write;

use super::{
    report::{CheckResult, Outcome, Report},
    text::exchange_text,
};

impl Report {
    /// The report as JUnit XML: an item is a class, a check is a test case of it.
    #[must_use]
    pub fn junit(&self) -> String {
        let counts = self.counts();
        let numbers =
            format!(r#"tests="{}" failures="{}" skipped="{}" errors="0""#, self.checks.len(), counts.failed, counts.not_tried);
        let (time, url) = (seconds(self.took), escape(&self.url));
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {numbers} time=\"{time}\">\n  <testsuite name=\"posnext certify {url}\" {numbers} time=\"{time}\">\n"
        );
        for check in &self.checks {
            test_case(&mut out, check);
        }
        out.push_str("  </testsuite>\n</testsuites>\n");
        out
    }
}

fn test_case(out: &mut String, check: &CheckResult) {
    let (class, reason) = (escape(check.item.name()), escape(&check.reason));
    let _ = write!(out, r#"    <testcase classname="{class}" name="{}" time="{}">"#, check.id, seconds(check.took));
    match check.outcome {
        Outcome::Pass => {}
        Outcome::NotTried => {
            let _ = write!(out, r#"<skipped message="{reason}"/>"#);
        }
        Outcome::Warning => {
            let _ = write!(out, "<system-out>warning: {reason}</system-out>");
        }
        Outcome::Fail => {
            let mut exchanges = String::new();
            check.records.iter().for_each(|record| exchange_text(&mut exchanges, record));
            let _ = write!(out, r#"<failure message="{reason}">{}</failure>"#, escape(&exchanges));
        }
    }
    out.push_str("</testcase>\n");
}

fn seconds(time: std::time::Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// XML 1.0 section 2.2 has no room for most control characters, not even escaped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escape("a<b & \"c\">\u{0}\n"), "a&lt;b &amp; &quot;c&quot;&gt;\u{fffd}\n");
    }
}
