//! Each alarm of the template has its heading in the runbook, and is about metrics that there are.

use std::collections::BTreeSet;

use serde_yaml_ng::{Mapping, Value};

use crate::{support::ROOT, template::template};

/// The alarms of the template, by name.
fn alarms(template: &Value) -> Vec<(&str, &Value)> {
    let resources: &Mapping = template["Resources"].as_mapping().unwrap();
    let named = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    named.map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"])).collect()
}

/// Namespace and name of each metric of an alarm.
fn metrics(alarm: &Value) -> Vec<(&str, &str)> {
    let single = std::iter::once(alarm);
    let several = alarm["Metrics"].as_sequence().into_iter().flatten().map(|query| &query["MetricStat"]["Metric"]);
    single.chain(several).filter_map(|metric| Some((metric["Namespace"].as_str()?, metric["MetricName"].as_str()?))).collect()
}

#[test]
fn every_alarm_has_its_heading_in_the_runbook_and_says_so() {
    let template = template();
    let alarms = alarms(&template);
    let text = std::fs::read_to_string(format!("{ROOT}/docs/runbook.md")).unwrap();
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<&str> = alarms.iter().map(|(name, _)| *name).collect();
    assert_eq!(headings, names, "the runbook has the template's alarms, in its order");
    for (name, alarm) in &alarms {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.ends_with(&format!(" docs/runbook.md#{}", name.to_lowercase())), "{name}: {description}");
    }
    for (section, name) in text.split("\n## ").skip(1).zip(&names) {
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(section.contains(part), "{name} lacks {part}");
        }
        assert!(section.contains("**Day") || section.contains("**Wake"), "{name} does not say when to wake whom");
    }
}

#[test]
fn every_alarm_tells_somebody_where_there_is_a_topic() {
    let template = template();
    for (name, alarm) in alarms(&template) {
        for actions in ["AlarmActions", "OKActions"] {
            let text = serde_yaml_ng::to_string(&alarm[actions]).unwrap();
            assert!(text.contains("AlarmTopicArn"), "{name} has no {actions}");
        }
    }
}

#[test]
fn an_alarm_over_minutes_that_may_come_late_looks_at_each_more_than_once() {
    let template = template();
    let mut looked_at = 0;
    for (name, alarm) in alarms(&template) {
        let text = serde_yaml_ng::to_string(alarm).unwrap();
        if text.contains("FILL(") && text.contains("Period: 60") {
            looked_at += 1;
            let tries = [&alarm["EvaluationPeriods"], &alarm["DatapointsToAlarm"]].map(|value| value.as_u64().unwrap_or(0));
            assert!(tries[1] > 0 && tries[0] > tries[1], "{name}: {tries:?}");
        }
    }
    assert!(looked_at > 3, "{looked_at}");
}

#[test]
fn recovery_that_does_not_come_to_its_end_is_an_alarm() {
    let template = template();
    let stopped = &template["Resources"]["RecoveryStopped"]["Properties"];
    let told = [&stopped["Namespace"], &stopped["Statistic"], &stopped["TreatMissingData"]].map(|text| text.as_str().unwrap());
    assert_eq!(told, ["posnext", "SampleCount", "breaching"], "a failed run is an invocation, too");
}

/// Names of our metrics on the dashboard.
fn on_the_dashboard(template: &Value) -> BTreeSet<&str> {
    let Value::Tagged(body) = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"] else { panic!("no dashboard") };
    let of_ours = body.value.as_str().unwrap().split("[\"posnext\",\"").skip(1);
    of_ours.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_metric_of_ours_on_an_alarm_or_the_dashboard_is_told_by_the_functions() {
    let mut sources = std::fs::read_to_string(format!("{ROOT}/aws/src/wiring.rs")).unwrap();
    for folder in ["shared/src/app", "aws/src/adapters/http_pos", "aws/src/edge"] {
        for file in std::fs::read_dir(format!("{ROOT}/{folder}")).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let template = template();
    let alarms = alarms(&template);
    let of_alarms = alarms.iter().flat_map(|(_, alarm)| metrics(alarm)).filter(|(namespace, _)| *namespace == "posnext");
    let mut ours: BTreeSet<&str> = of_alarms.map(|(_, name)| name).collect();
    assert!(ours.contains("OldestOpenSeconds"), "{ours:?}");
    ours.append(&mut on_the_dashboard(&template));
    assert!(ours.contains("ColdStarts"), "{ours:?}");
    let silent: Vec<&str> = ours.into_iter().filter(|name| !sources.contains(&format!("{name} = "))).collect();
    assert!(silent.is_empty(), "nobody tells {silent:?}");
}

#[test]
fn the_alarms_that_stop_a_canary_are_alarms_and_the_runbook_names_them() {
    let template = template();
    let names: BTreeSet<&str> = alarms(&template).iter().map(|(name, _)| *name).collect();
    let text = serde_yaml_ng::to_string(&template["Globals"]["Function"]["DeploymentPreference"]["Alarms"]).unwrap();
    let stopping: Vec<&str> = names.iter().filter(|name| text.contains(**name)).copied().collect();
    assert!(stopping.len() > 4, "{stopping:?}");
    let runbook = std::fs::read_to_string(format!("{ROOT}/docs/runbook.md")).unwrap();
    let listed = stopping.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    assert!(runbook.contains(&listed), "the runbook does not list {listed}");
    for (section, name) in runbook.split("\n## ").skip(1).map(|section| (section, section.lines().next().unwrap())) {
        assert_eq!(section.contains("It stops a canary."), stopping.contains(&name), "{name}");
    }
}
