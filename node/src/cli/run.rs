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
    let ended = runtime.block_on(async {
        let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        let node = start(SiteFolder::new(&run.dir), run.passphrase_file.as_deref())?;
        node.announce().await?;
        let control = serve(Arc::clone(&node)).await?;
        let control = control.display();
        let (name, dicom) = (&node.config.site_name, node.dicom);
        let partners = node.listening.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // Whoever started this node waits for the line; a closed output is no reason to stop.
        let mut out = std::io::stdout();
        let _ = writeln!(
            out,
            "{}",
            say!("「{name}」のノードが動いています。DICOM {dicom}、相手施設 {partners}、操作 {control}。", "The node of '{name}' is running. DICOM {dicom}, partners {partners}, control {control}.")
        );
        let _ = out.flush();
        let ended = tokio::select! {
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = stop.recv() => Ok(()),
            () = standard_input_ended(), if run.stop_with_stdin => Ok(()),
            () = node.ended.cancelled() => Err(Failure::new(
                "service-ended",
                say!(
                    "ノードの内部で障害が起き、何も決められなくなったため停止します。もう一度開始し、繰り返すようならログを添えて報告してください。",
                    "The node stops: a part of it has failed and nothing can be decided any more. Start it again; if that repeats, report it with the log."
                ),
            )),
        };
        node.stop().await;
        // A socket that stays behind is replaced at the next start.
        let _ = std::fs::remove_file(node.folder.control());
        ended
    });
    // What still runs on blocking threads, such as an object on its way to a slow archive, is not
    // waited for: it goes on at the next start.
    runtime.shutdown_background();
    ended
}

/// Waits for the end of standard input, on a thread of its own: the runtime would wait at its end for a
/// read that never returns.
async fn standard_input_ended() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let reading = std::thread::Builder::new()
        .name("standard-input".to_owned())
        .spawn(move || {
            // An input that cannot be read any more has ended too.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            drop(ended);
        });
    match reading {
        Ok(_) => drop(end.await),
        Err(error) => {
            tracing::warn!("standard input is not watched: {error}");
            std::future::pending().await
        }
    }
}

/// Logs to standard error. What is logged never names a patient: identifiers of cases and refused objects, classes,
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
