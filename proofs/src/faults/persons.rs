//! Persons who decide while all this goes on: `posnext admin ask` and `end`, about orders that wait for a person, and about
//! orders that somebody works on. What they say of an order is what they see at the POS.

use std::{collections::BTreeMap, process::Stdio, sync::Arc, sync::PoisonError, time::Duration};

use anyhow::Context;
use posnext_aws::adapters::orders::OrderTable;
use posnext_local::local::CLIENT_ID;
use posnext_shared::{
    app::ports::{ListOpen, ReadOrder},
    domain::record::{OrderRecord, Row},
};
use tokio::process::Command;

use super::{chaos::Chaos, ledger, meals, tables};
use posnext_local::pos::Entry;

/// Between two looks at what is open.
const PAUSE: Duration = Duration::from_secs(1);
/// Orders that are looked at, and that somebody decides about, at a time.
const LOOKS: usize = 24;
const DECIDES: usize = 3;

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Ask,
    EndPlaced,
    EndRejected,
    EndErrored,
}

impl Verb {
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Ask, "admin ask"),
        (Self::EndPlaced, "admin end --placed"),
        (Self::EndRejected, "admin end --rejected"),
        (Self::EndErrored, "admin end --errored"),
    ];
}

/// How often each was done, and how often refused: by the rules, or because something failed.
pub(super) type Decided = BTreeMap<Verb, [u64; 2]>;

/// Decides as long as anything goes wrong.
pub(super) async fn play(chaos: Arc<Chaos>, pos: String, seed: u64) -> anyhow::Result<Decided> {
    let (mut decided, mut random) = (Decided::new(), fastrand::Rng::with_seed(seed));
    while !chaos.is_over() {
        tokio::time::sleep(PAUSE).await;
        // Where the services are stopped or killed meanwhile, somebody looks again.
        let Ok(meals) = meals(&pos).await else { continue };
        let Ok(table) = tables::orders(&chaos).await else { continue };
        let Ok(records) = look(&table, &mut random).await else { continue };
        for record in records {
            let meal = meals.get(&format!("{CLIENT_ID}.{}", record.key.request_uid));
            let Some((verb, arguments)) = decision(&record, meal, &mut random) else { continue };
            let done = admin(&chaos, &arguments).await?;
            let [yes, no] = decided.entry(verb).or_default();
            *(if done { yes } else { no }) += 1;
        }
    }
    Ok(decided)
}

/// A few open orders, those first that wait for a person.
async fn look(table: &OrderTable, random: &mut fastrand::Rng) -> anyhow::Result<Vec<OrderRecord>> {
    let mut entries = table.list_open(8_000).await?;
    random.shuffle(&mut entries);
    let mut records = Vec::new();
    for entry in entries.into_iter().take(LOOKS) {
        if let Some(Row::Order(record)) = table.read(&entry.key).await? {
            records.push(*record);
        }
    }
    records.sort_by_key(|record| record.open().is_none_or(|open| open.person.is_none()));
    records.truncate(DECIDES);
    Ok(records)
}

/// What a person decides who sees this at the POS, and the arguments for it.
fn decision(record: &OrderRecord, meal: Option<&Entry>, random: &mut fastrand::Rng) -> Option<(Verb, Vec<String>)> {
    let order = format!("{CLIENT_ID}#{}", record.key.request_uid);
    if random.u8(0..3) == 0 {
        return Some((Verb::Ask, vec!["ask".to_owned(), order]));
    }
    let meals = meal.map(|entry| entry.meals.as_slice()).unwrap_or_default();
    // One who sees that something is on its way waits.
    if meals.len() > 1 || meal.is_some_and(|entry| entry.landing) {
        return None;
    }
    let waits = record.open()?.person.is_some();
    // It can be asked: then it is, and what it says counts. Else what is seen there does.
    let asking = if ledger::cannot_be_asked(record) && waits { "--without-asking" } else { "--reason" };
    let (verb, how) = match meals.first() {
        Some(id) => (Verb::EndPlaced, vec!["--placed".to_owned(), id.clone()]),
        None if random.bool() => (Verb::EndRejected, vec!["--rejected".to_owned()]),
        None => (Verb::EndErrored, vec!["--errored".to_owned()]),
    };
    let why = [asking.to_owned(), "seen at the POS, says the fault run".to_owned()];
    Some((verb, [vec!["end".to_owned(), order], how, why.into()].concat()))
}

/// Runs the command; whether it was done.
async fn admin(chaos: &Chaos, arguments: &[String]) -> anyhow::Result<bool> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("admin").args(arguments).env_clear().envs(chaos.settings.read().unwrap_or_else(PoisonError::into_inner).clone());
    {
        let upstreams = chaos.upstreams.read().unwrap_or_else(PoisonError::into_inner);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", &upstreams.dynamodb).env("AWS_ENDPOINT_URL_SQS", &upstreams.sqs);
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command.status().await.context("cannot run `posnext-ops admin`")?.success())
}
