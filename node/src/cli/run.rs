//! `dokuei run`.

use std::io::Write as _;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use crate::cli::arguments::Run;
use crate::control::server::serve;
use crate::language::{Explain as _, Failure};
use crate::runtime::start::start;
use crate::say;
use crate::site::SiteFolder;

/// Runs a node until it is told to stop (SIGINT, SIGTERM).
///
/// # Errors
/// One sentence.
pub(super) fn run(run: &Run) -> Result<(), Failure> {
    log(run.json);
    let failed = |error: std::io::Error| {
        Failure::new(
            "start-failed",
            say!(
                "ノードを開始できません: {why}。",
                "The node cannot be started: {why}.";
                why = error.message()
            ),
        )
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        let node = start(SiteFolder::new(&run.dir), run.passphrase_file.as_deref())?;
        node.announce().await?;
        let control = serve(Arc::clone(&node)).await?;
        let (name, dicom) = (&node.config.site_name, node.dicom);
        let partners = node.listening.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        println!(
            "{}",
            say!("「{name}」のノードが動いています。DICOM {dicom}、相手施設 {partners}、操作 {control}。", "The node of '{name}' is running. DICOM {dicom}, partners {partners}, control {control}.")
        );
        // Whoever started this node waits for the line; a closed output is no reason to stop.
        let _ = std::io::stdout().flush();
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = stop.recv() => {}
            () = standard_input_ended(), if run.stop_with_stdin => {}
        }
        node.stop().await;
        // A file that stays behind is overwritten at the next start.
        let _ = std::fs::remove_file(node.folder.control());
        Ok(())
    })
}

async fn standard_input_ended() {
    let mut stdin = tokio::io::stdin();
    let mut piece = [0; 64];
    while tokio::io::AsyncReadExt::read(&mut stdin, &mut piece)
        .await
        .is_ok_and(|count| count > 0)
    {}
}

/// Logs to standard error. What is logged never names a patient: identifiers of cases, classes,
/// counts and causes only.
fn log(json: bool) {
    let filter = EnvFilter::try_from_env("DOKUEI_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,dokuei=info"));
    let layer = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // A second subscriber in one process keeps the first.
    let _ = if json {
        layer.json().try_init()
    } else {
        layer.try_init()
    };
}
