//! The command line of the simulation.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;

use posnext_simulation::Found;

fn simulate(arguments: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_posnext-simulate")).args(arguments).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_seed_tells_its_story_and_its_end() {
    let (code, said) = simulate(&["--seed", "7", "--orders", "1,2", "--only", "none"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("submits o1 as par") && said.contains("submits o2 as par") && !said.contains("o3"), "{said}");
    assert!(said.ends_with("seed 7, 2 orders: every promise was kept, 0 faults\n"), "{said}");
}

#[test]
fn a_premise_that_is_broken_is_seen_and_the_story_shrinks_to_what_is_needed() {
    let find = ["--seeds", "1-200", "--orders", "0,1,2", "--first", "--break", "place-repeated"];
    let (code, said) = simulate(&find);
    assert!(code == Some(1) && said.contains("two meals of one order"), "{said}");
    let again = said.lines().find_map(|line| line.split_once(": posnext simulate ")).unwrap().1;
    let (code, told) = simulate(&[again.split(' ').collect::<Vec<_>>().as_slice(), &["--shrink"]].concat());
    assert!(code == Some(1) && told.contains("HARM"), "{told}");
    let shorter = told.lines().find_map(|line| line.strip_prefix("again: posnext simulate ")).unwrap();
    assert!(shorter.contains("--orders ") && shorter.contains("place-repeated"), "{shorter}");
    let (code, twice) = simulate(&shorter.split(' ').collect::<Vec<_>>());
    assert!(code == Some(1) && told.ends_with(&twice), "what is printed to run it again tells the same");
}

#[test]
fn what_it_is_told_to_do_is_refused_with_what_would_be_right() {
    let cases: [(&[&str], &str); 5] = [
        (&[], "--seed <N>"),
        (&["--seeds", "9-1"], "give the first and the last, for example --seeds 1-100"),
        (&["--seed", "1", "--only", "dice"], "nothing that can go wrong is called \"dice\"; --faults lists them"),
        (&["--seed", "1", "--orders", "24"], "24 is not in 0..24"),
        (&["--seeds", "1-2", "--shrink"], "cannot be used with"),
    ];
    for (arguments, advice) in cases {
        let (code, said) = simulate(arguments);
        assert!(code == Some(2) && said.contains(advice), "{arguments:?}: {said}");
    }
}

#[test]
fn what_can_go_wrong_is_listed_with_how_often_it_does() {
    let (code, said) = simulate(&["--faults"]);
    assert!(code == Some(0) && said.contains("reply-lost") && said.contains("pos-set-back"), "{said}");
}

#[test]
fn what_came_of_many_seeds_is_written_for_a_program_as_well() {
    let file = std::env::temp_dir().join(format!("posnext-simulate-{}.json", std::process::id()));
    let (code, said) = simulate(&["--seeds", "1-3", "--orders", "0,1", "--json", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let found: Found = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!((found.seeds, found.orders, found.harmed.len()), (3, 6, 0));
    assert!(found.faults > 0 && found.orders_a_second > 0, "{found:?}");
    assert!(said.contains(&format!("3 seeds, 6 orders, {} orders a second", found.orders_a_second)), "{said}");
}
