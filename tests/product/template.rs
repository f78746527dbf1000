//! The template and the code agree: times (docs/lifecycle.md#time), settings, names.

use std::{collections::BTreeSet, time::Duration};

use posnext_aws::{
    adapters::orders::DUE_INDEX,
    settings::{Allowed, settings},
};
use posnext_shared::domain::policy::{API_FUNCTION_TIMEOUT, Policy, WORKER_FUNCTION_TIMEOUT};
use serde_yaml_ng::Value;

use crate::support::ROOT;

/// API Gateway answers 504 after this.
const GATEWAY_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn template() -> Value {
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
    for function in ["SubmitOrder", "GetOrder", "WatchOrders"] {
        let timeout = seconds(&template, function, "Timeout");
        assert_eq!(timeout, API_FUNCTION_TIMEOUT, "{function}");
        assert!(policy.answer_deadline < timeout && timeout < GATEWAY_LIMIT);
    }
    for function in ["ProcessOrder", "RecoverOrders", "AnnounceOrders", "DeliverWebhooks"] {
        assert_eq!(seconds(&template, function, "Timeout"), WORKER_FUNCTION_TIMEOUT, "{function}");
    }
    assert!(policy.worker_budget() < WORKER_FUNCTION_TIMEOUT);
    assert!(policy.worker_lease() > policy.worker_budget() && policy.submit_lease() > policy.answer_deadline);
    let visibility = seconds(&template, "OrdersQueue", "VisibilityTimeout");
    let mapping = &template["Resources"]["OrdersQueueMapping"]["Properties"];
    let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0);
    assert!(visibility >= WORKER_FUNCTION_TIMEOUT * 6 + Duration::from_secs(window));
    assert!(seconds(&template, "WebhooksQueue", "VisibilityTimeout") >= WORKER_FUNCTION_TIMEOUT * 6);
    // A dead worker's order comes back by its due time long before the queue would bring it.
    assert!(policy.worker_lease() < visibility);
}

/// The parameter that a variable is set to, if it is one.
pub(crate) fn parameter_of<'a>(template: &'a Value, variable: &str) -> Option<(&'a str, &'a Value)> {
    let Value::Tagged(reference) = &template["Globals"]["Function"]["Environment"]["Variables"][variable] else { return None };
    let name = reference.value.as_str()?;
    Some((name, template["Parameters"].get(name)?))
}

/// A default or a value of the template as the variable will hold it.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| serde_yaml_ng::to_string(value).unwrap().trim().to_owned(), str::to_owned)
}

#[test]
fn every_setting_is_set_and_every_one_set_is_read() {
    let template = template();
    let variables = template["Globals"]["Function"]["Environment"]["Variables"].as_mapping().unwrap().clone();
    // The C library's is no setting of ours.
    let set: BTreeSet<&str> =
        variables.keys().map(|name| name.as_str().unwrap()).filter(|name| *name != "GLIBC_TUNABLES").collect();
    let read: BTreeSet<&str> = settings().map(|setting| setting.name).collect();
    assert_eq!(set, read);
}

#[test]
fn a_parameter_has_the_default_and_the_range_of_the_setting_it_sets() {
    let template = template();
    let mut compared = 0;
    for setting in settings() {
        let Some((name, parameter)) = parameter_of(&template, setting.name) else { continue };
        compared += 1;
        assert_eq!(Some(text(&parameter["Default"]).as_str()), setting.default, "{name}");
        let bounds = (parameter["MinValue"].as_u64(), parameter["MaxValue"].as_u64());
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
        let allowed: BTreeSet<String> = parameter["AllowedValues"].as_sequence().into_iter().flatten().map(text).collect();
        match setting.allowed {
            Allowed::Text => assert!(bounds == (None, None) && allowed.is_empty(), "{name}"),
            Allowed::Flag => assert_eq!(allowed, texts(&["true", "false"]), "{name}"),
            Allowed::OneOf(these) => assert_eq!(allowed, texts(these), "{name}"),
            Allowed::Number { least, most, .. } | Allowed::Status { least, most } => {
                assert_eq!(bounds, (Some(least), Some(most)), "{name}");
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn a_changed_setting_makes_a_new_version_of_every_function() {
    // The alias serves a version, and a version keeps the variables it was published with.
    let template = template();
    let mut named: BTreeSet<&str> =
        settings().filter_map(|setting| parameter_of(&template, setting.name)).map(|(name, _)| name).collect();
    // On these it depends whether some resources are named at all.
    named.extend(["Webhooks", "WebSocket"]);
    for (function, properties) in functions(&template) {
        let Value::Tagged(description) = &properties["VersionDescription"] else {
            panic!("{function} has no VersionDescription")
        };
        let text = description.value.as_str().unwrap();
        let says: BTreeSet<&str> = text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
        assert_eq!(says, named, "{function}");
    }
}

fn functions(template: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let resources = template["Resources"].as_mapping().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"]))
}

#[test]
fn whatever_calls_a_function_calls_its_alias() {
    let template = template();
    assert_eq!(template["Globals"]["Function"]["AutoPublishAlias"], Value::from("live"));
    let names: Vec<&str> = functions(&template).map(|(name, _)| name).collect();
    let callers = [
        ("AWS::ApiGatewayV2::Integration", "IntegrationUri"),
        ("AWS::Lambda::Permission", "FunctionName"),
        ("AWS::Lambda::EventSourceMapping", "FunctionName"),
    ];
    let mut called = BTreeSet::new();
    for (_, resource) in template["Resources"].as_mapping().unwrap() {
        let Some((_, property)) = callers.iter().find(|(kind, _)| resource["Type"] == *kind) else { continue };
        let mut property = &resource["Properties"][*property];
        // A WebSocket API takes the function's address with more around it.
        if let Value::Tagged(sub) = property
            && sub.tag == "Sub"
        {
            property = &sub.value[1]["Function"];
        }
        let Value::Tagged(reference) = property else { panic!("{resource:?}") };
        let (function, qualifier) = reference.value.as_str().unwrap().split_once('.').unwrap();
        assert!(reference.tag == "Ref" && qualifier == "Alias" && names.contains(&function), "{resource:?}");
        called.insert(function.to_owned());
    }
    // The schedule is an event of its function, and SAM points those at the alias.
    assert!(called.len() == 8 && !called.contains("RecoverOrders"), "{called:?}");
}

#[test]
fn what_holds_orders_outlives_the_stack_and_every_log_ends() {
    let template = template();
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        let (name, kind) = (name.as_str().unwrap(), resource["Type"].as_str().unwrap());
        let kept = matches!(name, "OrdersTable" | "DirectoryTable" | "MenusTable" | "OrdersDeadLetterQueue");
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            assert_eq!(resource[policy] == "Retain", kept, "{policy} of {name}");
        }
        if kind == "AWS::Logs::LogGroup" {
            assert!(!resource["Properties"]["RetentionInDays"].is_null(), "{name}");
        }
    }
    assert_eq!(template["Globals"]["Function"]["Tracing"], Value::from("Active"));
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
    assert_eq!(resources.len(), 8);
    let own = [":secret:${AWS::StackName}/*", ":secret:${AWS::StackName}/webhook/*"];
    assert!(resources.iter().all(|line| own.iter().any(|own| line.ends_with(own))), "{resources:?}");
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
        assert_eq!(overrides.contains("Deployment=Canary"), environment != "dev");
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
