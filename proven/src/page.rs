//! docs/proofs.md: each promise, its proofs, what came of them and when.

use std::{fmt::Write, fs, ops::RangeInclusive, path::Path};

use anyhow::Context;

use crate::{
    proof::{Promise, Proof, Proofs},
    proven::Proven,
};

/// What promises are called in the table.
const LETTERS: RangeInclusive<char> = 'A'..='Z';

/// Where the page is, from the root.
pub(crate) const PAGE: &str = "docs/proofs.md";

const BEGINNING: &str = "\
<!-- made of proven/ by: cargo run -p posnext-proven -- page -->
# Proofs

Every test run proves a part of what README promises. What takes longer has a command of its own, and leaves behind what
came of it: the day, the commit, a hash of the sources that it depends on, and what it counted. This page is made of
that. So a figure here was measured, and on sources that are named.

```sh
cargo run -q -p posnext-proven              # which proofs are of these sources, and which are older
cargo run -q -p posnext-proven -- renew     # run anew what is older; or renew NAME
.ci/full                                    # the same; it fails if one is older than the sources in the end
```

";

/// The whole page.
pub(crate) fn page(root: &Path, proofs: &Proofs) -> anyhow::Result<String> {
    let mut page = BEGINNING.to_owned();
    page += "README promises:\n\n";
    for (promise, letter) in proofs.promise.iter().zip(LETTERS) {
        writeln!(page, "- **{letter}**: {}", promise.text)?;
    }
    let letters: Vec<_> = proofs.promise.iter().zip(LETTERS).map(|(_, letter)| letter.to_string()).collect();
    writeln!(page, "\n| proof | {} | run on | of commit | of sources |", letters.join(" | "))?;
    writeln!(page, "|---|{}---|---|---|", "---|".repeat(letters.len()))?;
    for proof in &proofs.proof {
        let proves = |promise: &Promise| if proof.promises.contains(&promise.name) { "x" } else { "" };
        let of: Vec<_> = proofs.promise.iter().map(proves).collect();
        let (link, of) = (link(proof), of.join(" | "));
        match Proven::read(root, &proof.name)? {
            Some(Proven { date, commit, tree, .. }) => {
                writeln!(page, "| {link} | {of} | {date} | {commit} | {tree:.12} |")?;
            }
            None => writeln!(page, "| {link} | {of} | not yet | | |")?,
        }
    }
    for proof in &proofs.proof {
        section(&mut page, root, proof)?;
    }
    Ok(page)
}

fn section(page: &mut String, root: &Path, proof: &Proof) -> anyhow::Result<()> {
    let Proof { name, title, says, lasts, .. } = proof;
    write!(page, "\n## {title}\n\n{says}\n\n")?;
    match Proven::read(root, name)? {
        None => page.push_str("It has not been run yet.\n\n"),
        Some(proven) => {
            page.push_str("| counted | |\n|---|---|\n");
            for (what, count) in &proven.figures {
                writeln!(page, "| {what} | {} |", grouped(*count))?;
            }
            page.push('\n');
        }
    }
    writeln!(page, "`cargo run -q -p posnext-proven -- renew {name}`, about {lasts} on two processors.\n")?;
    let text = root.join(format!("proven/texts/{name}.md"));
    *page += &fs::read_to_string(&text).with_context(|| format!("cannot read {}", text.display()))?;
    Ok(())
}

fn link(proof: &Proof) -> String {
    format!("[{}](#{})", proof.title, anchor(&proof.title))
}

/// As a link names a heading.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars().filter(|character| character.is_alphanumeric() || *character == '-').collect()
}

/// With a comma after every three digits.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let first = digits.len() % 3;
    let mut text = digits.get(..first).unwrap_or_default().to_owned();
    for (number, digit) in digits.get(first..).unwrap_or_default().chars().enumerate() {
        if number % 3 == 0 && !text.is_empty() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_in_thousands() {
        assert_eq!(
            [0, 7, 999, 1_000, 12_345, 1_000_008].map(grouped),
            ["0", "7", "999", "1,000", "12,345", "1,000,008"].map(str::to_owned)
        );
    }

    #[test]
    fn a_link_leads_to_its_heading() {
        assert_eq!(anchor("What an order costs, counted"), "what-an-order-costs-counted");
    }
}
