//! What a command shows. Whoever reads it may stop before its end, as `head` does: that ends no command in the middle
//! of what it does, and in no panic. A program is given texts as they are. On a terminal nothing of them acts.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{IsTerminal, Write, stderr, stdout},
};

/// Shows a line: on a terminal as one, whatever is in it.
pub fn line(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(stdout(), "{}", if stdout().is_terminal() { escaped(&text) } else { text });
}

/// Shows a text that has its own lines.
pub fn text(text: impl Display) {
    let _ = write!(stdout(), "{}", harmless(&text.to_string(), stdout().is_terminal()));
}

/// Shows a line beside the output.
pub fn note(text: impl Display) {
    let _ = writeln!(stderr(), "{}", harmless(&text.to_string(), stderr().is_terminal()));
}

/// The text with its own lines, in which nothing acts on a terminal, if it goes to one.
fn harmless(text: &str, terminal: bool) -> Cow<'_, str> {
    if !terminal {
        return Cow::Borrowed(text);
    }
    let lines: Vec<String> = text.split('\n').map(|line| line.split('\t').map(escaped).collect::<Vec<_>>().join("\t")).collect();
    Cow::Owned(lines.join("\n"))
}

/// The text as one line in which nothing acts on a terminal.
#[must_use]
pub fn escaped(text: &str) -> String {
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
    }

    #[test]
    fn a_terminal_is_shown_lines_in_which_nothing_acts_and_a_program_is_given_them_as_they_are() {
        let text = "{\n\t\"note\": \"\u{1b}[2J\u{9b}\"\r\n}";
        assert_eq!(harmless(text, true), "{\n\t\"note\": \"\\u{1b}[2J\\u{9b}\"\\r\n}");
        assert_eq!(harmless(text, false), text);
    }
}
