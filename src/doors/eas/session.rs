//! One request's user and device, as the commands see them.

use std::sync::Arc;

use super::parked::Parked;
use super::request::{Query, Version};
use crate::config::Config;
use crate::directory::{Account, Directory, Domain};
use crate::mailbox::{Acting, Mailbox, Origin, OwnerId};
use crate::net::Shutdown;

/// What the door stands on.
pub struct Eas {
    /// The shared folders.
    pub mailbox: Mailbox,
    /// Who is who.
    pub directory: Directory,
    /// The settings.
    pub config: Arc<Config>,
    /// Requests that wait for a change.
    pub parked: Parked,
    /// How the server ends.
    pub shutdown: Shutdown,
}

/// An authenticated request.
pub struct Session {
    /// What the door stands on.
    pub eas: Arc<Eas>,
    /// Who is logged in.
    pub account: Account,
    /// The account's domain.
    pub domain: Domain,
    /// The device's number in the store, drawn when it was first seen.
    pub device: Origin,
    /// The protocol version of this request.
    pub version: Version,
    /// What the request line said.
    pub query: Query,
}

impl Session {
    /// Whose folders the account's own are.
    pub fn owner(&self) -> OwnerId {
        OwnerId(self.account.id.0)
    }

    /// The account as it acts.
    pub fn acting(&self) -> Acting {
        Acting::account(self.account.id.0)
    }

    /// True from this version on.
    pub fn at_least(&self, version: Version) -> bool {
        self.version >= version
    }
}
