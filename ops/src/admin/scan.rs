//! The orders table, read row by row: what is wanted of all orders and stands in no index, or in one that may lag.

use std::collections::HashMap;

use anyhow::Context;
use aws_sdk_dynamodb::{operation::scan::builders::ScanFluentBuilder, types::AttributeValue};
use posnext_aws::adapters::order_item;
use posnext_local::local;
use posnext_proofs::progress::progress;
use posnext_shared::{app::ports::PortError, domain::record::Row};

use super::{stack::Stack, terminal::note};

const READING: &str = "reading the orders";
/// Where there is no terminal to draw on, a line is shown for so many rows.
const ROWS_A_LINE: usize = 100_000;

/// Reads the rows that `of` asks for. `each` gets the key of each and the row, or why it cannot be read.
pub(super) async fn rows(
    stack: &Stack,
    of: impl FnOnce(ScanFluentBuilder) -> ScanFluentBuilder,
    mut each: impl AsyncFnMut(String, Result<Row, PortError>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&local::aws().await?);
    let scan = of(dynamodb.scan().table_name(stack.value("OrdersTable")?));
    let (mut read, mut after) = (0, None::<HashMap<String, AttributeValue>>);
    let bar = progress(0, READING);
    loop {
        let page = scan.clone().set_exclusive_start_key(after).send().await.context("cannot read the orders any more")?;
        let before = read;
        read += usize::try_from(page.scanned_count()).unwrap_or_default();
        bar.set_message(format!("{READING}: {read} rows"));
        if bar.is_hidden() && read / ROWS_A_LINE > before / ROWS_A_LINE {
            note(format_args!("{READING}: {read} rows"));
        }
        for item in page.items.unwrap_or_default() {
            let key = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
            each(key, order_item::from_item(item)).await?;
        }
        after = page.last_evaluated_key;
        if after.is_none() {
            bar.finish_and_clear();
            return Ok(());
        }
    }
}
