//! Progress of what takes long.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use posnext_local::output;

/// A bar that is drawn where there is a terminal; without a length, a spinner.
pub fn progress(length: usize, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64).with_message(message);
    let template =
        if length == 0 { "{spinner} {elapsed} {msg}" } else { "{elapsed:>4} [{bar:40}] {pos}/{len} {msg}, {eta} left" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// One more; where there is no terminal to draw on, a line for every tenth of them.
pub fn step(bar: &ProgressBar) {
    bar.inc(1);
    let (done, all) = (bar.position(), bar.length().unwrap_or_default());
    if bar.is_hidden() && all >= 1_000 && done.is_multiple_of(all / 10) {
        output::note(format_args!("{done} of {all}: {}", bar.message()));
    }
}
