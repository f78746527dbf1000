//! The life of one order, explored whole.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(unreachable_pub, reason = "all of it is one test")]

mod drain;
mod model;
mod pos;
mod premises;
mod product;
mod properties;
mod state;
mod table;
mod tidy;
mod time;

use std::time::Instant;

use posnext_shared::domain::ability::{Abilities, Find};
use stateright::{Checker, Model};

use model::OrderModel;
use premises::Premise;
use product::{Product, Tenure, Times};
use time::Clock;

const TIMES: Times = Times {
    deadline: 20,
    pos_limit: 2,
    settle: 2,
    submit: Tenure { lease: 3, timeout: 4 },
    worker: Tenure { lease: 3, timeout: 5 },
};

fn abilities(idempotent_place: bool, find: bool, cancel: bool) -> Abilities {
    let settle_s = TIMES.settle.unsigned_abs().into();
    Abilities { idempotent_place, find: find.then_some(Find { settle_s }), cancel }
}

fn order_model(declared: Abilities, clock: Clock, without: Option<Premise>) -> OrderModel {
    OrderModel::new(Product::new(declared, TIMES, without), clock)
}

fn explore(name: &str, declared: Abilities, clock: Clock) {
    let began = Instant::now();
    let checker = order_model(declared, clock, None).checker().threads(1).timeout(std::time::Duration::from_secs(60)).spawn_bfs().join();
    println!(
        "{name}: {} unique states, {} generated, depth {}, {:?}, drained {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed(), checker.model().drained.lock().unwrap().len()
    );
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            println!("{name}");
            for (state, step) in path.into_vec() { match step { Some(step) => println!("    {step:?}"), None => println!("  {state:?}") } }
        } else {println!("  {name}: {}", path.into_vec().len());}
    }
}

#[test]
fn t_none() { explore("none", abilities(false, false, false), Clock::Moments) }
#[test]
fn t_idem() { explore("idem", abilities(true, false, false), Clock::Moments) }
#[test]
fn t_find() { explore("find", abilities(false, true, false), Clock::Moments) }
#[test]
fn t_cancel() { explore("cancel", abilities(false, false, true), Clock::Moments) }
#[test]
fn t_all() { explore("all", abilities(true, true, true), Clock::Moments) }
