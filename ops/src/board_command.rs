//! `posnext board`: the order board of a deployed stack, read-only.

use std::{io::Write, net::SocketAddr, process::ExitCode};

use anyhow::{Context, bail, ensure};
use posnext_local::{address, local, par::http_client};

use crate::admin::Stack;

#[derive(Debug, clap::Args)]
pub(crate) struct BoardArguments {
    /// The stack's Url
    url: String,
    /// Where the page is served, to this machine alone
    #[arg(long, default_value = "127.0.0.1:3001", value_name = "ADDR")]
    listen: SocketAddr,
    #[command(flatten)]
    stack: Stack,
}

pub(crate) async fn run(arguments: BoardArguments) -> anyhow::Result<ExitCode> {
    let BoardArguments { url, listen, stack } = arguments;
    ensure!(
        listen.ip().is_loopback(),
        "--listen {listen}: everybody who reaches the page sees the orders, so it is this machine's alone"
    );
    let url = address::base(&url).map_err(|why| anyhow::anyhow!("the URL {url:?} {why}"))?;
    let url = url.as_str();
    if let Ok(own) = stack.value("Url") {
        ensure!(
            address::base(&own).is_ok_and(|own| own == url),
            "{url} is not the Url of the stack whose tables would be shown: that is {own}"
        );
    }
    answers(url).await?;
    let aws = local::aws().await?;
    let (work, dead) = (stack.value("OrdersQueue")?, stack.value("OrdersDeadLetterQueue")?);
    let board = local::Board::of_stack(url, stack.orders().await?, aws_sdk_sqs::Client::new(&aws), work, dead);
    // What is wrong with the credentials or the names is said here, and not on the page.
    board.state(None).await.context("the stack's orders and queues cannot be read")?;
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let _ = writeln!(std::io::stdout(), "the order board of {url} is at http://{address}/board\nStop with Ctrl-C.");
    tokio::select! {
        () = local::serve_board(listener, board) => {}
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a posnext is there: without a token it answers 401, in its own words.
async fn answers(url: &str) -> anyhow::Result<()> {
    let asked = http_client().build()?.get(format!("{url}/posnext/orders/board")).send().await;
    let answer = asked.with_context(|| format!("nobody answers at {url}"))?;
    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
    if status != 401 || !text.contains("token_missing") {
        bail!("{url} answers {status}, and not as posnext does; give the stack's output Url");
    }
    Ok(())
}
