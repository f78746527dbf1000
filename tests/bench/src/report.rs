//! What is shown: Markdown, so that it can be kept as it is printed.

use std::fmt;

use crate::ratio::Ratio;

/// A promise about a figure, and the figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) bound: String,
    pub(crate) met: bool,
}

impl Bound {
    pub(crate) fn at_most(what: impl Into<String>, measured: Ratio, most: Ratio) -> Self {
        Self { what: what.into(), measured: measured.to_string(), bound: format!("at most {most}"), met: measured <= most }
    }

    pub(crate) fn at_least(what: impl Into<String>, measured: Ratio, least: Ratio) -> Self {
        Self { what: what.into(), measured: measured.to_string(), bound: format!("at least {least}"), met: measured >= least }
    }

    /// Counts that have to be the same.
    pub(crate) fn equal(what: impl Into<String>, measured: impl fmt::Display, expected: impl fmt::Display) -> Self {
        let (measured, bound) = (measured.to_string(), expected.to_string());
        Self { what: what.into(), met: measured == bound, measured, bound }
    }
}

/// One measurement.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) table: Table,
    /// Sentences below the table.
    pub(crate) notes: Vec<String>,
    pub(crate) bounds: Vec<Bound>,
}

impl Section {
    pub(crate) fn met(&self) -> bool {
        self.bounds.iter().all(|bound| bound.met)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}", self.title, self.table)?;
        for note in &self.notes {
            writeln!(f, "{note}\n")?;
        }
        let mut bounds = Table::new(["bound", "measured", "promised", ""]);
        for Bound { what, measured, bound, met } in &self.bounds {
            bounds.row([what.clone(), measured.clone(), bound.clone(), if *met { "ok" } else { "NOT MET" }.to_owned()]);
        }
        writeln!(f, "{bounds}")
    }
}

/// A table whose columns line up for whoever reads it in a terminal.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self(vec![head.map(str::to_owned).to_vec()])
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.to_vec());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.first().map_or(0, Vec::len);
        let width = |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
        for (number, row) in self.0.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                widths.iter().try_for_each(|width| write!(f, "|{:-<1$}", "", width + 2))?;
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_at_its_edge_and_not_beyond() {
        let edge = Ratio::permille(4_500);
        assert!(Bound::at_most("", edge, edge).met && Bound::at_least("", edge, edge).met);
        assert!(!Bound::at_most("", Ratio::permille(4_501), edge).met);
        assert!(!Bound::at_least("", Ratio::permille(4_499), edge).met);
        assert!(Bound::equal("", 1, 1).met && !Bound::equal("", 1, 2).met);
    }

    #[test]
    fn a_section_with_a_bound_that_is_not_met_says_so() {
        let mut section = Section { title: "T".to_owned(), table: Table::new(["a", "b"]), ..Section::default() };
        section.table.row(["long cell".to_owned(), "1".to_owned()]);
        section.bounds.push(Bound::equal("rows", 2, 3));
        assert!(!section.met());
        assert_eq!(
            section.to_string(),
            "## T\n\n| a         | b   |\n|-----------|-----|\n| long cell | 1   |\n\n\
             | bound | measured | promised |         |\n|-------|----------|----------|---------|\n\
             | rows  | 2        | 3        | NOT MET |\n\n"
        );
    }
}
