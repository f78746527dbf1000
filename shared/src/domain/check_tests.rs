use super::*;
use crate::domain::{
    directory::{Connector, Mode, SandboxConnector},
    ids::ParId,
    order::Body,
};

const MENU: &str = r#"{"currency":"USD","products":[
    {"id":"4711","name":"Margherita","price":9.25,"modifier_groups":["size","extra"]},
    {"id":"lemonade","name":"Lemonade","price":3.00},
    {"id":"sushi","name":"Sushi by weight","price":19.99},
    {"id":"gone","name":"Soup of yesterday","price":4.35,"available":false}],
  "modifier_groups":[
    {"id":"size","name":"Size","min":1,"max":1,"modifiers":[
      {"id":"s","name":"Small","price":0.00},{"id":"l","name":"Large","price":2.50,"modifier_groups":["crust"]}]},
    {"id":"crust","name":"Crust","max":1,"modifiers":[{"id":"thin","name":"Thin","price":-0.29},{"id":"thick","name":"Thick","price":0.29,"available":false}]},
    {"id":"extra","name":"Extras","max":3,"modifiers":[{"id":"basil","name":"Basil","price":0.50}]}]}"#;

const WIDE: usize = 500;
const PIZZA: &str = r#"{"id":"4711","quantity":2,"price":9.25,"modifiers":[{"id":"l","modifiers":[{"id":"thin"}]},{"id":"basil","quantity":2,"price":0.5}]}"#;

fn location(enabled: bool) -> Location {
    let id = |text: &str| ParId::new(text).unwrap();
    Location {
        organization_id: id("O"),
        location_id: id("L"),
        internal_id: "l".into(),
        enabled,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Sandbox(SandboxConnector::prompt()),
    }
}

fn order(details: &str) -> Order {
    let text = format!(
        r#"{{"request_uid":"u","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{details}}}"#
    );
    Body::parse(text.as_bytes()).unwrap().into_order().unwrap()
}

fn rules(prices: PricePolicy) -> Rules {
    Rules { prices, menu_required: false }
}

fn checked_by(prices: PricePolicy, details: &str, sold_out: &[&str]) -> Result<Totals, Vec<OrderError>> {
    let menu = Menu::parse(MENU.as_bytes()).unwrap();
    let sold_out = sold_out.iter().map(|id| (*id).to_owned()).collect();
    let order = order(details);
    let checked = check(&location(true), Some(Offer { menu: &menu, sold_out: &sold_out }), &order, rules(prices));
    checked.map(|calculated| calculated.unwrap_or_else(|| order.totals()))
}

fn checked(details: &str) -> Result<Totals, Vec<OrderError>> {
    checked_by(PricePolicy::Reject, details, &[])
}

#[track_caller]
fn reasons(details: &str) -> Vec<(ErrorCode, String)> {
    let errors = checked(details).unwrap_err();
    errors.into_iter().map(|error| (error.code, error.field.unwrap_or_default())).collect()
}

fn totals(subtotal: i64, grand_total: i64) -> Totals {
    Totals { subtotal: Some(Cents(subtotal)), grand_total: Some(Cents(grand_total)) }
}

#[test]
fn an_order_adds_up_with_nested_modifiers_discounts_taxes_fees_and_tip() {
    // 2 x (9.25 + 2.50 - 0.29 + 2 x 0.50) = 24.92
    assert_eq!(checked(&format!(r#"{{"items":[{PIZZA}]}}"#)), Ok(totals(2492, 2492)));
    let all = format!(
        r#"{{"items":[{PIZZA},{{"id":"lemonade"}}],"discounts":[{{"amount":-2}}],"taxes":[{{"amount":1.95}}],"fees":[{{"amount":0.99}}],
            "tip":3,"subtotal":27.92,"grand_total":31.86}}"#
    );
    assert_eq!(checked(&all), Ok(totals(2792, 3186)));
    assert_eq!(checked(&all.replace("-2", "2.00")), Ok(totals(2792, 3186)), "a discount reduces, whatever its sign");
}

#[test]
fn what_is_weighed_is_rounded_once_a_line_half_a_cent_up() {
    assert_eq!(
        checked(r#"{"items":[{"id":"sushi","quantity":0.5},{"id":"sushi","quantity":0.333}]}"#),
        Ok(totals(1000 + 666, 1666))
    );
}

#[test]
fn a_total_is_right_by_either_rounding_and_by_no_other() {
    let taxed = |grand_total: &str| {
        format!(
            r#"{{"items":[{{"id":"lemonade","quantity":3}}],"taxes":[{{"amount":1.734375}},{{"amount":0.485625}},{{"amount":0.346875}},
                {{"amount":0.2775}}],"subtotal":9.00,"grand_total":{grand_total}}}"#
        )
    };
    // Each tax rounded first: 1.73 + 0.49 + 0.35 + 0.28; rounded at the end: 2.844375.
    assert_eq!(checked(&taxed("11.85")), Ok(totals(900, 1185)));
    assert_eq!(checked(&taxed("11.84")), Ok(totals(900, 1184)), "what was given and is right stands");
    assert_eq!(checked_by(PricePolicy::Recalculate, &taxed("11.84"), &[]), Ok(totals(900, 1185)), "ours");
    for wrong in ["11.83", "11.86"] {
        let errors = checked(&taxed(wrong)).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].message, "the order adds up to 11.85 or 11.84");
    }
}

#[test]
fn a_subtotal_is_right_by_either_rounding_and_by_no_other() {
    // 6.65667 twice: 6.66 + 6.66, or 13.31334.
    let weighed = |subtotal: &str| {
        let line = r#"{"id":"sushi","quantity":0.333}"#;
        format!(r#"{{"items":[{line},{line}],"subtotal":{subtotal}}}"#)
    };
    assert_eq!(checked(&weighed("13.32")), Ok(totals(1332, 1332)));
    assert_eq!(checked(&weighed("13.31")), Ok(totals(1331, 1332)));
    for wrong in ["13.30", "13.33"] {
        assert_eq!(reasons(&weighed(wrong)), [(ErrorCode::PriceMismatch, "order_details.subtotal".to_owned())]);
    }
}

#[test]
fn discounts_that_another_rounding_makes_too_large_reject_nothing() {
    let details = r#"{"items":[{"id":"lemonade"}],"discounts":[{"amount":1.005},{"amount":1.995}],"grand_total":0.00}"#;
    assert_eq!(checked(details), Ok(totals(300, 0)), "1.01 + 2.00 would be more than the order");
}

#[test]
fn totals_that_binary_floats_would_cut_off_are_right_to_the_cent() {
    assert_eq!(checked(r#"{"items":[{"id":"sushi"}],"subtotal":19.99,"grand_total":19.99}"#), Ok(totals(1999, 1999)));
    assert_eq!(
        reasons(r#"{"items":[{"id":"sushi"}],"subtotal":19.98,"grand_total":19.989}"#),
        [(ErrorCode::PriceMismatch, "order_details.subtotal".to_owned())]
    );
}

#[test]
fn every_reason_is_told_at_once_with_its_path() {
    let details = r#"{"items":[
        {"id":"4711","price":9.24,"modifiers":[{"id":"l","modifiers":[{"id":"thick"},{"id":"basil"}]},{"id":"s"},{"id":"nuts"}]},
        {"id":"unknown"},{"name":"no id"},{"id":"gone"},{"id":"lemonade","quantity":0},7,{"id":"lemonade","quantity":"two"}],
        "tip":"much"}"#;
    use ErrorCode::{InvalidField, ItemUnavailable, MissingField, ModifierCount, PriceMismatch, UnknownItem, UnknownModifier};
    let expected = [
        (InvalidField, "tip"),
        (PriceMismatch, "items[0].price"),
        (ItemUnavailable, "items[0].modifiers[0].modifiers[0].id"),
        (UnknownModifier, "items[0].modifiers[0].modifiers[1].id"),
        (UnknownModifier, "items[0].modifiers[2].id"),
        (ModifierCount, "items[0].modifiers"),
        (UnknownItem, "items[1].id"),
        (MissingField, "items[2].id"),
        (ItemUnavailable, "items[3].id"),
        (InvalidField, "items[4].quantity"),
        (InvalidField, "items[5]"),
        (InvalidField, "items[6].quantity"),
    ];
    assert_eq!(reasons(details), expected.map(|(code, field)| (code, format!("order_details.{field}"))));
}

#[test]
fn a_group_wants_its_number_of_choices() {
    for (modifiers, right) in [
        (r#"[]"#, false),
        (r#"[{"id":"s"}]"#, true),
        (r#"[{"id":"s","quantity":2}]"#, false),
        (r#"[{"id":"s"},{"id":"basil","quantity":3}]"#, true),
        (r#"[{"id":"s"},{"id":"basil","quantity":2},{"id":"basil","quantity":2}]"#, false),
    ] {
        let result = checked(&format!(r#"{{"items":[{{"id":"4711","modifiers":{modifiers}}}]}}"#));
        assert_eq!(result.is_ok(), right, "{modifiers} {result:?}");
    }
}

#[test]
fn what_is_switched_off_is_not_available_as_item_or_as_modifier() {
    let details = format!(r#"{{"items":[{PIZZA},{{"id":"lemonade"}}]}}"#);
    let errors = checked_by(PricePolicy::Reject, &details, &["lemonade", "thin"]).unwrap_err();
    let fields: Vec<_> = errors.iter().filter_map(|error| error.field.as_deref()).collect();
    assert_eq!(fields, ["order_details.items[0].modifiers[0].modifiers[0].id", "order_details.items[1].id"]);
}

#[test]
fn an_order_of_nothing_is_refused_where_there_is_a_menu() {
    for (details, field) in [("{}", "items"), (r#"{"items":[]}"#, "items"), (r#"{"items":"two tacos"}"#, "items")] {
        assert_eq!(reasons(details)[0].1, format!("order_details.{field}"), "{details}");
    }
}

#[test]
fn the_price_policy_says_what_another_price_means() {
    let details = r#"{"items":[{"id":"lemonade","price":2.00}],"subtotal":2.00,"grand_total":2.00}"#;
    assert_eq!(checked_by(PricePolicy::Reject, details, &[]).unwrap_err().len(), 3);
    assert_eq!(checked_by(PricePolicy::Recalculate, details, &[]), Ok(totals(300, 300)));
    assert_eq!(checked_by(PricePolicy::Trust, details, &[]), Ok(totals(200, 200)));
}

#[test]
fn a_location_without_a_menu_lets_any_order_through_unless_a_menu_is_required() {
    let order = order(r#"{"grand_total":23.45,"items":"two tacos"}"#);
    let free = check(&location(true), None, &order, rules(PricePolicy::Reject));
    assert_eq!(free, Ok(None));
    let required = Rules { menu_required: true, ..rules(PricePolicy::Reject) };
    assert_eq!(check(&location(true), None, &order, required).unwrap_err()[0].code, ErrorCode::LocationClosed);
    assert_eq!(check(&location(false), None, &order, rules(PricePolicy::Reject)).unwrap_err()[0].code, ErrorCode::LocationClosed);
}

#[test]
fn a_location_that_is_off_says_so_beside_what_is_wrong_with_the_order() {
    let menu = Menu::parse(MENU.as_bytes()).unwrap();
    let offer = Offer { menu: &menu, sold_out: &HashSet::new() };
    let errors =
        check(&location(false), Some(offer), &order(r#"{"items":[{"id":"x"}]}"#), rules(PricePolicy::Reject)).unwrap_err();
    let codes: Vec<_> = errors.iter().map(|error| error.code).collect();
    assert_eq!(codes, [ErrorCode::LocationClosed, ErrorCode::UnknownItem]);
}

#[test]
fn thousands_of_reasons_are_counted_and_not_stored() {
    let items = vec![r#"{"id":"x"}"#; 5_000].join(",");
    let errors = checked(&format!(r#"{{"items":[{items}]}}"#)).unwrap_err();
    assert_eq!((errors.len(), errors[100].message.as_str()), (101, "and 4900 more reasons"));
}

#[test]
fn amounts_beyond_measure_are_refused_and_do_not_overflow() {
    for details in [
        r#"{"items":[{"id":"lemonade","quantity":79228162514264337593543950335}]}"#,
        r#"{"items":[{"id":"lemonade","quantity":1000000000000000000}]}"#,
        r#"{"items":[{"id":"4711","modifiers":[{"id":"l","quantity":79228162514264337593543950335},{"id":"s","quantity":79228162514264337593543950335}]}]}"#,
        r#"{"items":[{"id":"lemonade"}],"discounts":[{"amount":3.01}]}"#,
    ] {
        assert!(checked(details).is_err(), "{details}");
    }
}

#[test]
fn a_subtotal_that_no_submit_could_carry_is_not_validated() {
    let menu = MENU.replace("-0.29", "-20.00");
    let menu = Menu::parse(menu.as_bytes()).unwrap();
    let offer = Offer { menu: &menu, sold_out: &HashSet::new() };
    let details = r#"{"items":[{"id":"4711","modifiers":[{"id":"l","modifiers":[{"id":"thin"}]}]}],"taxes":[{"amount":9.00}]}"#;
    let errors = check(&location(true), Some(offer), &order(details), rules(PricePolicy::Reject)).unwrap_err();
    assert_eq!(errors[0].field.as_deref(), Some("order_details.subtotal"));
}

#[test]
fn who_is_trusted_need_not_be_added_up() {
    for details in [
        // The menu's price is 3.00: by the menu, the discount is more than the order.
        r#"{"items":[{"id":"lemonade","price":20.00}],"discounts":[{"amount":15}],"subtotal":20.00,"grand_total":5.00}"#,
        r#"{"items":[{"id":"lemonade"}],"taxes":{"vat":2},"tip":"none","subtotal":20.00,"grand_total":5.00}"#,
        r#"{"items":[{"id":"lemonade","price":{"amount":20.00}}],"subtotal":20.00,"grand_total":5.00}"#,
    ] {
        assert_eq!(checked_by(PricePolicy::Trust, details, &[]), Ok(totals(2000, 500)), "{details}");
    }
    let silent = r#"{"items":[{"id":"lemonade"}],"taxes":{"vat":2},"subtotal":20.00}"#;
    assert!(checked_by(PricePolicy::Trust, silent, &[]).is_err(), "what is not given must be added up");
    let unknown = r#"{"items":[{"id":"x"}],"subtotal":20.00,"grand_total":20.00}"#;
    assert!(checked_by(PricePolicy::Trust, unknown, &[]).is_err(), "nobody can cook what is not on the menu");
}

#[test]
fn one_reason_of_an_item_does_not_hide_another() {
    let details = r#"{"items":[{"id":"nope","quantity":0},{"id":"gone","price":"x"},
        {"id":"4711","modifiers":[{"id":"s"},{"id":"nuts","quantity":-1}]},{"id":"4711","modifiers":{}}]}"#;
    use ErrorCode::{InvalidField, ItemUnavailable, UnknownItem, UnknownModifier};
    let expected = [
        (InvalidField, "items[0].quantity"),
        (UnknownItem, "items[0].id"),
        (InvalidField, "items[1].price"),
        (ItemUnavailable, "items[1].id"),
        (InvalidField, "items[2].modifiers[1].quantity"),
        (UnknownModifier, "items[2].modifiers[1].id"),
        (InvalidField, "items[3].modifiers"),
    ];
    assert_eq!(reasons(details), expected.map(|(code, field)| (code, format!("order_details.{field}"))));
}

#[test]
fn a_hundred_reasons_are_small_whatever_the_menu_is_called() {
    let menu = MENU.replace("\"Size\"", &format!("\"{}\"", "S".repeat(100_000)));
    let menu = Menu::parse(menu.as_bytes()).unwrap();
    let offer = Offer { menu: &menu, sold_out: &HashSet::new() };
    let details = format!(r#"{{"items":[{}]}}"#, vec![r#"{"id":"4711"}"#; 200].join(","));
    let errors = check(&location(true), Some(offer), &order(&details), rules(PricePolicy::Reject)).unwrap_err();
    assert_eq!(errors.len(), 101);
    assert!(serde_json::to_string(&errors).unwrap().len() < 64 * 1024);
}

#[test]
fn millions_of_reasons_are_counted_and_never_written() {
    let group =
        |id: usize| format!(r#"{{"id":"g{id}","name":"","min":1,"max":1,"modifiers":[{{"id":"m{id}","name":"","price":0}}]}}"#);
    let owner: Vec<String> = (0..WIDE).map(|id| format!("\"g{id}\"")).collect();
    let menu = format!(
        r#"{{"currency":"USD","products":[{{"id":"p","name":"P","price":1,"modifier_groups":[{}]}}],"modifier_groups":[{}]}}"#,
        owner.join(","),
        (0..WIDE).map(group).collect::<Vec<_>>().join(",")
    );
    let menu = Menu::parse(menu.as_bytes()).unwrap();
    let offer = Offer { menu: &menu, sold_out: &HashSet::new() };
    let details = format!(r#"{{"items":[{}]}}"#, vec![r#"{"id":"p"}"#; 20_000].join(","));
    let errors = check(&location(true), Some(offer), &order(&details), rules(PricePolicy::Reject)).unwrap_err();
    assert_eq!((errors.len(), errors[100].message.as_str()), (101, "and 9999900 more reasons"));
}

#[path = "check_sums_tests.rs"]
mod against_plain_integers;
