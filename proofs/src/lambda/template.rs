//! What the template says of a function, so that what is played is what is deployed.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use serde_yaml_ng::Value;

use super::pool::Function;

const TEMPLATE: &str = include_str!("../../../template.yaml");

impl Function {
    /// The function of this name, as the template deploys it.
    ///
    /// # Errors
    /// That the template has no such function.
    pub fn deployed(name: &'static str, binary: PathBuf) -> anyhow::Result<Self> {
        let template: Value = serde_yaml_ng::from_str(TEMPLATE)?;
        let mut resources = at(&template, &["Resources"]).and_then(Value::as_mapping).into_iter().flatten();
        let function = resources
            .find(|(_, resource)| at(resource, &["Metadata", "BuildProperties", "Binary"]).is_some_and(|binary| binary == name));
        let (_, function) = function.with_context(|| format!("the template has no function {name}"))?;
        let seconds = at(function, &["Properties", "Timeout"]).and_then(Value::as_u64);
        let seconds = seconds.with_context(|| format!("{name} has no time-out"))?;
        let may_loop = at(function, &["Properties", "RecursiveLoop"]).is_some_and(|setting| setting == "Allow");
        Ok(Self { name, binary, timeout: Duration::from_secs(seconds), may_loop, late_is_killed: false })
    }
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_played_as_the_template_deploys_it() {
        let deployed = |name| Function::deployed(name, PathBuf::new());
        let [submit, process] = ["submit-order", "process-order"].map(|name| deployed(name).unwrap());
        assert_eq!((submit.timeout.as_secs(), submit.may_loop), (15, false));
        assert_eq!((process.timeout.as_secs(), process.may_loop), (30, true));
        assert!(deployed("no-function").is_err());
    }
}
