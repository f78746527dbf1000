//! Lambda ends a chain in which one function is invoked about 16 times by what it sent itself, unless the function's
//! `RecursiveLoop` allows it. So the template allows it where that is the design, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;

use crate::template::template;

/// Of each function and each resource, what it may lead to: what a function may write to, and whom that invokes.
type Leads = BTreeMap<String, BTreeSet<String>>;

/// The names of the template's resources in this part of it, however they are referred to.
fn named(template: &Value, part: &Value) -> BTreeSet<String> {
    let text = serde_yaml_ng::to_string(part).unwrap();
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let resources = template["Resources"].as_mapping().unwrap().keys().map(|name| name.as_str().unwrap());
    resources.filter(|name| words.contains(name)).map(str::to_owned).collect()
}

/// Whether an action of IAM changes nothing that could invoke anybody.
fn only_reads(action: &str) -> bool {
    let verb = action.split_once(':').unwrap().1;
    verb == "DeleteMessage" || ["Get", "Query", "Describe", "List", "Receive"].iter().any(|read| verb.starts_with(read))
}

/// What the statements of a function's policies let it write to.
fn writes(template: &Value, function: &Value) -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    let policies = function["Properties"]["Policies"].as_sequence().into_iter().flatten();
    for statement in policies.flat_map(|policy| policy["Statement"].as_sequence().unwrap()) {
        let statement = match statement {
            Value::Tagged(choice) => &choice.value[1],
            statement => statement,
        };
        let actions = &statement["Action"];
        let actions = actions.as_sequence().cloned().unwrap_or_else(|| vec![actions.clone()]);
        if !actions.iter().all(|action| only_reads(action.as_str().unwrap())) {
            written.append(&mut named(template, &statement["Resource"]));
        }
    }
    written
}

fn leads(template: &Value) -> Leads {
    let mut leads = Leads::new();
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        let (name, properties) = (name.as_str().unwrap().to_owned(), &resource["Properties"]);
        match resource["Type"].as_str().unwrap() {
            "AWS::Serverless::Function" => {
                for source in named(template, &properties["Events"]) {
                    leads.entry(source).or_default().insert(name.clone());
                }
                leads.entry(name).or_default().append(&mut writes(template, resource));
            }
            "AWS::Lambda::EventSourceMapping" => {
                let invoked = named(template, &properties["FunctionName"]);
                for source in named(template, &properties["EventSourceArn"]) {
                    leads.entry(source).or_default().extend(invoked.clone());
                }
            }
            "AWS::SQS::Queue" => {
                // What a queue puts aside is a message in another one.
                leads.entry(name).or_default().append(&mut named(template, &properties["RedrivePolicy"]));
            }
            _ => {}
        }
    }
    leads
}

/// Whether what this one writes may invoke it again, by whatever stands between.
fn comes_back(leads: &Leads, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![to];
    while let Some(here) = next.pop() {
        for there in leads.get(here).into_iter().flatten() {
            if there == to {
                return true;
            }
            if seen.insert(there) {
                next.push(there);
            }
        }
    }
    false
}

fn functions(template: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let resources = template["Resources"].as_mapping().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"]))
}

#[test]
fn lambda_lets_go_on_what_sends_to_the_queue_that_invokes_it_and_nothing_else() {
    let template = template();
    let leads = leads(&template);
    let mut allowed = BTreeSet::new();
    for (name, properties) in functions(&template) {
        let allows = properties["RecursiveLoop"] == "Allow";
        assert_eq!(allows, comes_back(&leads, name), "{name}: RecursiveLoop is Allow where it may invoke itself again, only");
        if allows {
            allowed.insert(name);
        }
    }
    assert_eq!(allowed, BTreeSet::from(["DeliverWebhooks", "ProcessOrder"]));
}

#[test]
fn a_loop_is_found_through_other_functions_a_stream_and_a_dead_letter_queue() {
    let leads = |pairs: &[(&str, &str)]| {
        let mut leads = Leads::new();
        for (from, to) in pairs {
            leads.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        leads
    };
    let chain = [("Worker", "Table"), ("Table", "Teller"), ("Teller", "Queue"), ("Queue", "DeadLetters")];
    assert!(!comes_back(&leads(&chain), "Worker"));
    let closed = leads(&[&chain[..], &[("DeadLetters", "Worker")]].concat());
    assert!(comes_back(&closed, "Worker") && comes_back(&closed, "Teller"));
}

#[test]
fn an_invocation_that_lambda_drops_as_a_loop_is_an_alarm_whatever_the_function() {
    let template = template();
    let alarm = &template["Resources"]["LoopsStopped"]["Properties"];
    let metrics = alarm["Metrics"].as_sequence().unwrap();
    let mut watched = BTreeSet::new();
    for metric in metrics.iter().map(|metric| &metric["MetricStat"]["Metric"]).filter(|metric| !metric.is_null()) {
        assert_eq!(metric["MetricName"], "RecursiveInvocationsDropped");
        watched.append(&mut named(&template, &metric["Dimensions"]));
    }
    let all: BTreeSet<String> = functions(&template).map(|(name, _)| name.to_owned()).collect();
    assert_eq!(watched, all);
    // All are summed up.
    let sum = metrics[0]["Expression"].as_str().unwrap();
    assert_eq!(sum.matches("FILL(").count(), all.len(), "{sum}");
}
