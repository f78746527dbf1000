//! The template and the code agree: times (design section 6), settings, names.

use std::{collections::BTreeSet, time::Duration};

use posnext_shared::{
    adapters::orders::DUE_INDEX,
    domain::policy::{API_FUNCTION_TIMEOUT, Policy, WORKER_FUNCTION_TIMEOUT},
    settings::SETTINGS,
};
use serde_yaml_ng::Value;

use crate::support::ROOT;

/// API Gateway answers 504 after this.
const GATEWAY_LIMIT: Duration = Duration::from_secs(30);

fn template() -> Value {
    serde_yaml_ng::from_str(&std::fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap()).unwrap()
}

fn property(template: &Value, resource: &str, name: &str) -> Value {
    let value = &template["Resources"][resource]["Properties"][name];
    assert!(!value.is_null(), "{resource} has no {name}");
    value.clone()
}

fn seconds(template: &Value, resource: &str, name: &str) -> Duration {
    Duration::from_secs(property(template, resource, name).as_u64().unwrap())
}

fn default(template: &Value, parameter: &str) -> u64 {
    template["Parameters"][parameter]["Default"].as_u64().unwrap()
}

#[test]
fn every_time_out_is_above_the_sum_of_what_runs_within_it() {
    let template = template();
    let policy = Policy::new(
        Duration::from_secs(default(&template, "OrderDeadlineS")),
        Duration::from_millis(default(&template, "AnswerDeadlineMs")),
    );
    for function in ["SubmitOrder", "GetOrder"] {
        let timeout = seconds(&template, function, "Timeout");
        assert_eq!(timeout, API_FUNCTION_TIMEOUT, "{function}");
        assert!(policy.answer_deadline < timeout && timeout < GATEWAY_LIMIT);
    }
    for function in ["ProcessOrder", "RecoverOrders"] {
        assert_eq!(seconds(&template, function, "Timeout"), WORKER_FUNCTION_TIMEOUT, "{function}");
    }
    assert!(policy.worker_budget() < WORKER_FUNCTION_TIMEOUT);
    assert!(policy.worker_lease() > policy.worker_budget() && policy.submit_lease() > policy.answer_deadline);
    let visibility = seconds(&template, "OrdersQueue", "VisibilityTimeout");
    let mapping = &template["Resources"]["OrdersQueueMapping"]["Properties"];
    let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0);
    assert!(visibility >= WORKER_FUNCTION_TIMEOUT * 6 + Duration::from_secs(window));
    // A dead worker's order comes back by its due time long before the queue would bring it.
    assert!(policy.worker_lease() < visibility);
}

#[test]
fn every_setting_is_set_and_every_one_set_is_read() {
    let template = template();
    let variables = template["Globals"]["Function"]["Environment"]["Variables"].as_mapping().unwrap().clone();
    let set: BTreeSet<&str> = variables.keys().map(|name| name.as_str().unwrap()).collect();
    let read: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(set, read);
    // Where the template has a default of its own, it is the code's.
    for (name, parameter) in [
        ("POSNEXT_ANSWER_DEADLINE_MS", "AnswerDeadlineMs"),
        ("POSNEXT_ORDER_DEADLINE_S", "OrderDeadlineS"),
        ("POSNEXT_RETENTION_DAYS", "RetentionDays"),
        ("POSNEXT_GUARD_HOURS", "GuardHours"),
        ("POSNEXT_LOCATION_RATE", "LocationRate"),
    ] {
        let code = SETTINGS.iter().find(|setting| setting.name == name).unwrap().default.unwrap();
        assert_eq!(default(&template, parameter).to_string(), code, "{name}");
    }
    assert_eq!(template["Parameters"]["AllowSandbox"]["Default"], Value::from("false"));
}

#[test]
fn the_index_of_open_orders_is_the_one_the_code_reads() {
    let indexes = property(&template(), "OrdersTable", "GlobalSecondaryIndexes");
    let index = &indexes[0];
    assert_eq!(index["IndexName"], Value::from(DUE_INDEX));
    let keys: Vec<_> =
        index["KeySchema"].as_sequence().unwrap().iter().map(|key| key["AttributeName"].as_str().unwrap()).collect();
    assert_eq!(keys, ["due_shard", "due_at"]);
    assert_eq!(index["Projection"]["NonKeyAttributes"][0], Value::from("acc"));
}

#[test]
fn the_queue_mapping_reports_each_failed_message() {
    let template = template();
    let mapping = &template["Resources"]["OrdersQueueMapping"]["Properties"];
    assert_eq!(mapping["FunctionResponseTypes"][0], Value::from("ReportBatchItemFailures"));
    assert_eq!(mapping["BatchSize"], Value::from(10));
}

#[test]
fn every_function_may_read_secrets_under_the_stacks_own_prefix_only() {
    let text = std::fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap();
    let resources: Vec<_> = text
        .lines()
        .skip_while(|line| !line.contains("GetSecretValue"))
        .filter(|line| line.contains(":secretsmanager:"))
        .map(str::trim)
        .collect();
    assert_eq!(resources.len(), 5);
    assert!(resources.iter().all(|line| line.ends_with(":secret:${AWS::StackName}/*")), "{resources:?}");
}

#[test]
fn each_environment_names_its_stack_and_region_and_production_takes_no_sandbox() {
    let text = std::fs::read_to_string(format!("{ROOT}/samconfig.toml")).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let mut stacks = BTreeSet::new();
    for environment in ["dev", "staging", "production"] {
        let parameters = &config[environment]["deploy"]["parameters"];
        // Nothing is inherited from another environment, so each must say it.
        assert!(parameters["region"].as_str().is_some() && parameters["capabilities"].as_str() == Some("CAPABILITY_IAM"));
        assert!(stacks.insert(parameters["stack_name"].as_str().unwrap().to_owned()));
        let overrides = parameters["parameter_overrides"].as_str().unwrap();
        assert_eq!(overrides.contains("AllowSandbox=true"), environment != "production");
        assert_eq!(overrides.contains("DeletionProtection=false"), environment == "dev");
        for (name, _) in overrides.split_whitespace().map(|pair| pair.split_once('=').unwrap()) {
            assert!(!template()["Parameters"][name].is_null(), "{environment} sets {name}, which is no parameter");
        }
    }
}

#[test]
fn a_panic_unwinds_in_a_release_build() {
    // cargo lambda, and with it sam, builds with panic=abort where the profile says nothing.
    let manifest: toml::Table = std::fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["profile"]["release"]["panic"].as_str(), Some("unwind"));
}
