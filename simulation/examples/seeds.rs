//! Scratch.
use posnext_simulation::{Options, run};
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let began = std::time::Instant::now();
    let mut harmed = 0;
    let mut total = std::collections::BTreeMap::new();
    for seed in args[0]..args[1] {
        let ended = run(&Options { told: args.len() > 2, ..Options::of(seed) }).unwrap();
        for (f, n) in &ended.counts {
            *total.entry(*f).or_insert(0) += n;
        }
        if args.len() > 2 {
            print!("{}", ended.story);
        }
        if !ended.harms.is_empty() {
            harmed += 1;
            println!("seed {seed}:");
            for harm in &ended.harms {
                println!("   {harm}");
            }
        }
    }
    println!("{harmed} of {} harmed, {:?}", args[1] - args[0], began.elapsed());
    println!("{total:?}");
}
