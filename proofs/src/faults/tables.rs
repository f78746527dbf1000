//! The tables as they are now, past the proxies. The services move when they are started anew.

use std::{sync::PoisonError, time::Duration};

use aws_config::{Region, timeout::TimeoutConfig};
use posnext_aws::adapters::{aws, clock::SystemClock, directory::DirectoryTable, orders::OrderTable};

use super::chaos::Chaos;

const PATIENCE: Duration = Duration::from_secs(20);

async fn dynamodb(chaos: &Chaos) -> anyhow::Result<aws_sdk_dynamodb::Client> {
    let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    let credentials = aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "faults");
    let loader = aws::defaults(None).map_err(|error| anyhow::anyhow!(error))?.timeout_config(timeouts);
    let loader = loader.region(Region::from_static("us-east-1")).credentials_provider(credentials);
    let url = chaos.upstreams.read().unwrap_or_else(PoisonError::into_inner).dynamodb.clone();
    Ok(aws_sdk_dynamodb::Client::new(&loader.endpoint_url(url).load().await))
}

pub(super) async fn orders(chaos: &Chaos) -> anyhow::Result<OrderTable> {
    Ok(OrderTable::new(dynamodb(chaos).await?, chaos.setting("POSNEXT_ORDERS_TABLE")?))
}

pub(super) async fn directory(chaos: &Chaos) -> anyhow::Result<DirectoryTable> {
    Ok(DirectoryTable::new(dynamodb(chaos).await?, chaos.setting("POSNEXT_DIRECTORY_TABLE")?, true, SystemClock))
}
