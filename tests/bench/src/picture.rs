//! The instructions of every job as a picture, `hello` the yardstick, the bounds marked; to be read on a light page and on a dark one.

use svg::{
    Document, Node,
    node::element::{Group, Line, Rectangle, Style, Text, Title},
};

use crate::{
    baseline::Counted,
    bounds::{Figure, at_most, millions},
    counts::Counts,
    job::Job,
};

const WIDTH: u64 = 920;
const TOP: u64 = 64;
const ROW: u64 = 26;
const BAR: u64 = 16;
/// Where the labels end and the first panel begins.
const LABELS: u64 = 218;
const PANEL: u64 = 340;
/// What the longest bar leaves of its panel for its figure.
const VALUE: u64 = 75;

const STYLE: &str = "
text { font: 13px sans-serif; fill: #1f2328 }
.page { fill: #fff }
.small { font-size: 11px; fill: #59636e }
.head { font-weight: bold }
.bar { fill: #3b7dd8 }
.over { fill: #c4571b }
.hello { stroke: #59636e; stroke-dasharray: 3 3 }
.bound { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .page { fill: #0d1117 }
  .small { fill: #9198a1 }
  .bar { fill: #4c8ded }
  .over { fill: #e0763a }
  .hello { stroke: #9198a1 }
  .bound { stroke: #e6edf3 }
}
";

/// One of the two figures that are drawn.
struct Panel {
    title: &'static str,
    figure: Figure,
    of: fn(&Counts) -> u64,
    left: u64,
}

const PANELS: [Panel; 2] = [
    Panel { title: "cold: init and first invocation", figure: Figure::Cold, of: |counts| counts.cold, left: LABELS },
    Panel { title: "warm: every later invocation", figure: Figure::Warm, of: |counts| counts.warm, left: LABELS + PANEL + 15 },
];

/// Draws it.
///
/// # Errors
/// A job was not counted.
pub(crate) fn draw(table: &Counted) -> anyhow::Result<String> {
    let bottom = TOP + ROW * Job::ALL.len() as u64;
    let mut document = Document::new().set("viewBox", (0, 0, WIDTH, bottom + 34)).add(Style::new(STYLE));
    document.append(Rectangle::new().set("class", "page").set("width", WIDTH).set("height", bottom + 34));
    document.append(text("Instructions, in millions", 16, 24, "head"));
    for (row, job) in (0..).zip(Job::ALL) {
        document.append(text(job.name(), LABELS - 10, TOP + row * ROW + BAR - 3, "").set("text-anchor", "end"));
    }
    for panel in PANELS {
        document.append(draw_panel(&panel, table, bottom)?);
    }
    document.append(line("hello", 16, 36, bottom + 18, bottom + 18));
    document.append(text("what hello takes", 42, bottom + 22, "small"));
    document.append(line("bound", 160, 160, bottom + 10, bottom + 26));
    document.append(text("a bound", 168, bottom + 22, "small"));
    document.append(Rectangle::new().set("class", "over").set("x", 236).set("y", bottom + 12).set("width", 12).set("height", 12));
    document.append(text("beyond its bound", 254, bottom + 22, "small"));
    Ok(document.to_string() + "\n")
}

fn draw_panel(panel: &Panel, table: &Counted, bottom: u64) -> anyhow::Result<Group> {
    let Panel { title, figure, of, left } = *panel;
    let values = Job::ALL.map(|job| table.job(job.name()).map(of));
    let mut longest = 1;
    for (job, value) in Job::ALL.into_iter().zip(&values) {
        longest = longest.max(*value.as_ref().unwrap_or(&0)).max(at_most(job, figure).unwrap_or(0));
    }
    let at = |value: u64| left + value * (PANEL - VALUE) / longest;
    let mut group = Group::new().add(text(title, left, TOP - 14, "head"));
    for ((row, job), value) in (0..).zip(Job::ALL).zip(values) {
        let (value, bound, top) = (value?, at_most(job, figure), TOP + row * ROW);
        let class = if bound.is_some_and(|bound| value > bound) { "over" } else { "bar" };
        let bar = Rectangle::new().set("class", class).set("x", left).set("y", top).set("height", BAR);
        // What is there can be seen, however little it is.
        let bar = bar.set("width", (at(value) - left).max(1));
        group.append(bar.add(Title::new(format!("{}: {value} instructions", job.name()))));
        let mut end = at(value);
        if let Some(bound) = bound {
            let mark = line("bound", at(bound), at(bound), top - 3, top + BAR + 3);
            group.append(mark.add(Title::new(format!("{}: at most {bound}", job.name()))));
            end = end.max(at(bound));
        }
        group.append(text(&millions(value), end + 6, top + BAR - 4, "small"));
    }
    let hello = at(of(table.job(Job::Hello.name())?));
    group.append(line("hello", hello, hello, TOP - 6, bottom));
    Ok(group)
}

fn text(content: &str, left: u64, base: u64, class: &str) -> Text {
    Text::new(content).set("x", left).set("y", base).set("class", class)
}

fn line(class: &str, from: u64, to: u64, top: u64, base: u64) -> Line {
    Line::new().set("class", class).set("x1", from).set("x2", to).set("y1", top).set("y2", base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(submit: u64) -> String {
        let counts =
            |job: Job| Counts { cold: 5_000_000, warm: if job == Job::Submit { submit } else { 500_000 }, ..Counts::default() };
        let jobs = Job::ALL.map(|job| (job.name().to_owned(), counts(job))).into();
        draw(&Counted { jobs, ..Counted::default() }).unwrap()
    }

    #[test]
    fn every_job_has_two_bars_and_every_bound_a_mark() {
        let picture = drawn(2_300_000);
        assert_eq!(picture.matches(r#"class="bar""#).count(), Job::ALL.len() * 2);
        // Cold and warm of submit, warm of submit over TLS, of get and of process; and the legend's.
        assert_eq!(picture.matches(r#"class="bound""#).count(), 5 + 1);
    }

    #[test]
    fn a_bar_beyond_its_bound_is_told_from_the_others() {
        let over = |submit| drawn(submit).matches(r#"class="over""#).count();
        assert_eq!((over(2_300_000), over(2_300_001)), (1, 2), "the legend has one");
    }
}
