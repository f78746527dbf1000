//! What an operator's terminal is shown: all output of `posnext admin` leaves through here. Texts of a POS, of PAR and
//! of the tables may hold anything. What would move the cursor, or begin a line of its own, is shown as an escape.

use std::fmt::Display;

use posnext_local::output;
pub(super) use posnext_local::output::escaped;

/// Lines to be shown at once.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Adds one line, whatever is in it.
    pub(super) fn line(&mut self, text: impl Display) {
        self.0.push_str(&escaped(&text.to_string()));
        self.0.push('\n');
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn print(&self) {
        output::text(&self.0);
    }
}

/// Shows one line, whatever is in it; to be called as `println!` is.
macro_rules! say {
    ($($text:tt)*) => { $crate::admin::terminal::show(format_args!($($text)*)) };
}
pub(super) use say;

/// What [`say`] does.
pub(super) fn show(text: impl Display) {
    output::line(escaped(&text.to_string()));
}

/// Shows a text that has lines of its own.
pub(super) fn tell(text: &str) {
    text.lines().for_each(show);
}

/// Shows one line beside what is asked for.
pub(super) fn note(text: impl Display) {
    output::note(escaped(&text.to_string()));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let mut lines = Lines::default();
        lines.line("one\ntwo");
        lines.line(3);
        assert_eq!(lines.0, "one\\ntwo\n3\n");
    }

    #[test]
    fn nothing_else_of_these_commands_prints() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin")];
        let mut looked_at = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("admin/terminal.rs") {
                    looked_at += 1;
                    let text = std::fs::read_to_string(&path).unwrap();
                    let prints = ["print!(", "println!("].iter().any(|name| text.contains(name));
                    assert!(!prints, "{} prints by itself, and not through admin/terminal.rs", path.display());
                }
            }
        }
        assert!(looked_at > 15, "{looked_at}");
    }
}
