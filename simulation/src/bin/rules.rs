//! Takes each rule of the product and each premise away in turn, and lets the simulator find the harm. Writes what came of
//! it to `simulation/rules.json` (docs/simulation.md).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use posnext_local::output;
use posnext_simulation::{Fault, Found, ORDERS, Rule, Taken};

/// Harm has to be found within so many orders.
const WITHIN: u64 = 10_000;
/// So many searches, each with seeds of its own; the one in the middle counts.
const SEARCHES: u64 = 5;

/// Take each rule and each premise away in turn, and count the orders until a promise is seen broken
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Only those whose name has this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only those of which the file does not tell yet
    #[arg(long)]
    missing: bool,
}

fn main() -> ExitCode {
    match taken_away(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::note(format_args!("posnext-rules: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn taken_away(arguments: &Arguments) -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root")?.to_owned();
    let (tree, rules) = (copied(&root)?, Rule::all(&root)?);
    let names = rules.iter().map(|rule| rule.name.clone()).chain(Fault::PREMISES.map(|(_, name, ..)| name.to_owned()));
    let mut told = Told::read(root.join("simulation/rules.json"), names.collect())?;
    let known = told.names();
    let wanted = |name: &str| {
        arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str())) && !(arguments.missing && known.contains(name))
    };
    for rule in rules.into_iter().filter(|rule| wanted(&rule.name)) {
        let before = rule.take_away(&tree)?;
        let program = built(&root, &tree).with_context(|| format!("without the rule {:?}", rule.name))?;
        for (file, text) in before {
            fs::write(tree.join(file), text)?;
        }
        told.tell(searched(&program, &rule.name, None)?)?;
    }
    let program = built(&root, &tree)?;
    for (_, name, _, premise) in Fault::PREMISES.into_iter().filter(|(_, name, ..)| wanted(name)) {
        told.tell(searched(&program, name, Some(premise))?)?;
    }
    let late = told.all.iter().filter(|taken| taken.median().is_none_or(|orders| orders > WITHIN)).count();
    output::line(format_args!("{} taken away; of {late} the harm was not found within {WITHIN} orders", told.all.len()));
    Ok(late == 0)
}

/// The file of what was found, in the order of the rules.
struct Told {
    file: PathBuf,
    names: Vec<String>,
    all: Vec<Taken>,
}

impl Told {
    fn read(file: PathBuf, names: Vec<String>) -> anyhow::Result<Self> {
        let all: Vec<Taken> = if file.exists() { serde_json::from_slice(&fs::read(&file)?)? } else { Vec::new() };
        let all = all.into_iter().filter(|taken| names.contains(&taken.name)).collect();
        Ok(Self { file, names, all })
    }

    fn names(&self) -> BTreeSet<String> {
        self.all.iter().map(|taken| taken.name.clone()).collect()
    }

    /// Written after each: a search takes minutes.
    fn tell(&mut self, taken: Taken) -> anyhow::Result<()> {
        self.all.retain(|other| other.name != taken.name);
        self.all.push(taken);
        self.all.sort_by_key(|taken| self.names.iter().position(|name| *name == taken.name));
        Ok(fs::write(&self.file, serde_json::to_string_pretty(&self.all)? + "\n")?)
    }
}

/// A copy of the sources as they are now.
fn copied(root: &Path) -> anyhow::Result<PathBuf> {
    let tree = root.join("target/rules/tree");
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().context("git ls-files")?;
    ensure!(listed.status.success(), "git ls-files failed");
    let files: BTreeSet<PathBuf> = String::from_utf8(listed.stdout)?
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|file| root.join(file).is_file())
        .collect();
    forget_others(&tree, &tree, &files)?;
    for file in files {
        let (from, to) = (root.join(&file), tree.join(&file));
        let text = fs::read(&from)?;
        // What is the same keeps its age, and is not compiled again.
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file's folder")?)?;
        fs::write(&to, text)?;
    }
    Ok(tree)
}

/// Removes what is in the copy and no longer in the sources.
fn forget_others(tree: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_others(tree, &path, files)?;
        } else if !files.contains(path.strip_prefix(tree)?) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The simulator of the copy, compiled in a folder of its own.
fn built(root: &Path, tree: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--profile", "simulation", "-p", "posnext-simulation", "--bin", "posnext-simulate"]);
    cargo
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", root.join("target/rules/target"))
        .env("RUSTFLAGS", "--cap-lints=warn -Awarnings");
    let built = cargo.output().context("cargo build")?;
    if !built.status.success() {
        bail!("it does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
    }
    Ok(root.join("target/rules/target/simulation/posnext-simulate"))
}

/// Searches for harm five times.
fn searched(program: &Path, name: &str, premise: Option<&str>) -> anyhow::Result<Taken> {
    let mut searches = Vec::new();
    for search in 0..SEARCHES {
        let first = 1_000_000 * (search + 1) + 1;
        let seeds = format!("{first}-{}", first + WITHIN.div_ceil(ORDERS));
        let found = program.with_file_name("found.json");
        let mut simulate = Command::new(program);
        simulate.args(["--seeds", &seeds, "--first", "--json"]).arg(&found);
        if premise.is_some() {
            simulate.args(["--break", name]);
        }
        let ended = simulate.output().context("the simulator")?;
        ensure!(matches!(ended.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&ended.stderr));
        let found: Found = serde_json::from_slice(&fs::read(&found)?)?;
        searches.push(found.first(first));
        // The one in the middle is one of them, whatever the others find.
        if searches.iter().filter(|search| search.seed.is_none()).count() as u64 > SEARCHES / 2 {
            break;
        }
    }
    let taken = Taken { name: name.to_owned(), premise: premise.map(str::to_owned), searches };
    let median = taken.median().map_or("not found".to_owned(), |orders| format!("{orders} orders"));
    output::line(format_args!("{median:>14}   {name}   {}", taken.harms().join("; ")));
    Ok(taken)
}
