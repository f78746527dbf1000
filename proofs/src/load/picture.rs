//! The distribution of times as a picture, in the terminal and as SVG. Buckets grow by about half: what matters of a
//! latency is its order of magnitude.

use serde::Serialize;
use svg::{
    Document,
    node::element::{Rectangle, Text, Title},
};

use super::{
    report::{Line, time},
    tally::Times,
};

/// How many requests took less than `below_us`, and not less than the bucket before allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Bucket {
    below_us: u64,
    count: u64,
}

/// A bar's length in characters.
const BAR: u64 = 40;
/// An eighth to a whole of a character.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// 100 µs, 150 µs, 200 µs, 300 µs, 500 µs, 700 µs, 1 ms and so on.
fn bounds() -> impl Iterator<Item = u64> {
    (1..10).flat_map(|power| [10, 15, 20, 30, 50, 70].map(|digits| digits * 10_u64.pow(power)))
}

/// From the first bucket that holds any to the last.
pub(super) fn buckets(times: &Times) -> Vec<Bucket> {
    let mut buckets: Vec<_> = bounds().map(|below_us| Bucket { below_us, count: 0 }).collect();
    for recorded in times.0.iter_recorded() {
        let value = recorded.value_iterated_to();
        if let Some(bucket) = buckets.iter_mut().find(|bucket| value < bucket.below_us) {
            bucket.count += recorded.count_at_value();
        }
    }
    let holds = |bucket: &Bucket| bucket.count > 0;
    let first = buckets.iter().position(holds).unwrap_or(buckets.len());
    let last = buckets.iter().rposition(holds).map_or(0, |last| last + 1);
    buckets.into_iter().take(last).skip(first).collect()
}

fn tallest(buckets: &[Bucket]) -> u64 {
    buckets.iter().map(|bucket| bucket.count).max().unwrap_or_default().max(1)
}

/// What is there can be seen, however little it is.
fn length(count: u64, tallest: u64, full: u64) -> u64 {
    if count == 0 { 0 } else { (count * full / tallest).max(1) }
}

fn bar(count: u64, tallest: u64) -> String {
    let eighths = length(count, tallest, BAR * 8);
    let whole = (0..eighths / 8).map(|_| '█');
    let rest = usize::try_from(eighths % 8).ok().and_then(|rest| rest.checked_sub(1)).and_then(|rest| EIGHTHS.get(rest));
    whole.chain(rest.copied()).collect()
}

/// Into the terminal.
pub(super) fn draw(text: &mut String, line: &Line) {
    if line.buckets.is_empty() {
        return;
    }
    text.push_str(line.kind.as_str());
    text.push('\n');
    let tallest = tallest(&line.buckets);
    for bucket in &line.buckets {
        text.push_str(&format!("  < {:>8}  {:>8}  {}\n", time(bucket.below_us), bucket.count, bar(bucket.count, tallest)));
    }
    text.push('\n');
}

/// A panel a kind of request, its buckets side by side.
pub(super) fn svg(title: &str, lines: &[Line]) -> String {
    const WIDTH: u64 = 920;
    const PANEL: u64 = 190;
    const HEIGHT: u64 = 120;
    const LEFT: u64 = 20;
    const LABEL: u64 = 48;
    let lines: Vec<&Line> = lines.iter().filter(|line| !line.buckets.is_empty()).collect();
    let height = 50 + PANEL * lines.len() as u64;
    let mut document = Document::new().set("viewBox", (0, 0, WIDTH, height)).set("font-family", "sans-serif");
    document = document.add(Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "#fff"));
    document = document.add(label(title, LEFT, 28, 16, "start"));
    for (panel, line) in (0..).zip(lines) {
        let top = 50 + panel * PANEL;
        document = document.add(label(&format!("{}: {}", line.kind.as_str(), line.count), LEFT, top + 16, 13, "start"));
        let (tallest, wide) = (tallest(&line.buckets), (WIDTH - 2 * LEFT) / line.buckets.len() as u64);
        let wide = wide.min(80);
        for (index, bucket) in (0..).zip(&line.buckets) {
            let left = LEFT + index * wide;
            let (tall, below) = (length(bucket.count, tallest, HEIGHT), time(bucket.below_us));
            let bar = Rectangle::new().set("x", left + 2).set("y", top + 24 + HEIGHT - tall).set("fill", "#3b7dd8");
            let bar = bar.set("width", wide - 4).set("height", tall);
            document = document.add(bar.add(Title::new(format!("{} below {below}", bucket.count))));
            // Labels are wider than a narrow bar.
            if index % LABEL.div_ceil(wide) != 0 {
                continue;
            }
            document = document.add(label(&format!("<{below}"), left + wide / 2, top + 24 + HEIGHT + 14, 10, "middle"));
        }
    }
    document.to_string()
}

fn label(text: &str, left: u64, base: u64, size: u64, anchor: &str) -> Text {
    let label = Text::new(text).set("x", left).set("y", base).set("font-size", size);
    label.set("text-anchor", anchor).set("fill", "#222")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(values: &[u64]) -> Times {
        let mut histogram = hdrhistogram::Histogram::new_with_bounds(1, 86_400_000_000, 3).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        Times(histogram)
    }

    #[test]
    fn buckets_hold_everything_between_the_first_and_the_last() {
        let buckets = |values: &[u64]| buckets(&times(values)).into_iter().map(|bucket| (bucket.below_us, bucket.count));
        let counted: Vec<_> = buckets(&[3, 99, 120, 301, 480]).collect();
        assert_eq!(counted, [(100, 2), (150, 1), (200, 0), (300, 0), (500, 2)]);
        // Everything is in some bucket.
        let most: Vec<_> = (0..34).map(|power| 2_u64.pow(power)).collect();
        assert_eq!(buckets(&most).map(|(_, count)| count).sum::<u64>(), 34);
        assert_eq!(buckets(&[]).count(), 0);
    }

    #[test]
    fn the_longest_bar_is_full_and_the_shortest_can_be_seen() {
        assert_eq!(bar(0, 1_000_000), "");
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(7, 7), "█".repeat(40));
        assert_eq!(bar(33, 64), format!("{}▋", "█".repeat(20)));
    }
}
