//! The node's side: a listener in the data folder, one request a connection.
//!
//! What callers can make the node hold is bounded: each of at most [`AT_ONCE`] has a line of 64 KiB;
//! what is longer, in a request or an answer, needs the one heavy place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use crate::control::caller::named;
use crate::control::cases::{Act, act_on};
use crate::control::request::{Reply, Request};
use crate::control::{
    LIGHT_REQUEST_BYTES, REQUEST_BYTES, access, carrying, case_priors, cases, checking, deidentify,
    dicom, keys, media, partners, people, priors, quarantine, reports, sending, socket, status,
    studies,
};
use crate::language::Failure;
use crate::runtime::start::Node;
use crate::say;
use crate::site::unusable;

/// Callers at once. People type; programs may poll a few at a time.
const AT_ONCE: usize = 32;
/// Long requests and answers at once: with its copies one costs about three times 48 MiB.
const HEAVY_AT_ONCE: usize = 1;
/// How long a request line may take to arrive, and an answer to be taken: a pipe on one machine
/// carries the longest in a second. For a heavy one this includes waiting for the place.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause after the system refused a connection for lack of descriptors, so that the listener does not
/// spin until one is free again.
const BREATH: Duration = Duration::from_millis(100);

/// Listens and answers until the process ends. Returns the socket's path.
///
/// # Errors
/// When somebody listens there already, or the folder cannot be used.
pub async fn serve(node: Arc<Node>) -> Result<PathBuf, Failure> {
    let path = node.folder.control();
    let listener = listen(&node).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            node.folder.already_running()
        } else {
            unusable(&path, &error)
        }
    })?;
    let (places, heavy) = (
        Arc::new(Semaphore::new(AT_ONCE)),
        Arc::new(Semaphore::new(HEAVY_AT_ONCE)),
    );
    tokio::spawn(async move {
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let (node, heavy) = (Arc::clone(&node), Arc::clone(&heavy));
            tokio::spawn(async move {
                // A caller that goes away has no use for the answer.
                let _ = answer(stream, &node, &heavy).await;
                drop(place);
            });
        }
    });
    Ok(path)
}

fn listen(node: &Node) -> std::io::Result<UnixListener> {
    let listener = socket::listen(node.folder.path())?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn answer(stream: UnixStream, node: &Node, heavy: &Semaphore) -> std::io::Result<()> {
    let caller = stream.peer_cred()?;
    let (mut read, mut write) = stream.into_split();
    let (reply, _place) = if socket::may_command(caller.uid()) {
        reply(&mut read, (node, caller), heavy).await
    } else {
        let caller = caller.uid();
        tracing::warn!(target: "dokuei::control", caller, "a program of another user was refused");
        (failed(&not_permitted()), None)
    };
    let mut bytes = Zeroizing::new(serde_json::to_vec(&reply)?);
    drop(reply);
    bytes.push(b'\n');
    let writing = async {
        write.write_all(&bytes).await?;
        write.shutdown().await
    };
    tokio::time::timeout(PATIENCE, writing).await?
}

/// What to answer, and the heavy place when the answer may be long.
async fn reply<'h>(
    read: &mut (impl AsyncRead + Unpin),
    (node, caller): (&Node, UCred),
    heavy: &'h Semaphore,
) -> (Reply, Option<SemaphorePermit<'h>>) {
    let arrived = tokio::time::timeout(PATIENCE, request(read, heavy)).await;
    let (request, mut place) = match arrived.unwrap_or_else(|_| Err(too_slow())) {
        Ok(arrived) => arrived,
        Err(failure) => return (failed(&failure), None),
    };
    if request.has_long_answer() && place.is_none() {
        place = heavy.acquire().await.ok();
    }
    let reply = match perform(node, request, caller).await {
        Ok(value) => Reply::Done(value),
        Err(failure) => failed(&failure),
    };
    (reply, place)
}

/// Reads a request, within the bound of a light one or with the heavy place.
async fn request<'h>(
    read: &mut (impl AsyncRead + Unpin),
    heavy: &'h Semaphore,
) -> Result<(Request, Option<SemaphorePermit<'h>>), Failure> {
    let mut read = BufReader::new(read);
    // Passphrases come in requests.
    let mut line = Zeroizing::new(Vec::new());
    let mut place = None;
    let mut light = (&mut read).take(LIGHT_REQUEST_BYTES);
    light
        .read_until(b'\n', &mut line)
        .await
        .map_err(|_| bad_request())?;
    if line.len() as u64 == LIGHT_REQUEST_BYTES && line.last() != Some(&b'\n') {
        place = heavy.acquire().await.ok();
        let mut rest = (&mut read).take(REQUEST_BYTES - LIGHT_REQUEST_BYTES);
        rest.read_until(b'\n', &mut line)
            .await
            .map_err(|_| bad_request())?;
        if line.last() != Some(&b'\n') && line.len() as u64 == REQUEST_BYTES {
            return Err(too_long());
        }
    }
    let request = serde_json::from_slice(&line).map_err(|_| bad_request())?;
    Ok((request, place))
}

fn failed(failure: &Failure) -> Reply {
    Reply::Failed {
        code: failure.code.clone().into_owned(),
        ja: failure.message.ja.clone(),
        en: failure.message.en.clone(),
    }
}

fn not_permitted() -> Failure {
    Failure::new(
        "not-permitted",
        say!(
            "このノードを操作できるのは、ノードと同じ利用者と root だけです。",
            "Only the node's own user and root may command this node."
        ),
    )
}

fn bad_request() -> Failure {
    Failure::new(
        "bad-request",
        say!("要求を読めません。", "The request cannot be read."),
    )
}

fn too_long() -> Failure {
    let most = REQUEST_BYTES >> 20;
    Failure::new(
        "request-too-long",
        say!(
            "要求が {most} MiB を超えています。",
            "The request is longer than {most} MiB."
        ),
    )
}

fn too_slow() -> Failure {
    let seconds = PATIENCE.as_secs();
    Failure::new(
        "request-too-slow",
        say!(
            "要求が {seconds} 秒以内に揃いませんでした。もう一度試してください。",
            "The request was not complete within {seconds} seconds. Try again."
        ),
    )
}

async fn perform(node: &Node, request: Request, caller: UCred) -> Result<Value, Failure> {
    match request {
        Request::Status => status::status(node).await,
        Request::PartnerInvite {
            addresses,
            pseudonyms,
        } => partners::invite(node, addresses, pseudonyms).await,
        Request::PartnerAccept { code } => partners::accept(node, &code).await,
        Request::PartnerList => partners::list(node).await,
        Request::PartnerPropose {
            partner,
            pseudonyms,
            retention_days,
        } => partners::propose(node, &partner, pseudonyms, retention_days).await,
        Request::PartnerAgree { partner } => partners::agree(node, &partner).await,
        Request::PartnerRemove {
            partner,
            despite_open_cases,
        } => partners::remove(node, &partner, despite_open_cases).await,
        Request::StudyList => studies::list(node).await,
        Request::StudyShow { uid } => studies::show(node, &uid).await,
        Request::StudyDeidentify(asked) => deidentify::deidentify(node, &asked, named(caller)),
        Request::StudyReidentify { pseudonym } => deidentify::reidentify(node, &pseudonym),
        Request::StudyImport { path } => sending::import(node, path, Some(named(caller))).await,
        Request::MediaImport { path, of } => {
            media::import(node, &path, of.as_deref(), Some(named(caller))).await
        }
        Request::MediaList => Ok(media::list(node)),
        Request::MediaShow { import } => media::show(node, &import),
        Request::MediaDecide(decide) => media::decide(node, &decide, &named(caller)),
        Request::QuarantineList => Ok(quarantine::list(node)),
        Request::QuarantineDiscard { name } => quarantine::discard(node, &name, named(caller)),
        Request::StudyCheck(check) => checking::check(node, &check),
        Request::StudyPriors { uid, fetch } => priors::ask(node, &uid, &fetch).await,
        Request::StudyFetching { uid } => priors::fetching(node, &uid),
        Request::StudySend(send) => sending::send_for(node, send, Some(named(caller))).await,
        Request::CaseList => cases::list(node).await,
        Request::CaseShow { case } => cases::show(node, &case).await,
        Request::CasePriors { case, ask } => case_priors::priors(node, &case, &ask).await,
        Request::CaseWithdraw { case, reason } => act_on(node, &case, Act::Withdraw(&reason)).await,
        Request::CaseExport { case, to } => carrying::export(node, &case, &to, named(caller)).await,
        Request::CaseOffer { case, to } => act_on(node, &case, Act::Offer(&to)).await,
        Request::CaseQuote { case, hours } => act_on(node, &case, Act::Quote(hours)).await,
        Request::CaseDecline { case } => act_on(node, &case, Act::Decline).await,
        Request::CaseClaim { case, reader } => act_on(node, &case, Act::Claim(&reader)).await,
        Request::CaseRelease { case, reason } => act_on(node, &case, Act::Release(&reason)).await,
        Request::CaseAcknowledge { case } => cases::acknowledge(node, &case).await,
        Request::PersonAdd(person) => people::add(node, person).await,
        Request::PersonList => people::list(node),
        Request::PersonRemove { person } => people::remove(node, &person),
        Request::PersonRevoke { person } => keys::revoke_person(node, &person).await,
        Request::NoticeTake { notice } => keys::take_notice(node, &notice).await,
        Request::DicomCallerAdd(caller) => dicom::add_caller(node, caller).await,
        Request::DicomCallerList => dicom::list_callers(node),
        Request::DicomCallerTest(test) => dicom::test_caller(node, &test),
        Request::DicomCallerRemove { name, opens } => dicom::remove_caller(node, name, opens).await,
        Request::DicomDestinationAdd(one) => dicom::add_destination(node, one).await,
        Request::DicomDestinationList => dicom::list_destinations(node),
        Request::DicomDestinationTest { name } => dicom::test_destination(node, &name).await,
        Request::DicomDestinationRemove { name } => dicom::remove_destination(node, name).await,
        Request::Access(asked) => access::perform(node, asked).await,
        Request::ReportSign(sign) => reports::sign(node, sign).await,
        Request::ReportShow { case, version } => reports::show(node, &case, version).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], heavy: &Semaphore) -> Result<bool, String> {
        let mut read = bytes;
        let read = request(&mut read, heavy).await;
        read.map(|(_, place)| place.is_some())
            .map_err(|failure| failure.code.into_owned())
    }

    fn accept(code: &str) -> Vec<u8> {
        let request = Request::PartnerAccept {
            code: code.to_owned(),
        };
        let mut line = serde_json::to_vec(&request).unwrap();
        line.push(b'\n');
        line
    }

    #[tokio::test]
    async fn a_short_line_needs_no_heavy_place_and_a_long_one_does() {
        let heavy = Semaphore::new(1);
        assert_eq!(read(b"{\"do\":\"status\"}\n", &heavy).await, Ok(false));
        assert_eq!(read(b"{\"do\":\"status\"}", &heavy).await, Ok(false));
        let light = LIGHT_REQUEST_BYTES as usize;
        let overhead = accept("").len();
        let code = "x".repeat(light - overhead);
        assert_eq!(read(&accept(&code), &heavy).await, Ok(false));
        assert_eq!(read(&accept(&(code + "x")), &heavy).await, Ok(true));
        assert_eq!(heavy.available_permits(), 1);
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        let heavy = Semaphore::new(1);
        for noise in [
            &b""[..],
            b"\n",
            b"{\"do\":\"status\"",
            b"{\"do\":\"no-such-thing\"}\n",
            b"{\"do\":\"partner-accept\",\"code\":\"x\",\"token\":\"x\"}\n",
            b"\xff\xfe\n",
        ] {
            assert_eq!(read(noise, &heavy).await, Err("bad-request".to_owned()));
        }
        let endless = vec![b'x'; REQUEST_BYTES as usize + 10];
        assert_eq!(
            read(&endless, &heavy).await,
            Err("request-too-long".to_owned())
        );
        assert_eq!(heavy.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_second_long_line_waits_for_the_first() {
        let heavy = Semaphore::new(1);
        let line = accept(&"x".repeat(LIGHT_REQUEST_BYTES as usize));
        let mut read = &line[..];
        let first = request(&mut read, &heavy).await;
        assert!(first.is_ok());
        let mut read = &line[..];
        let mut second = std::pin::pin!(request(&mut read, &heavy));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.is_ok());
    }
}
