//! The one place where errors become the words of HTTP and WebDAV.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use caldav::dav::{BadRequest, Href, Precondition, Privilege};

use crate::directory::{self, AuthError};
use crate::mailbox;
use crate::net::{BodyError, basic};
use crate::objects::{self, Refused};
use crate::store;

/// What the door can do. RFC 4918 §10.1, §18; RFC 3744 §7.2; RFC 4791 §5.1; RFC 6352 §6.1; RFC 5689 §3.1;
/// RFC 6638 §2.
pub(super) const CLASSES: &str = "1, 3, access-control, extended-mkcol, calendar-access, \
    calendar-auto-schedule, addressbook";

/// The media type of bodies in XML.
pub(super) const XML: &str = "application/xml; charset=utf-8";

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// A status says it all.
    Status(StatusCode),
    /// It broke a precondition.
    Precondition(Precondition),
    /// It broke a precondition, with a status of its own.
    With(StatusCode, Precondition),
    /// Its body is not understood.
    Request(BadRequest),
    /// An object is refused; whether it is a card.
    Refused(Refused, bool),
    /// The folder store's error.
    Mailbox(mailbox::Error),
    /// Something came between too often, or the server ends.
    Later,
    /// Ours to fix.
    Bug,
}

impl Failure {
    pub(super) const MISSING: Self = Self::Status(StatusCode::NOT_FOUND);
    pub(super) const FORBIDDEN: Self = Self::Status(StatusCode::FORBIDDEN);
    pub(super) const CONFLICT: Self = Self::Status(StatusCode::CONFLICT);

    /// The status of the answer. RFC 4918 §11, §16.
    pub(super) fn status(&self) -> StatusCode {
        let code = |status: caldav::dav::Status| {
            StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        };
        match self {
            Self::Status(status) | Self::With(status, _) => *status,
            Self::Precondition(precondition) => code(precondition.status()),
            Self::Request(bad) => code(bad.status()),
            Self::Refused(..) => StatusCode::FORBIDDEN,
            Self::Mailbox(e) => of_mailbox(e),
            Self::Later => StatusCode::SERVICE_UNAVAILABLE,
            Self::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The element that says which precondition it was.
    pub(super) fn precondition(&self) -> Option<Precondition> {
        match self {
            Self::Precondition(precondition) | Self::With(_, precondition) => Some(precondition.clone()),
            Self::Request(bad) => bad.precondition(),
            Self::Refused(refused, is_card) => Some(of_refused(*refused, *is_card)),
            Self::Mailbox(mailbox::Error::OverQuota) => Some(Precondition::QuotaNotExceeded),
            Self::Mailbox(mailbox::Error::Store(store::Error::Full)) => {
                Some(Precondition::SufficientDiskSpace)
            }
            Self::Mailbox(mailbox::Error::Denied) => Some(Precondition::NeedPrivileges(Vec::new())),
            _ => None,
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let status = self.status();
        if status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE {
            tracing::error!(failure = ?self, "a request failed");
        }
        let mut response = match self.precondition() {
            Some(precondition) => body(status, XML, precondition.body().into()),
            None => empty(status),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

impl From<mailbox::Error> for Failure {
    fn from(e: mailbox::Error) -> Self {
        Self::Mailbox(e)
    }
}

impl From<store::Error> for Failure {
    fn from(e: store::Error) -> Self {
        Self::Mailbox(e.into())
    }
}

impl From<directory::Error> for Failure {
    fn from(e: directory::Error) -> Self {
        tracing::error!(error = %e, "the directory failed");
        Self::Later
    }
}

impl From<BadRequest> for Failure {
    fn from(e: BadRequest) -> Self {
        Self::Request(e)
    }
}

impl From<Precondition> for Failure {
    fn from(e: Precondition) -> Self {
        Self::Precondition(e)
    }
}

fn of_mailbox(e: &mailbox::Error) -> StatusCode {
    match e {
        mailbox::Error::Missing => StatusCode::NOT_FOUND,
        mailbox::Error::Denied => StatusCode::FORBIDDEN,
        mailbox::Error::Exists | mailbox::Error::Stale => StatusCode::CONFLICT,
        mailbox::Error::Invalid(_) => StatusCode::FORBIDDEN,
        mailbox::Error::OverQuota | mailbox::Error::Store(store::Error::Full) => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        mailbox::Error::Store(store::Error::Damaged(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        mailbox::Error::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// RFC 4791 §5.3.2.1; RFC 6352 §6.3.2.1.
fn of_refused(refused: Refused, is_card: bool) -> Precondition {
    match (refused, is_card) {
        (Refused::SupportedData, false) => Precondition::SupportedCalendarData,
        (Refused::SupportedData, true) => Precondition::SupportedAddressData,
        (Refused::ValidData(_), false) => Precondition::ValidCalendarData,
        (Refused::ValidData(_) | Refused::ValidObject(_), true) => Precondition::ValidAddressData,
        (Refused::ValidObject(_), false) => Precondition::ValidCalendarObjectResource,
        (Refused::SupportedComponent, false) => Precondition::SupportedCalendarComponent,
        (Refused::SupportedComponent, true) => Precondition::SupportedAddressData,
        (Refused::TooLarge(_), false) => Precondition::MaxResourceSize,
        (Refused::TooLarge(_), true) => Precondition::MaxCardSize,
        (Refused::Attendees(_), _) => Precondition::MaxAttendeesPerInstance,
    }
}

/// A UID that another object has; `href` names that. RFC 4791 §5.3.2.1; RFC 6352 §6.3.2.1.
pub(super) fn uid_conflict(href: Option<Href>, is_card: bool) -> Failure {
    Failure::With(
        StatusCode::CONFLICT,
        if is_card { Precondition::NoCardUidConflict(href) } else { Precondition::NoUidConflict(href) },
    )
}

/// What the objects' store says, where a conflict of UIDs needs no more words.
pub(super) fn of_objects(e: objects::Error, is_card: bool) -> Failure {
    match e {
        objects::Error::Changed => Failure::Status(StatusCode::PRECONDITION_FAILED),
        objects::Error::UidTaken(_) | objects::Error::UidDiffers => uid_conflict(None, is_card),
        objects::Error::Mailbox(e) => Failure::Mailbox(e),
    }
}

/// A privilege that is lacking. RFC 3744 §7.1.1.
pub(super) fn needs(href: &Href, privilege: Privilege) -> Failure {
    Failure::Precondition(Precondition::NeedPrivileges(vec![(href.clone(), privilege)]))
}

/// The answer to a login that is refused.
pub(super) fn refused_login(e: &AuthError) -> Response<Body> {
    let later = |after: Duration| {
        let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
        response.headers_mut().insert(header::RETRY_AFTER, after.as_secs().max(1).into());
        response
    };
    match e {
        AuthError::Refused => challenge(),
        AuthError::Denied => empty(StatusCode::FORBIDDEN),
        AuthError::TooMany { retry_after } => later(*retry_after),
        AuthError::Busy | AuthError::Unavailable(_) => later(Duration::from_secs(10)),
    }
}

/// 401.
pub(super) fn challenge() -> Response<Body> {
    let mut response = empty(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(basic::CHALLENGE));
    response
}

/// The HTTP status of a body that was not had whole.
pub(super) fn refused_body(e: BodyError) -> StatusCode {
    match e {
        BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken => StatusCode::BAD_REQUEST,
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("dav", HeaderValue::from_static(CLASSES));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// An answer with a body.
pub(super) fn body(status: StatusCode, media_type: &str, bytes: Bytes) -> Response<Body> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    let plain = || HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap_or_else(|_| plain()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Nothing that users store here is to run in a browser.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    *response.body_mut() = Body::from(bytes);
    response
}

/// 405.
pub(super) fn not_allowed(allowed: &str) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
