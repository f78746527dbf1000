//! Who does the same job: our functions, and the peers in tests/bench/peers as tests/bench/peers/install leaves them. All get the
//! same events and reach the same services; each writes to tables of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::{
    Client as Dynamo,
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use posnext_local::local;
use posnext_shared::domain::signature::{DigestMessage, SharedId};
use serde_json::{Value, json};

use crate::{
    events::{five_lines, request_uid},
    job::Job,
    runtime::Plan,
    stage::{ASYNC, SYNC, Stage, order_key},
};

/// Where tests/bench/peers/install leaves them.
const BUILT: &str = "target/peers";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    Ours,
    Node,
    Python,
}

impl Contestant {
    /// Ours first: the ratios are to it.
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Node, Self::Python];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Node => "Node",
            Self::Python => "Python",
        }
    }

    /// A run through these events, in an environment of the stage's.
    pub(crate) fn plan(
        self,
        stage: &Stage,
        job: Job,
        environment: Vec<(String, String)>,
        events: Vec<String>,
    ) -> anyhow::Result<Plan> {
        let (binary, arguments) = match self {
            Self::Ours => (stage.binary(job)?, Vec::new()),
            Self::Node => {
                let handler = built(&format!("node/dist/{}.mjs", module(job)))?;
                (
                    built("node/node_modules/.bin/node")?,
                    vec![built("node/ric.mjs")?.display().to_string(), handler.display().to_string()],
                )
            }
            Self::Python => {
                let handler = format!("{}.handler", module(job));
                (built("python/venv/bin/python")?, vec!["-m".to_owned(), "awslambdaric".to_owned(), handler])
            }
        };
        Ok(Plan { binary, arguments, environment: self.environment(environment)?, events, ..Plan::default() })
    }

    /// What a managed runtime sets besides, the authority in each one's words, and the peers' tables.
    fn environment(self, mut environment: Vec<(String, String)>) -> anyhow::Result<Vec<(String, String)>> {
        if self == Self::Ours {
            return Ok(environment);
        }
        let value = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let mut more = vec![
            ("PEER_ORDERS_TABLE", self.orders_table()),
            ("PEER_IDEMPOTENCY_TABLE", self.idempotency_table()),
            ("POWERTOOLS_SERVICE_NAME", "posnext".to_owned()),
            ("POWERTOOLS_LOG_LEVEL", "INFO".to_owned()),
        ];
        more.extend(value("AWS_REGION").map(|region| ("AWS_DEFAULT_REGION", region)));
        if let Some(authority) = value("POSNEXT_CA_FILE") {
            more.extend(["NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "SSL_CERT_FILE"].map(|name| (name, authority.clone())));
        }
        if self == Self::Python {
            more.push(("PYTHONPATH", built("python")?.display().to_string()));
        }
        environment.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Ok(environment)
    }

    fn orders_table(self) -> String {
        format!("peer-orders-{}", self.name().to_lowercase())
    }

    fn idempotency_table(self) -> String {
        format!("peer-idempotency-{}", self.name().to_lowercase())
    }

    /// Makes a peer's tables. Ours are there.
    pub(crate) async fn create_tables(self, dynamodb: &Dynamo) -> anyhow::Result<()> {
        if self == Self::Ours {
            return Ok(());
        }
        for name in [self.orders_table(), self.idempotency_table()] {
            let table = dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
            let key = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build()?;
            let schema = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build()?;
            let created = table.attribute_definitions(key).key_schema(schema).send().await;
            created.with_context(|| format!("cannot create the table {name}"))?;
        }
        Ok(())
    }

    /// Lays down for a peer the orders that the events are about, as they are there for ours already.
    pub(crate) async fn lay_down(self, dynamodb: &Dynamo, job: Job, events: &[String]) -> anyhow::Result<()> {
        if self == Self::Ours || job == Job::Submit {
            return Ok(());
        }
        let (location, status) = if job == Job::Process { (ASYNC, "pending") } else { (SYNC, "placed") };
        let result = json!({ "status": status, "pos_order_id": "POS-01a20046fa3f711abe8b75c3d431d4b0" });
        let mut uids = events.iter().map(|event| about(event)).collect::<anyhow::Result<Vec<_>>>()?;
        uids.dedup();
        for uid in uids {
            let put = dynamodb.put_item().table_name(self.orders_table()).item("pk", text(&order_key(&uid)?.to_string()));
            let put = put.item("status", text(status)).item("result", text(&result.to_string()));
            put.item("order", text(&five_lines(location, &uid))).send().await?;
        }
        Ok(())
    }

    /// Fails unless the job was done: each answer a success and signed, each order placed.
    pub(crate) async fn check(self, dynamodb: &Dynamo, job: Job, events: &[String], answers: &[Value]) -> anyhow::Result<()> {
        ensure!(answers.len() == events.len(), "{} answered {} of {} events", self.name(), answers.len(), events.len());
        for answer in answers {
            check_answer(job, answer).with_context(|| self.name())?;
        }
        if self == Self::Ours || job == Job::Get {
            return Ok(());
        }
        for event in events {
            let uid = about(event)?;
            let got =
                dynamodb.get_item().table_name(self.orders_table()).key("pk", text(&order_key(&uid)?.to_string())).send().await?;
            let status = got.item.as_ref().and_then(|item| item.get("status")?.as_s().ok());
            ensure!(status.is_some_and(|status| status == "placed"), "{} has left {uid} {status:?}", self.name());
        }
        Ok(())
    }
}

fn check_answer(job: Job, answer: &Value) -> anyhow::Result<()> {
    job.check(answer)?;
    if job == Job::Process {
        return Ok(());
    }
    let part = |pointer| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (body, digest) = (part("/body"), part("/headers/x-pch-digest"));
    let order: Value = serde_json::from_str(body)?;
    ensure!(order.get("status").is_some_and(|status| status == "placed"), "{} was answered {body}", job.name());
    let right = SharedId::new("bench", local::SHARED_ID)?.sign(&DigestMessage::of_body(body));
    ensure!(digest == right, "{} was answered with the digest {digest:?} of {body}", job.name());
    Ok(())
}

fn about(event: &str) -> anyhow::Result<String> {
    request_uid(event).context("an event is about no order")
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn module(job: Job) -> &'static str {
    job.function().split('-').next().unwrap_or_default()
}

fn built(file: &str) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(Path::new(BUILT).join(file))?;
    ensure!(path.exists(), "{} is not there; tests/bench/peers/install builds it", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_if_it_is_placed_and_its_digest_is_right() {
        let answer = |status: &str, digest: Option<&str>| {
            let body = json!({ "status": status, "request_uid": "a", "location_id": "b" }).to_string();
            let right = SharedId::new("bench", local::SHARED_ID).unwrap().sign(&DigestMessage::of_body(&body));
            json!({ "statusCode": 200, "headers": { "x-pch-digest": digest.unwrap_or(&right) }, "body": body })
        };
        assert!(check_answer(Job::Submit, &answer("placed", None)).is_ok());
        assert!(check_answer(Job::Submit, &answer("placed", Some("00"))).is_err());
        assert!(check_answer(Job::Get, &answer("pending", None)).is_err());
        assert!(check_answer(Job::Submit, &json!({ "statusCode": 503 })).is_err());
    }

    #[test]
    fn a_peer_is_told_the_authority_and_its_own_tables() {
        let given = vec![("POSNEXT_CA_FILE".to_owned(), "a.pem".to_owned()), ("AWS_REGION".to_owned(), "r".to_owned())];
        let told = Contestant::Node.environment(given.clone()).unwrap();
        let has = |name: &str, value: &str| told.iter().any(|(known, told)| known == name && told == value);
        assert!(has("NODE_EXTRA_CA_CERTS", "a.pem") && has("AWS_DEFAULT_REGION", "r"));
        assert!(has("PEER_ORDERS_TABLE", "peer-orders-node") && has("PEER_IDEMPOTENCY_TABLE", "peer-idempotency-node"));
        assert_eq!(Contestant::Ours.environment(given.clone()).unwrap(), given);
    }
}
