//! Answers, and refusals in words.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WARNING,
    WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};

use super::body::Body;
use crate::language::Message;
use crate::say;

/// An answer.
pub(super) type Answer = Response<Body>;

/// A request that is not fulfilled: the status, and why in words.
pub(super) struct Refusal {
    pub status: StatusCode,
    pub why: Message,
    /// The methods that there are instead.
    allow: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, why: Message) -> Refusal {
        Refusal {
            status,
            why,
            allow: None,
        }
    }

    pub(super) fn not_found() -> Refusal {
        let why = say!(
            "見つからないか、見る権限がありません。",
            "There is no such thing here, or you may not see it."
        );
        Refusal::new(StatusCode::NOT_FOUND, why)
    }

    pub(super) fn bad_request(why: Message) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, why)
    }

    pub(super) fn not_acceptable(why: Message) -> Refusal {
        Refusal::new(StatusCode::NOT_ACCEPTABLE, why)
    }

    pub(super) fn unauthorized() -> Refusal {
        let why = say!(
            "アクセストークン、クライアント証明書、またはログインが必要です。",
            "A token, a client certificate or a log-in is needed."
        );
        Refusal::new(StatusCode::UNAUTHORIZED, why)
    }

    pub(super) fn forbidden(why: Message) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, why)
    }

    pub(super) fn busy() -> Refusal {
        let why = say!(
            "混み合っています。少し待ってからもう一度試してください。",
            "The node is busy. Try again in a moment."
        );
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    pub(super) fn failed() -> Refusal {
        let why = say!(
            "ノードの内部で失敗しました。ログを確認してください。",
            "The node failed at it. Its log says more."
        );
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why)
    }

    /// A method that there is not; `allow` names those that there are (RFC 9110 section 15.5.6).
    pub(super) fn method(allow: &'static str) -> Refusal {
        let why = say!(
            "この操作はここではできません。",
            "That cannot be done with this."
        );
        Refusal {
            allow: Some(allow),
            ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, why)
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        let Message { ja, en } = refusal.why;
        let text = format!("{ja}\n{en}\n");
        let mut answer = plain(
            refusal.status,
            "text/plain; charset=utf-8",
            text.into_bytes(),
        );
        let headers = answer.headers_mut();
        match refusal.status {
            StatusCode::UNAUTHORIZED => {
                let bearer = HeaderValue::from_static("Bearer realm=\"dokuei\"");
                headers.insert(WWW_AUTHENTICATE, bearer);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
            }
            _ => {}
        }
        if let Some(allow) = refusal.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}

/// An answer with a whole body.
pub(super) fn plain(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Says in the head what of an answer is not as it was asked for (RFC 7234 section 5.5.7, as PS3.18 uses it).
pub(super) fn warn(answer: &mut Answer, text: &str) {
    set(answer, WARNING, &format!("299 dokuei \"{text}\""));
}

/// A header value of our own making; what does not fit into one is left out.
pub(super) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
