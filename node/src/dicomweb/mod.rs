//! The web server: DICOMweb (PS3.18), the log-in and the viewer. Requests are answered on the runtime; what reads or writes objects
//! does so on blocking workers, a bounded number of them at a time.

pub mod access;
mod answer;
mod begun;
mod body;
mod bulk;
mod client;
mod decoding;
mod domains;
mod find;
mod frames;
mod headed;
mod image;
mod incoming;
mod kept;
mod layout;
mod limits;
pub mod media;
pub mod multipart;
pub mod offers;
mod opening;
mod origin;
mod page;
mod pictures;
mod piped;
pub mod query;
mod related;
mod rendered;
mod retrieve;
pub mod route;
pub mod search;
mod server;
mod store;
mod stow_answer;
mod stream;
mod trail;
mod transcoded;
mod turns;
mod ups;
mod viewer;

use std::sync::Arc;

use dokuei_keys::id::SiteId;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPECT, HeaderMap,
    HeaderName, HeaderValue,
};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use self::access::{Access, Visitor, Way};
use self::answer::{Answer, Refusal, set};
use self::domains::Domains;
use self::incoming::{is_read, whole};
use self::layout::Layouts;
use self::media::{MediaType, accepted};
use self::origin::{Base, may_change};
use self::query::Query;
use self::route::{ROOT, Resource, RouteError, What};
use self::server::Peer;
use self::trail::Trail;
use self::turns::Turns;
use crate::audit::Audit;
use crate::audit::event::{Alert, Who};
use crate::entities::Scope;
use crate::index::holdings::Holdings;
use crate::pixels::Decoders;
use crate::runtime::ports::Ports;
use crate::say;
use crate::studies::intake::StudyIntake;
use crate::transcoding::Transcoder;
use crate::transfer::moving::Movements;
use crate::viewer::Viewer;
use crate::worklist::Worklist;

pub use self::domains::{domain_token, root_of};
pub use self::find::{OF_INSTANCE, OF_SERIES, OF_STUDY};
pub use self::origin::Hosts;
pub use self::server::WebServer;
pub use self::viewer::viewer_path;

/// What the answers are made from.
pub struct Web {
    access: Access,
    hosts: Hosts,
    holdings: Holdings,
    layouts: Arc<Layouts>,
    site: SiteId,
    domains: Domains,
    intake: Arc<StudyIntake>,
    turns: Turns,
    worklist: Worklist,
    viewer: Viewer,
    decoders: Decoders,
    transcoder: Transcoder,
    movements: Movements,
    trail: Arc<Trail>,
}

/// One request, looked at.
struct Asked {
    method: Method,
    base: Base,
    headers: HeaderMap,
    query: Query,
    resource: Resource,
    /// What the answer may hold.
    scope: Scope,
    /// Whether the visitor may store objects.
    stores: bool,
    /// Whose turns are taken.
    visitor: String,
    /// Who asks, as auditors hear it.
    by: Who,
}

impl Asked {
    /// What the client takes, the most wanted first: `?accept=` before the header (PS3.18 section 8.3.3.1).
    fn accepts(&self) -> Vec<MediaType> {
        let header = || {
            let all = self.headers.get_all(ACCEPT).iter();
            let texts: Vec<&str> = all.filter_map(|value| value.to_str().ok()).collect();
            (!texts.is_empty()).then(|| texts.join(","))
        };
        let asked = self.query.value("accept").map(str::to_owned);
        accepted(&asked.or_else(header).unwrap_or_else(|| "*/*".to_owned()))
    }

    /// Where DICOMweb begins for this client.
    fn root(&self) -> String {
        match &self.resource.domain {
            Some(domain) => self.base.address(&format!("{ROOT}/d/{domain}")),
            None => self.base.address(ROOT),
        }
    }
}

impl Web {
    /// The web server's insides for a listener that is called by these names.
    pub(crate) fn new(
        access: Access,
        hosts: Hosts,
        ports: &Ports,
        (intake, audit): (Arc<StudyIntake>, Audit),
        (worklist, viewer): (Worklist, Viewer),
    ) -> Web {
        Web {
            access,
            hosts,
            holdings: ports.holdings.clone(),
            layouts: Arc::default(),
            site: ports.site,
            domains: Domains::default(),
            intake,
            turns: Turns::default(),
            worklist,
            viewer,
            decoders: ports.transcoder.decoders().clone(),
            // Who waits longer asks again.
            transcoder: ports.transcoder.within(limits::TURN_TIME),
            movements: ports.movements(),
            trail: Arc::new(Trail::new(audit)),
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let is_head = request.method() == Method::HEAD;
        let (head, mut incoming) = request.into_parts();
        // Who waits to be told to go on has not sent the body yet.
        let waits = head.headers.contains_key(EXPECT);
        let mut answer = match self.respond(head, &mut incoming, peer).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let mut answer = Answer::from(refusal);
                if waits || !is_read(&mut incoming).await {
                    set(&mut answer, CONNECTION, "close");
                }
                answer
            }
        };
        let always = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("referrer-policy", "same-origin"),
        ];
        for (name, value) in always {
            let name = HeaderName::from_static(name);
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        restrict(&mut answer);
        if is_head {
            *answer.body_mut() = body::Body::empty();
        }
        answer
    }

    async fn respond(
        &self,
        head: Parts,
        incoming: &mut Incoming,
        peer: Peer,
    ) -> Result<Answer, Refusal> {
        let Some(base) = self.hosts.base(&head.headers, peer.address) else {
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, wrong_host()));
        };
        let peer = Peer {
            address: self.hosts.client(&head.headers, peer.address),
            ..peer
        };
        let query = head.uri.query().unwrap_or_default();
        let query = Query::parse(query).map_err(|_| Refusal::bad_request(bad_query()))?;
        let path = head.uri.path();
        let method = match &head.method {
            &Method::HEAD => Method::GET,
            method => method.clone(),
        };
        let changes = method != Method::GET;
        if changes && !may_change(&head.headers, &base, false) {
            return Err(Refusal::forbidden(foreign_page()));
        }
        if path == "/" {
            return Ok(page::leads_to(&base, &format!("{}/", viewer::ROOT)));
        }
        if viewer::is_its(path) {
            let call = viewer::Call {
                method: &method,
                uri: &head.uri,
                query: &query,
                headers: &head.headers,
                base: &base,
                visitor: self.visitor(&head.headers, &base, peer),
                peer: peer.address,
            };
            return self.viewer(call).await;
        }
        if !path.starts_with(ROOT) {
            let visit = access::Visit {
                method: &method,
                path,
                query: &query,
                headers: &head.headers,
                base: &base,
                peer: peer.address,
                trail: &self.trail,
                form: form(changes, incoming).await?,
            };
            let page = access::pages(&self.access, &visit).await;
            return page.ok_or_else(Refusal::not_found);
        }
        self.resource((head, base, method), query, peer, incoming)
            .await
    }

    /// Answers what is asked below the root of DICOMweb.
    async fn resource(
        &self,
        (head, base, method): (Parts, Base, Method),
        query: Query,
        peer: Peer,
        incoming: &mut Incoming,
    ) -> Result<Answer, Refusal> {
        let (path, changes) = (head.uri.path(), method != Method::GET);
        let visitor = self.admitted(&head.headers, &base, peer, changes)?;
        if let Some(path) = ups::Path::parse(path) {
            let asking = ups::Asking::new((head, base, peer.address), (query, path, visitor));
            return self.worklist(asking, incoming).await;
        }
        let resource = Resource::parse(path).map_err(no_resource)?;
        let (visitor_id, by) = (visitor.id(), trail::person(&visitor, peer.address));
        let scope = match &resource.domain {
            Some(token) => self.narrowed(&visitor.scope, token)?,
            None => visitor.scope,
        };
        let asked = Asked {
            method,
            base,
            headers: head.headers,
            query,
            resource,
            scope,
            stores: visitor.stores,
            visitor: visitor_id,
            by,
        };
        self.heard(asked, head.uri.query().unwrap_or_default(), incoming)
            .await
    }

    /// Answers, and tells the audit trail.
    async fn heard(
        &self,
        asked: Asked,
        query: &str,
        incoming: &mut Incoming,
    ) -> Result<Answer, Refusal> {
        let heard = self.trail.heard(&asked, query);
        let answer = self.dicom(asked, incoming).await;
        if let Some(heard) = heard {
            let status = match &answer {
                Ok(answer) => answer.status(),
                Err(refusal) => refusal.status,
            };
            tokio::task::block_in_place(|| self.trail.answered(heard, &self.holdings, status));
        }
        answer
    }

    /// Who asks, when they may.
    fn admitted(
        &self,
        headers: &HeaderMap,
        base: &Base,
        peer: Peer,
        changes: bool,
    ) -> Result<Visitor, Refusal> {
        let Some(visitor) = self.visitor(headers, base, peer) else {
            // A session that is over is nothing to tell.
            if headers.contains_key(AUTHORIZATION) {
                self.trail.stranger(peer.address);
            }
            return Err(Refusal::unauthorized());
        };
        let ambient = visitor.way == Way::Session;
        if changes && !may_change(headers, base, ambient) {
            let by = trail::person(&visitor, peer.address);
            let about = "a change that another page wanted was refused";
            self.trail
                .refused(Alert::RestrictedFunction, Some(by), about);
            return Err(Refusal::forbidden(foreign_page()));
        }
        Ok(visitor)
    }

    /// What the visitor may see, narrowed to the domain in the address.
    fn narrowed(&self, scope: &Scope, token: &str) -> Result<Scope, Refusal> {
        tokio::task::block_in_place(|| self.domains.narrow(&self.holdings, self.site, scope, token))
            .ok_or_else(Refusal::not_found)
    }

    fn visitor(&self, headers: &HeaderMap, base: &Base, peer: Peer) -> Option<Visitor> {
        let authorization = headers.get(AUTHORIZATION);
        let bearer = authorization.map(|value| {
            let text = value.to_str().unwrap_or_default();
            match text.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
                Some(_) | None => "",
            }
        });
        let cookie = access::cookie(headers, base);
        self.access
            .visitor(bearer, cookie, peer.fingerprint.as_ref())
    }

    async fn dicom(&self, asked: Asked, incoming: &mut Incoming) -> Result<Answer, Refusal> {
        match (&asked.method, &asked.resource.what) {
            (&Method::POST, What::Search(route::Level::Study)) | (&Method::POST, What::Objects)
                if asked.resource.place.series.is_none() =>
            {
                self.store(asked, incoming).await
            }
            (&Method::GET, What::Objects) => self.retrieve(asked).await,
            (&Method::GET, What::Metadata) => self.metadata(asked).await,
            (&Method::GET, What::Frames(_) | What::Bulk(_)) => self.parts(asked).await,
            (&Method::GET, What::Rendered | What::Thumbnail | What::RenderedFrames(_)) => {
                self.rendered(asked).await
            }
            (&Method::GET, What::Search(level)) => {
                let level = *level;
                self.search(asked, level).await
            }
            (_, What::Search(route::Level::Study)) => Err(Refusal::method("GET, HEAD, POST")),
            (_, What::Objects) if asked.resource.place.series.is_none() => {
                Err(Refusal::method("GET, HEAD, POST"))
            }
            _ => Err(Refusal::method("GET, HEAD")),
        }
    }
}

/// Lets a browser run nothing of an answer that says nothing else: whatever an object holds, it is no page of this node.
fn restrict(answer: &mut Answer) {
    if answer.headers().contains_key(CONTENT_SECURITY_POLICY) {
        return;
    }
    // The browsers' own PDF viewers do not open in a sandbox. They run nothing of a document in this node's name.
    let is_pdf = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/pdf");
    let policy = match is_pdf {
        true => {
            "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
        }
        false => "default-src 'none'; frame-ancestors 'self'; sandbox",
    };
    set(answer, CONTENT_SECURITY_POLICY, policy);
}

/// Reads the form of a log-in; what changes nothing has none.
async fn form(changes: bool, incoming: &mut Incoming) -> Result<Query, Refusal> {
    if !changes {
        return Ok(Query::default());
    }
    let bad = || Refusal::bad_request(bad_form());
    let bytes = whole(incoming, limits::FORM_BYTES)
        .await
        .map_err(|_| bad())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
    Query::parse(text).map_err(|_| bad())
}

fn wrong_host() -> crate::language::Message {
    say!(
        "このホスト名では応答しません。設定の [web] hosts に加えてください。",
        "The node does not answer to this host name. Add it to hosts under [web]."
    )
}

fn foreign_page() -> crate::language::Message {
    say!(
        "他のサイトからの変更は受け付けません。",
        "Changes from another site's page are not taken."
    )
}

fn bad_query() -> crate::language::Message {
    say!("検索条件を読めません。", "The query cannot be read.")
}

fn bad_path() -> crate::language::Message {
    say!(
        "UID かフレーム番号が正しくありません。",
        "A UID or frame number in the address is none."
    )
}

fn no_resource(error: RouteError) -> Refusal {
    match error {
        RouteError::Unknown => Refusal::not_found(),
        RouteError::Malformed => Refusal::bad_request(bad_path()),
    }
}

fn bad_form() -> crate::language::Message {
    say!("フォームを読めません。", "The form cannot be read.")
}
