//! Privileges and lists of them. RFC 3744 §3, §5; RFC 4791 §6.1; RFC 6638 §6.

use super::{Href, Name, XmlWriter};

/// What somebody may do with a resource.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Privilege {
    /// RFC 3744 §3.12: everything.
    All,
    /// RFC 3744 §3.1.
    Read,
    /// RFC 3744 §3.2.
    Write,
    /// RFC 3744 §3.3.
    WriteProperties,
    /// RFC 3744 §3.4.
    WriteContent,
    /// RFC 3744 §3.5.
    Unlock,
    /// RFC 3744 §3.6.
    ReadAcl,
    /// RFC 3744 §3.7.
    ReadCurrentUserPrivilegeSet,
    /// RFC 3744 §3.8.
    WriteAcl,
    /// RFC 3744 §3.9: members may be added.
    Bind,
    /// RFC 3744 §3.10: members may be taken away.
    Unbind,
    /// RFC 4791 §6.1.1.
    ReadFreeBusy,
    /// RFC 6638 §6.1.1: all that may be delivered to an inbox.
    ScheduleDeliver,
    /// RFC 6638 §6.1.2.
    ScheduleDeliverInvite,
    /// RFC 6638 §6.1.3.
    ScheduleDeliverReply,
    /// RFC 6638 §6.1.4.
    ScheduleQueryFreeBusy,
    /// RFC 6638 §6.2.1: all that may be sent through an outbox.
    ScheduleSend,
    /// RFC 6638 §6.2.2.
    ScheduleSendInvite,
    /// RFC 6638 §6.2.3.
    ScheduleSendReply,
    /// RFC 6638 §6.2.4.
    ScheduleSendFreeBusy,
}

impl Privilege {
    /// The element that stands for it.
    pub fn name(self) -> Name {
        match self {
            Self::All => Name::dav("all"),
            Self::Read => Name::dav("read"),
            Self::Write => Name::dav("write"),
            Self::WriteProperties => Name::dav("write-properties"),
            Self::WriteContent => Name::dav("write-content"),
            Self::Unlock => Name::dav("unlock"),
            Self::ReadAcl => Name::dav("read-acl"),
            Self::ReadCurrentUserPrivilegeSet => Name::dav("read-current-user-privilege-set"),
            Self::WriteAcl => Name::dav("write-acl"),
            Self::Bind => Name::dav("bind"),
            Self::Unbind => Name::dav("unbind"),
            Self::ReadFreeBusy => Name::caldav("read-free-busy"),
            Self::ScheduleDeliver => Name::caldav("schedule-deliver"),
            Self::ScheduleDeliverInvite => Name::caldav("schedule-deliver-invite"),
            Self::ScheduleDeliverReply => Name::caldav("schedule-deliver-reply"),
            Self::ScheduleQueryFreeBusy => Name::caldav("schedule-query-freebusy"),
            Self::ScheduleSend => Name::caldav("schedule-send"),
            Self::ScheduleSendInvite => Name::caldav("schedule-send-invite"),
            Self::ScheduleSendReply => Name::caldav("schedule-send-reply"),
            Self::ScheduleSendFreeBusy => Name::caldav("schedule-send-freebusy"),
        }
    }

    /// What it contains, as `DAV:supported-privilege-set` shows it.
    pub fn contains(self) -> &'static [Self] {
        match self {
            Self::All => &[Self::Read, Self::Write, Self::Unlock, Self::ReadAcl, Self::WriteAcl],
            Self::Read => &[Self::ReadCurrentUserPrivilegeSet, Self::ReadFreeBusy],
            Self::Write => &[Self::WriteProperties, Self::WriteContent, Self::Bind, Self::Unbind],
            Self::ScheduleDeliver => {
                &[Self::ScheduleDeliverInvite, Self::ScheduleDeliverReply, Self::ScheduleQueryFreeBusy]
            }
            Self::ScheduleSend => {
                &[Self::ScheduleSendInvite, Self::ScheduleSendReply, Self::ScheduleSendFreeBusy]
            }
            _ => &[],
        }
    }

    /// DAV:privilege with it. RFC 3744 §5.3.
    pub(crate) fn write(self, xml: &mut XmlWriter) {
        xml.open(&Name::dav("privilege"));
        xml.empty(&self.name());
        xml.close();
    }

    /// DAV:supported-privilege with what it contains; it nests three deep at most. RFC 3744 §5.3.
    pub(crate) fn write_supported(self, xml: &mut XmlWriter) {
        xml.open(&Name::dav("supported-privilege"));
        self.write(xml);
        xml.open_with(&Name::dav("description"), &[("xml:lang", "en")]);
        xml.text(self.name().local());
        xml.close();
        self.contains().iter().for_each(|inner| inner.write_supported(xml));
        xml.close();
    }
}

/// Whom an access control entry is about. RFC 3744 §5.5.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// One that has a URL.
    Href(Href),
    /// Everyone.
    All,
    /// Everyone who has logged in.
    Authenticated,
    /// Everyone who has not.
    Unauthenticated,
    /// The resource's owner: `DAV:property` with `DAV:owner`.
    Owner,
}

/// An access control entry. RFC 3744 §5.5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ace {
    /// Whom it is about.
    pub principal: Principal,
    /// What is granted, or else denied.
    pub grant: bool,
    /// The privileges.
    pub privileges: Vec<Privilege>,
    /// It cannot be taken away.
    pub protected: bool,
    /// Where it comes from, when it is not set here.
    pub inherited: Option<Href>,
}

impl Ace {
    pub(crate) fn write(&self, xml: &mut XmlWriter) {
        xml.open(&Name::dav("ace"));
        xml.open(&Name::dav("principal"));
        match &self.principal {
            Principal::Href(href) => xml.leaf(&Name::dav("href"), href.as_str()),
            Principal::All => xml.empty(&Name::dav("all")),
            Principal::Authenticated => xml.empty(&Name::dav("authenticated")),
            Principal::Unauthenticated => xml.empty(&Name::dav("unauthenticated")),
            Principal::Owner => {
                xml.open(&Name::dav("property"));
                xml.empty(&Name::dav("owner"));
                xml.close();
            }
        }
        xml.close();
        xml.open(&Name::dav(if self.grant { "grant" } else { "deny" }));
        self.privileges.iter().for_each(|privilege| privilege.write(xml));
        xml.close();
        if self.protected {
            xml.empty(&Name::dav("protected"));
        }
        if let Some(href) = &self.inherited {
            xml.open(&Name::dav("inherited"));
            xml.leaf(&Name::dav("href"), href.as_str());
            xml.close();
        }
        xml.close();
    }
}
