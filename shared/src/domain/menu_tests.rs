use super::*;

fn modifier(id: &str, groups: &[&str]) -> String {
    format!(r#"{{"id":"{id}","name":"{id}","price":0.50,"modifier_groups":{groups:?}}}"#)
}

fn group(id: &str, modifiers: &[String]) -> String {
    format!(r#"{{"id":"{id}","name":"{id}","min":0,"max":2,"modifiers":[{}]}}"#, modifiers.join(","))
}

fn menu(groups: &[String], product_groups: &[&str]) -> String {
    format!(
        r#"{{"currency":"USD","categories":[{{"id":"c","name":"C","products":["p"]}}],
            "products":[{{"id":"p","name":"P","price":18.15,"modifier_groups":{product_groups:?}}}],"modifier_groups":[{}]}}"#,
        groups.join(",")
    )
}

#[track_caller]
fn faults(text: &str) -> String {
    Menu::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_menu_reads_back_as_it_was_written_to_the_cent() {
    let text = menu(&[group("g", &[modifier("m", &["h"])]), group("h", &[modifier("m", &[])])], &["g"]);
    let menu = Menu::parse(text.as_bytes()).unwrap();
    assert_eq!(menu.product("p").unwrap().price, Cents(1815));
    assert_eq!(menu.group("h").unwrap().modifiers[0].price, Cents(50));
    assert!(menu.knows("p") && menu.knows("m") && !menu.knows("g"));
    let written = menu.to_json();
    assert!(written.contains(r#""price":18.15"#), "{written}");
    assert_eq!(Menu::parse(written.as_bytes()).unwrap().content(), menu.content());

    let restored = Menu::restore(written.as_bytes()).unwrap();
    assert_eq!((restored.content(), restored.written()), (menu.content(), menu.written()));
    assert_eq!((restored.product("p"), restored.group("h")), (menu.product("p"), menu.group("h")));
    assert!(restored.knows("m") && Menu::restore(b"no menu").is_err());
}

#[test]
fn every_reference_leads_somewhere() {
    let text = menu(&[group("g", &[modifier("m", &["lost"])])], &["gone"]).replace(r#"["p"]"#, r#"["absent"]"#);
    let why = faults(&text);
    for expected in [
        "no product absent",
        "product p: there is no modifier group gone",
        "modifier m in group g: there is no modifier group lost",
    ] {
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn a_modifier_that_could_be_of_two_groups_is_refused() {
    let text = menu(&[group("g", &[modifier("m", &[])]), group("h", &[modifier("m", &[])])], &["g", "h"]);
    assert!(faults(&text).contains("product p: offers modifier m twice"));
}

#[test]
fn groups_that_open_themselves_are_refused_and_deep_ones_are_counted() {
    let cycle = menu(&[group("g", &[modifier("m", &["h"])]), group("h", &[modifier("n", &["g"])])], &["g"]);
    assert!(faults(&cycle).contains("opens itself"));
    let chain = |levels: usize| {
        let level = |i: usize| {
            let next = if i + 1 < levels { vec![format!("g{}", i + 1)] } else { Vec::new() };
            let next: Vec<&str> = next.iter().map(String::as_str).collect();
            group(&format!("g{i}"), &[modifier(&format!("m{i}"), &next)])
        };
        menu(&(0..levels).map(level).collect::<Vec<_>>(), &["g0"])
    };
    assert!(Menu::parse(chain(DEEPEST).as_bytes()).is_ok());
    assert!(faults(&chain(DEEPEST + 1)).contains("deep"));
    assert!(faults(&chain(5_000)).contains("deep"));
}

#[test]
fn a_wide_menu_of_shared_groups_is_measured_once_a_group() {
    // Every level opens the next one a hundred times: counted path by path this would be 100^10.
    let level = |i: usize| {
        let next = if i < 9 { vec![format!("g{}", i + 1)] } else { Vec::new() };
        let next: Vec<&str> = next.iter().map(String::as_str).collect();
        group(&format!("g{i}"), &(0..100).map(|n| modifier(&format!("m{i}-{n}"), &next)).collect::<Vec<_>>())
    };
    assert!(Menu::parse(menu(&(0..10).map(level).collect::<Vec<_>>(), &["g0"]).as_bytes()).is_ok());
}

#[test]
fn what_is_wrong_is_said_at_once_and_not_endlessly() {
    let text =
        menu(&[group("g", &[])], &[]).replace("USD", "usd").replace("18.15", "-1").replace(r#""max":2"#, r#""min":3,"max":2"#);
    let why = faults(&text.replace(r#""min":0,"#, ""));
    for expected in ["ISO 4217", "must not be negative", "min not more than max", "modifiers must not be empty"] {
        assert!(why.contains(expected), "{why}");
    }
    let products: Vec<String> = (0..100).map(|_| r#"{"id":"p","name":"P","price":1}"#.to_owned()).collect();
    let why = faults(&format!(r#"{{"currency":"USD","products":[{}]}}"#, products.join(",")));
    assert!(why.contains("product p: the id is used twice") && why.ends_with("and 79 more"), "{why}");
}

#[test]
fn prices_are_whole_cents_and_never_texts() {
    for price in ["\"9.25\"", "9.255", "null", "true", "1e40"] {
        let text = menu(&[], &[]).replace("18.15", price);
        assert!(faults(&text).contains("at most two decimals"), "{price}: {}", faults(&text));
    }
}

#[test]
fn what_is_no_menu_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"currency":"USD","products":[]}"#,
        r#"{"currency":"USD","products":[{"id":"","name":"x","price":1}]}"#,
    ] {
        assert!(Menu::parse(text.as_bytes()).is_err(), "{text}");
    }
    let large = vec![b' '; LARGEST_MENU + 1];
    assert!(Menu::parse(&large).unwrap_err().to_string().contains("bytes"));
}

#[test]
fn a_menu_that_is_taken_can_be_read_back_however_short_it_was_written() {
    let products: Vec<String> = (0..60_000).map(|id| format!(r#"{{"id":"{id}","name":"","price":1}}"#)).collect();
    let text = format!(r#"{{"currency":"USD","products":[{}]}}"#, products.join(","));
    assert!(text.len() < LARGEST_MENU);
    match Menu::parse(text.as_bytes()) {
        Ok(menu) => assert!(Menu::parse(menu.to_json().as_bytes()).is_ok(), "taken, and never to be read again"),
        Err(error) => assert!(error.to_string().contains("written out"), "{error}"),
    }
}

#[test]
fn a_fault_is_told_in_a_line_of_a_log_whatever_the_menu_says() {
    let endless = "x".repeat(1 << 20);
    for text in [
        menu(&[], &[&endless]),
        menu(&[], &[]).replace("\"p\"", &format!("\"{endless}\"")),
        menu(&[], &[]).replace("18.15", &format!("\"{endless}\"")),
        menu(&[], &[]).replace("[\"p\"]", &format!("\"{endless}\"")),
    ] {
        assert!(faults(&text).len() < 16 * 1024);
    }
}

#[test]
fn nothing_offers_more_than_an_order_can_be_checked_against() {
    let group_of = |size: usize| group("g", &(0..size).map(|id| modifier(&format!("m{id}"), &[])).collect::<Vec<_>>());
    assert!(Menu::parse(menu(&[group_of(MOST_OFFERED)], &["g"]).as_bytes()).is_ok());
    assert!(faults(&menu(&[group_of(MOST_OFFERED + 1)], &["g"])).contains("product p: offers more than 500 modifiers"));
}

#[test]
fn a_mark_and_half_an_emoji_cost_no_menu_and_a_fault_is_where_it_says() {
    let text = r#"{"currency":"USD","\ud83d":1,"products":[{"id":"a","name":"Soup \ud83c","description":"\udf2e","price":1}]}"#;
    let menu = Menu::parse(format!("\u{feff}{text}").as_bytes()).unwrap();
    let soup = menu.product("a").unwrap();
    assert_eq!((soup.name.as_str(), soup.description.as_deref()), ("Soup \u{fffd}", Some("\u{fffd}")));
    assert!(Menu::restore(menu.to_json().as_bytes()).is_ok());
    let fault = |text: &[u8]| Menu::parse(text).unwrap_err().0.remove(0);
    let place = format!("line 1 column {}", text.find("1}]").unwrap() + 1);
    assert!(fault(text.replace("1}]", "x}]").as_bytes()).contains(&place));
    assert!(fault(b"{\n\"currency\":\"\xe9\"}").contains("byte 0xe9 at line 2 column 13"));
}
