//! What an operator's terminal is shown: all output of `posnext admin` leaves through here. Texts of a POS, of PAR and
//! of the tables may hold anything. What would move the cursor, or begin a line of its own, is shown as an escape.

use std::fmt::Display;

use posnext_local::output;

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

/// The text in which nothing acts on a terminal.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Controls, and what turns the order of characters around, ends a line or hides in it.
fn acts(character: char) -> bool {
    let hidden = matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || hidden || matches!(character, '\u{61c}' | '\u{2028}'..='\u{202e}')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_and_all_else_is_left_as_it_is() {
        for (text, shown) in [
            ("\u{1b}[2J\u{1b}]0;PWNED\u{7}", r"\u{1b}[2J\u{1b}]0;PWNED\u{7}"),
            ("sold out\n  status    errored", r"sold out\n  status    errored"),
            ("a\rb\tc\u{8}d\u{7f}", r"a\rb\tc\u{8}d\u{7f}"),
            ("\u{9b}2J\u{85}\u{2028}", r"\u{9b}2J\u{85}\u{2028}"),
            ("\u{202e}desrever\u{2066}\u{feff}", r"\u{202e}desrever\u{2066}\u{feff}"),
            ("Käse “extra”, 寿司 👩\u{200d}🍳", "Käse “extra”, 寿司 👩\u{200d}🍳"),
            (r#"it's \n "so""#, r#"it's \n "so""#),
        ] {
            assert_eq!(escaped(text), shown);
        }
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
