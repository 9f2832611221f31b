//! The node's side: a listener on loopback, one request a connection.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::chance::chance;
use crate::control::request::{Envelope, Reply, Request};
use crate::control::{ControlFile, REQUEST_BYTES, cases, partners, people, reports, studies};
use crate::language::Failure;
use crate::runtime::start::Node;
use crate::site::unusable;

/// Requests at once. People type; programs may poll a few at a time.
const AT_ONCE: usize = 32;
/// How long a request line may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listens, writes the control file and answers until the process ends. Returns the address.
///
/// # Errors
/// When no port can be had or the control file cannot be written.
pub async fn serve(node: Arc<Node>) -> Result<String, Failure> {
    let path = node.folder.control();
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(|error| unusable(&path, &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| unusable(&path, &error))?
        .to_string();
    let token = new_token();
    write(
        &node,
        &ControlFile {
            address: address.clone(),
            token: token.clone(),
            pid: std::process::id(),
        },
    )
    .map_err(|error| unusable(&path, &error))?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (node, token) = (Arc::clone(&node), token.clone());
            tokio::spawn(async move {
                // A caller that goes away has no use for the answer.
                let _ = answer(stream, &node, &token).await;
                drop(place);
            });
        }
    });
    Ok(address)
}

fn new_token() -> String {
    let mut bytes = [0; 32];
    rand_core::Rng::fill_bytes(&mut chance(), &mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file appears whole or not at all, readable by its owner only.
fn write(node: &Node, file: &ControlFile) -> std::io::Result<()> {
    let path = node.folder.control();
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut out = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    out.write_all(&serde_json::to_vec(file)?)?;
    std::fs::rename(new, path)
}

async fn answer(stream: TcpStream, node: &Node, token: &str) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let reading = async {
        BufReader::new(read.take(REQUEST_BYTES))
            .read_line(&mut line)
            .await
    };
    tokio::time::timeout(PATIENCE, reading).await??;
    let reply = match serde_json::from_str::<Envelope>(&line) {
        Ok(envelope) if same(&envelope.token, token) => match perform(node, envelope.request).await
        {
            Ok(value) => Reply::Done(value),
            Err(failure) => Reply::Failed {
                code: failure.code.into_owned(),
                ja: failure.message.ja,
                en: failure.message.en,
            },
        },
        Ok(_) => Reply::Failed {
            code: "wrong-token".to_owned(),
            ja: "トークンが違います。".to_owned(),
            en: "Wrong token.".to_owned(),
        },
        Err(_) => Reply::Failed {
            code: "bad-request".to_owned(),
            ja: "要求を読めません。".to_owned(),
            en: "The request cannot be read.".to_owned(),
        },
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    write.shutdown().await
}

/// Compares in a time that does not depend on where two tokens differ.
fn same(given: &str, token: &str) -> bool {
    given.len() == token.len()
        && given
            .bytes()
            .zip(token.bytes())
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

async fn perform(node: &Node, request: Request) -> Result<Value, Failure> {
    match request {
        Request::Status => crate::control::answers::status(node).await,
        Request::PartnerInvite { addresses } => partners::invite(node, addresses).await,
        Request::PartnerAccept { code } => partners::accept(node, &code).await,
        Request::PartnerList => partners::list(node).await,
        Request::PartnerRemove { partner } => partners::remove(node, &partner).await,
        Request::StudyList => studies::list(node).await,
        Request::StudyShow { uid } => studies::show(node, &uid).await,
        Request::StudyImport { path } => studies::import(node, path).await,
        Request::StudySend(send) => studies::send(node, send).await,
        Request::CaseList => cases::list(node).await,
        Request::CaseShow { case } => cases::show(node, &case).await,
        Request::CaseWithdraw { case, reason } => cases::withdraw(node, &case, &reason).await,
        Request::CaseOffer { case, to } => cases::offer(node, &case, &to).await,
        Request::CaseDecline { case } => cases::decline(node, &case).await,
        Request::CaseClaim { case, reader } => cases::claim(node, &case, &reader).await,
        Request::CaseRelease { case, reason } => cases::release(node, &case, &reason).await,
        Request::CaseAcknowledge { case } => cases::acknowledge(node, &case).await,
        Request::PersonAdd(person) => people::add(node, person).await,
        Request::PersonList => people::list(node),
        Request::ReportSign(sign) => reports::sign(node, sign).await,
        Request::ReportShow { case, version } => reports::show(node, &case, version).await,
    }
}
