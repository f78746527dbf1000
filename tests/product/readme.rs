//! README says what is so.

use crate::support::ROOT;

#[test]
fn ci_runs_the_test_command_of_readme() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let ci = std::fs::read_to_string(format!("{ROOT}/.ci/run")).unwrap();
    assert!(readme.contains("\ntests/run\n") && ci.contains("tests/run"));
}
