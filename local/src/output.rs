//! What a command shows. Whoever reads it may stop before its end, as `head` does: that ends no command in the middle
//! of what it does, and in no panic.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
};

/// Shows a line.
pub fn line(text: impl Display) {
    let _ = writeln!(stdout(), "{text}");
}

/// Shows a text that has its own lines.
pub fn text(text: impl Display) {
    let _ = write!(stdout(), "{text}");
}

/// Shows a line beside the output.
pub fn note(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}
