//! The services an account may log in to.

use serde::{Deserialize, Serialize};

/// What a login is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Service {
    /// Exchange ActiveSync and Autodiscover.
    Eas = 1,
    /// WebDAV, CalDAV and CardDAV.
    Dav = 1 << 1,
    /// Submission of mail.
    Smtp = 1 << 2,
    /// IMAP.
    Imap = 1 << 3,
    /// POP3.
    Pop3 = 1 << 4,
    /// Editing of Sieve scripts.
    ManageSieve = 1 << 5,
    /// The web pages for users.
    Web = 1 << 6,
    /// Administration.
    Admin = 1 << 7,
    /// Files for administrators.
    Ftp = 1 << 8,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Eas,
        Self::Dav,
        Self::Smtp,
        Self::Imap,
        Self::Pop3,
        Self::ManageSieve,
        Self::Web,
        Self::Admin,
        Self::Ftp,
    ];

    /// True where an app password may stand in for the password: in programs that store it, not where
    /// a person types it, since whoever finds one there could change everything about the account.
    pub const fn takes_app_passwords(self) -> bool {
        !matches!(self, Self::Web | Self::Admin | Self::Ftp)
    }

    /// The name in logs and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eas => "eas",
            Self::Dav => "dav",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::ManageSieve => "managesieve",
            Self::Web => "web",
            Self::Admin => "admin",
            Self::Ftp => "ftp",
        }
    }
}

/// A set of services.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Services(u16);

impl Services {
    /// None.
    pub const NONE: Self = Self(0);
    /// All, also those to come.
    pub const ALL: Self = Self(u16::MAX);
    /// What accounts may use that nothing was set for: all but administration.
    pub const USUAL: Self = Self::ALL.without(Service::Admin).without(Service::Ftp);

    /// The set with `service` in it.
    pub const fn with(self, service: Service) -> Self {
        Self(self.0 | service as u16)
    }

    /// The set without `service`.
    pub const fn without(self, service: Service) -> Self {
        Self(self.0 & !(service as u16))
    }

    /// True when `service` is in the set.
    pub const fn has(self, service: Service) -> bool {
        self.0 & service as u16 != 0
    }
}
