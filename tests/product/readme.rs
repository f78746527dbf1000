//! README says what is so.

use posnext_shared::settings::SETTINGS;

use crate::support::ROOT;

#[test]
fn readme_names_every_setting_with_its_default() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    for setting in SETTINGS {
        let default = match setting.default {
            None => "required".to_owned(),
            Some("") => String::new(),
            Some(default) => format!("`{default}`"),
        };
        let row = format!("| `{}` | {default} | {} |", setting.name, setting.meaning);
        assert!(readme.contains(&row), "README lacks the row:\n{row}");
    }
}

#[test]
fn ci_runs_the_test_command_of_readme() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let ci = std::fs::read_to_string(format!("{ROOT}/.ci/run")).unwrap();
    assert!(readme.contains("\ntests/run\n") && ci.contains("tests/run"));
}
