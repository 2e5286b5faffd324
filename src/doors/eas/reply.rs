//! Answers, and the one place where errors become ActiveSync's words: the common status codes of
//! MS-ASCMD §2.2.2 from 14.0 on, HTTP status codes before.

use axum::http::StatusCode;
use bytes::Bytes;
use wbxml::{
    Element, Tag, Version, airsync, composemail, find, folderhierarchy, getitemestimate, itemoperations,
    meetingresponse, moveitems, ping, provision, resolverecipients, search, settings, validatecert,
};

use super::request::Command;
use crate::directory::{self, AuthError};
use crate::net::BodyError;
use crate::{delivery, mailbox};

/// What a command answers.
#[derive(Debug)]
pub enum Reply {
    /// 200 without a body: nothing to say.
    Empty,
    /// A WBXML document.
    Document(Element<'static>),
    /// As a document, of a client that begins anew: it is told the server's abilities once more
    /// (MS-ASHTTP §2.2.4.1.2.4). Made by `conn` alone.
    Beginning(Element<'static>),
    /// A WBXML document and the parts that it refers to by number from 1. MS-ASCMD §2.2.1.10.1.
    Multipart(Element<'static>, Vec<Bytes>),
    /// Octets that are no WBXML, with their media type. GetAttachment.
    Octets(String, Bytes),
}

/// Common status codes. MS-ASCMD §2.2.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Status {
    InvalidContent = 101,
    InvalidWbxml = 102,
    InvalidXml = 103,
    InvalidDateTime = 104,
    InvalidCombinationOfIds = 105,
    InvalidIds = 106,
    InvalidMime = 107,
    DeviceIdMissingOrInvalid = 108,
    DeviceTypeMissingOrInvalid = 109,
    ServerError = 110,
    ServerErrorRetryLater = 111,
    MailboxQuotaExceeded = 113,
    SendQuotaExceeded = 115,
    MessageRecipientUnresolved = 116,
    MessageReplyNotAllowed = 117,
    MessagePreviouslySent = 118,
    MessageHasNoRecipient = 119,
    MailSubmissionFailed = 120,
    MessageReplyFailed = 121,
    AttachmentIsTooLarge = 122,
    UserHasNoMailbox = 123,
    UserDisabledForSync = 126,
    DeviceIsBlockedForThisUser = 129,
    AccessDenied = 130,
    AccountDisabled = 131,
    SyncStateNotFound = 132,
    CommandNotSupported = 137,
    VersionNotSupported = 138,
    DeviceNotFullyProvisionable = 139,
    RemoteWipeRequested = 140,
    LegacyDeviceOnStrictPolicy = 141,
    DeviceNotProvisioned = 142,
    PolicyRefresh = 143,
    InvalidPolicyKey = 144,
    ExternallyManagedDevicesNotAllowed = 145,
    UnexpectedItemClass = 147,
    InvalidStoredRequest = 149,
    ItemNotFound = 150,
    TooManyFolders = 151,
    NoFoldersFound = 152,
    ItemsLostAfterMove = 153,
    FailureInMoveOperation = 154,
    InvalidDestinationFolder = 156,
    BodyPartPreferenceTypeNotSupported = 164,
    DeviceInformationRequired = 165,
    InvalidAccountId = 166,
    NoPicture = 173,
    MaximumDevicesReached = 177,
    InvalidSmartForwardParameters = 179,
    InvalidRecipients = 183,
}

impl Status {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// What says the same in HTTP for versions before 14.0. MS-ASCMD §2.2.2.
    fn before_14(self) -> StatusCode {
        match self {
            Self::InvalidContent | Self::InvalidXml | Self::InvalidIds | Self::InvalidWbxml => {
                StatusCode::BAD_REQUEST
            }
            Self::ServerErrorRetryLater => StatusCode::SERVICE_UNAVAILABLE,
            Self::MailboxQuotaExceeded | Self::SendQuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            Self::UserDisabledForSync
            | Self::DeviceIsBlockedForThisUser
            | Self::AccessDenied
            | Self::AccountDisabled
            | Self::DeviceNotFullyProvisionable
            | Self::ExternallyManagedDevicesNotAllowed
            | Self::MaximumDevicesReached
            | Self::SyncStateNotFound => StatusCode::FORBIDDEN,
            Self::CommandNotSupported => StatusCode::NOT_IMPLEMENTED,
            Self::RemoteWipeRequested
            | Self::LegacyDeviceOnStrictPolicy
            | Self::DeviceNotProvisioned
            | Self::PolicyRefresh
            | Self::InvalidPolicyKey => provision_first(),
            Self::ServerError | Self::MailSubmissionFailed | Self::MessageReplyFailed => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::ItemNotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// 449: provisioning is needed. MS-ASHTTP §2.2.2.
fn provision_first() -> StatusCode {
    // 449 is within 100..1000.
    StatusCode::from_u16(449).unwrap_or(StatusCode::FORBIDDEN)
}

/// Why a whole request fails.
#[derive(Clone, Debug)]
pub enum Failure {
    /// An HTTP status, at every version.
    Http(StatusCode),
    /// A common status.
    Common(Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Common(status)
    }
}

impl From<mailbox::Error> for Failure {
    fn from(e: mailbox::Error) -> Self {
        use crate::store::Error as Store;
        use mailbox::Error;
        match e {
            Error::Missing => Status::ItemNotFound.into(),
            Error::Denied => Status::AccessDenied.into(),
            Error::Exists | Error::Invalid(_) => Status::InvalidContent.into(),
            Error::OverQuota => Status::MailboxQuotaExceeded.into(),
            Error::Stale => Status::SyncStateNotFound.into(),
            // Whether it happened is not known, or it may go better later: the client asks again.
            Error::Store(Store::Full | Store::Unknown(_) | Store::Stopped) => {
                Status::ServerErrorRetryLater.into()
            }
            Error::Store(_) => Status::ServerError.into(),
        }
    }
}

impl From<crate::store::Error> for Failure {
    fn from(e: crate::store::Error) -> Self {
        mailbox::Error::Store(e).into()
    }
}

impl From<directory::Error> for Failure {
    fn from(e: directory::Error) -> Self {
        use directory::Error;
        match e {
            Error::Missing => Status::ItemNotFound.into(),
            Error::Exists | Error::InUse | Error::Invalid(_) | Error::TooMany(_) => {
                Status::InvalidContent.into()
            }
            Error::NoEntropy => Status::ServerErrorRetryLater.into(),
            Error::Store(e) => e.into(),
        }
    }
}

impl From<delivery::Error> for Failure {
    fn from(e: delivery::Error) -> Self {
        match e {
            delivery::Error::Store(e) => e.into(),
            _ => Status::MailSubmissionFailed.into(),
        }
    }
}

impl From<crate::clock::NoEntropy> for Failure {
    fn from(_: crate::clock::NoEntropy) -> Self {
        Status::ServerErrorRetryLater.into()
    }
}

/// The HTTP status of a login that failed, and after how many seconds the client may try again.
/// MS-ASHTTP §2.2.2.
pub(super) fn refused_login(e: &AuthError) -> (StatusCode, Option<u64>) {
    match e {
        AuthError::Refused => (StatusCode::UNAUTHORIZED, None),
        AuthError::Denied => (StatusCode::FORBIDDEN, None),
        AuthError::TooMany { retry_after } => {
            (StatusCode::SERVICE_UNAVAILABLE, Some(retry_after.as_secs().max(1)))
        }
        AuthError::Busy | AuthError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, Some(10)),
    }
}

/// The HTTP status of a body that was not had whole.
pub(super) fn refused_body(e: BodyError) -> StatusCode {
    match e {
        BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken => StatusCode::BAD_REQUEST,
    }
}

/// A command's own element and the status in it, to tell a failure of the whole request. GetAttachment
/// has neither.
pub(super) fn root(command: Command) -> Option<(Tag, Tag)> {
    Some(match command {
        Command::Sync => (airsync::SYNC, airsync::STATUS),
        Command::SendMail => (composemail::SEND_MAIL, composemail::STATUS),
        Command::SmartForward => (composemail::SMART_FORWARD, composemail::STATUS),
        Command::SmartReply => (composemail::SMART_REPLY, composemail::STATUS),
        Command::GetAttachment => return None,
        Command::FolderSync => (folderhierarchy::FOLDER_SYNC, folderhierarchy::STATUS),
        Command::FolderCreate => (folderhierarchy::FOLDER_CREATE, folderhierarchy::STATUS),
        Command::FolderDelete => (folderhierarchy::FOLDER_DELETE, folderhierarchy::STATUS),
        Command::FolderUpdate => (folderhierarchy::FOLDER_UPDATE, folderhierarchy::STATUS),
        Command::MoveItems => (moveitems::MOVE_ITEMS, moveitems::STATUS),
        Command::GetItemEstimate => (getitemestimate::GET_ITEM_ESTIMATE, getitemestimate::STATUS),
        Command::MeetingResponse => (meetingresponse::MEETING_RESPONSE, meetingresponse::STATUS),
        Command::Search => (search::SEARCH, search::STATUS),
        Command::Settings => (settings::SETTINGS, settings::STATUS),
        Command::Ping => (ping::PING, ping::STATUS),
        Command::ItemOperations => (itemoperations::ITEM_OPERATIONS, itemoperations::STATUS),
        Command::Provision => (provision::PROVISION, provision::STATUS),
        Command::ResolveRecipients => (resolverecipients::RESOLVE_RECIPIENTS, resolverecipients::STATUS),
        Command::ValidateCert => (validatecert::VALIDATE_CERT, validatecert::STATUS),
        Command::Find => (find::FIND, find::STATUS),
    })
}

/// FolderCreate, and FolderUpdate of a folder that was found. MS-ASCMD §2.2.3.177.3, §2.2.3.177.6.
pub(super) fn folder_change_status(e: &mailbox::Error) -> u8 {
    match e {
        mailbox::Error::Exists => 2,
        mailbox::Error::Missing => 5,
        mailbox::Error::Stale => 9,
        mailbox::Error::Invalid(_) => 10,
        mailbox::Error::Denied | mailbox::Error::OverQuota => 6,
        mailbox::Error::Store(e) => server_error(e),
    }
}

/// FolderDelete, of a folder that was found. MS-ASCMD §2.2.3.177.4.
pub(super) fn folder_delete_status(e: &mailbox::Error) -> u8 {
    match e {
        mailbox::Error::Missing => 4,
        mailbox::Error::Invalid(_) => 3,
        mailbox::Error::Stale => 9,
        mailbox::Error::Exists | mailbox::Error::Denied | mailbox::Error::OverQuota => 6,
        mailbox::Error::Store(e) => server_error(e),
    }
}

/// 6, "an error occurred on the server", for the commands on folders: the client tries again with the
/// same key, and what was carried out after all is recognised.
fn server_error(e: &crate::store::Error) -> u8 {
    tracing::error!(error = %e, "a change of folders failed");
    6
}

impl Failure {
    /// How a failure is told: a document with a status, whose root is the command's, or an HTTP status.
    pub fn told(&self, version: Version, root: Option<(Tag, Tag)>) -> Result<Element<'static>, StatusCode> {
        match (self, root) {
            (Self::Http(status), _) => Err(*status),
            (Self::Common(status), Some((root, tag))) if version >= Version::V14_0 => {
                Ok(Element::new(root).with_number(tag, status.code()))
            }
            (Self::Common(status), _) => Err(status.before_14()),
        }
    }
}

/// A value that does not read as what its element holds is a protocol violation of the request.
impl From<wbxml::BadValue> for Failure {
    fn from(_: wbxml::BadValue) -> Self {
        Status::InvalidXml.into()
    }
}
