//! Preconditions and postconditions: why a request was refused, in XML. RFC 4918 §16; RFC 3253 §1.6.

use super::{Href, Name, Privilege, Status, XmlWriter};

/// A condition that a request broke.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Precondition {
    /// RFC 4918 §16: a DOCTYPE or an entity.
    NoExternalEntities,
    /// RFC 4918 §16: PROPFIND of everything below is not done.
    PropfindFiniteDepth,
    /// RFC 4918 §16: PROPPATCH of a live property.
    CannotModifyProtectedProperty,
    /// RFC 4918 §16: a lock is in the way.
    LockTokenSubmitted(Vec<Href>),
    /// RFC 4918 §16: a COPY or MOVE could not keep a live property as it was.
    PreservedLiveProperties,
    /// RFC 3253 §3.6: a report that is not known here.
    SupportedReport,
    /// RFC 3744 §7.1.1: privileges that are lacking, each with where.
    NeedPrivileges(Vec<(Href, Privilege)>),
    /// RFC 3744 §8.1.1: an ACL that is not understood, or none that may be set.
    NoAceConflict,
    /// RFC 3744 §9.2.1, §9.4: a report with more answers than are given.
    NumberOfMatchesWithinLimits,
    /// RFC 4331 §6: the owner's quota.
    QuotaNotExceeded,
    /// RFC 4331 §6: the disk.
    SufficientDiskSpace,
    /// RFC 5689 §3.3: a kind of collection that is not made.
    ValidResourceType,
    /// RFC 6578 §3.2: a token that is unknown, or too old.
    ValidSyncToken,
    /// RFC 4791 §5.3.1.1: nothing is in the way of a new calendar.
    ResourceMustBeNull,
    /// RFC 4791 §5.3.1.1: no calendar within a calendar.
    CalendarCollectionLocationOk,
    /// RFC 4791 §5.3.2.1: no iCalendar.
    SupportedCalendarData,
    /// RFC 4791 §5.3.2.1: broken iCalendar.
    ValidCalendarData,
    /// RFC 4791 §5.3.2.1: iCalendar that is no object of a calendar.
    ValidCalendarObjectResource,
    /// RFC 4791 §5.3.2.1: a component that this calendar does not hold.
    SupportedCalendarComponent,
    /// RFC 4791 §5.3.2.1: a UID that another object has, or one that changed.
    NoUidConflict(Option<Href>),
    /// RFC 4791 §5.3.2.1.
    MaxResourceSize,
    /// RFC 4791 §5.3.2.1.
    MinDateTime,
    /// RFC 4791 §5.3.2.1.
    MaxDateTime,
    /// RFC 4791 §5.3.2.1.
    MaxInstances,
    /// RFC 4791 §5.3.2.1.
    MaxAttendeesPerInstance,
    /// RFC 4791 §5.3.2.1: a COPY or MOVE of a calendar to where none may be.
    CalendarCollectionLocation,
    /// RFC 4791 §7.8: a filter that makes no sense.
    ValidFilter,
    /// RFC 4791 §7.8: a filter on something that cannot be asked for.
    SupportedFilter,
    /// RFC 4791 §7.5.1: a collation that is not known.
    SupportedCollation,
    /// RFC 4791 §5.3.1.1: a timezone that is no VTIMEZONE.
    ValidTimezone,
    /// RFC 7809 §5.2: a zone that is not known.
    ValidTimezoneId,
    /// RFC 6352 §6.3.2.1: no vCard.
    SupportedAddressData,
    /// RFC 6352 §5.1.1.1: a card cannot be given in the version that is asked for.
    SupportedAddressDataConversion,
    /// RFC 6352 §6.3.2.1: a broken vCard.
    ValidAddressData,
    /// RFC 6352 §6.3.2.1: a UID that another card has, or one that changed.
    NoCardUidConflict(Option<Href>),
    /// RFC 6352 §6.3.2.1.
    MaxCardSize,
    /// RFC 6352 §6.3.2.1: no address book within an address book.
    AddressbookCollectionLocationOk,
    /// RFC 6352 §8.6: a filter on something that cannot be asked for.
    SupportedCardFilter,
    /// RFC 6352 §8.3.1: a collation that is not known.
    SupportedCardCollation,
    /// RFC 6638 §3.2.4.1: another object of the owner's has this UID.
    UniqueSchedulingObjectResource(Option<Href>),
    /// RFC 6638 §3.2.4.2: the parts of an object have different organizers.
    SameOrganizerInAllComponents,
    /// RFC 6638 §3.2.4.3: a change that only the organizer may make.
    AllowedOrganizerSchedulingObjectChange,
    /// RFC 6638 §3.2.4.4: a change that an attendee may not make.
    AllowedAttendeeSchedulingObjectChange,
    /// RFC 6638 §4.2: the default calendar cannot be deleted, or be something else.
    DefaultCalendarNeeded,
    /// RFC 6638 §9.2: no calendar that may be the default.
    ValidScheduleDefaultCalendarUrl,
    /// RFC 6638 §5: something that is no scheduling message.
    ValidSchedulingMessage,
    /// RFC 6638 §5: an organizer that is not the owner of the outbox.
    OrganizerAllowed,
}

impl Precondition {
    /// The element that names it.
    pub fn name(&self) -> Name {
        match self {
            Self::NoExternalEntities => Name::dav("no-external-entities"),
            Self::PropfindFiniteDepth => Name::dav("propfind-finite-depth"),
            Self::CannotModifyProtectedProperty => Name::dav("cannot-modify-protected-property"),
            Self::LockTokenSubmitted(_) => Name::dav("lock-token-submitted"),
            Self::PreservedLiveProperties => Name::dav("preserved-live-properties"),
            Self::SupportedReport => Name::dav("supported-report"),
            Self::NeedPrivileges(_) => Name::dav("need-privileges"),
            Self::NoAceConflict => Name::dav("no-ace-conflict"),
            Self::NumberOfMatchesWithinLimits => Name::dav("number-of-matches-within-limits"),
            Self::QuotaNotExceeded => Name::dav("quota-not-exceeded"),
            Self::SufficientDiskSpace => Name::dav("sufficient-disk-space"),
            Self::ValidResourceType => Name::dav("valid-resourcetype"),
            Self::ValidSyncToken => Name::dav("valid-sync-token"),
            Self::ResourceMustBeNull => Name::dav("resource-must-be-null"),
            Self::CalendarCollectionLocationOk | Self::CalendarCollectionLocation => {
                Name::caldav("calendar-collection-location-ok")
            }
            Self::SupportedCalendarData => Name::caldav("supported-calendar-data"),
            Self::ValidCalendarData => Name::caldav("valid-calendar-data"),
            Self::ValidCalendarObjectResource => Name::caldav("valid-calendar-object-resource"),
            Self::SupportedCalendarComponent => Name::caldav("supported-calendar-component"),
            Self::NoUidConflict(_) => Name::caldav("no-uid-conflict"),
            Self::MaxResourceSize => Name::caldav("max-resource-size"),
            Self::MinDateTime => Name::caldav("min-date-time"),
            Self::MaxDateTime => Name::caldav("max-date-time"),
            Self::MaxInstances => Name::caldav("max-instances"),
            Self::MaxAttendeesPerInstance => Name::caldav("max-attendees-per-instance"),
            Self::ValidFilter => Name::caldav("valid-filter"),
            Self::SupportedFilter => Name::caldav("supported-filter"),
            Self::SupportedCollation => Name::caldav("supported-collation"),
            Self::ValidTimezone => Name::caldav("valid-timezone"),
            Self::ValidTimezoneId => Name::caldav("valid-timezone"),
            Self::SupportedAddressData => Name::carddav("supported-address-data"),
            Self::SupportedAddressDataConversion => Name::carddav("supported-address-data-conversion"),
            Self::ValidAddressData => Name::carddav("valid-address-data"),
            Self::NoCardUidConflict(_) => Name::carddav("no-uid-conflict"),
            Self::MaxCardSize => Name::carddav("max-resource-size"),
            Self::AddressbookCollectionLocationOk => Name::carddav("addressbook-collection-location-ok"),
            Self::SupportedCardFilter => Name::carddav("supported-filter"),
            Self::SupportedCardCollation => Name::carddav("supported-collation"),
            Self::UniqueSchedulingObjectResource(_) => Name::caldav("unique-scheduling-object-resource"),
            Self::SameOrganizerInAllComponents => Name::caldav("same-organizer-in-all-components"),
            Self::AllowedOrganizerSchedulingObjectChange => {
                Name::caldav("allowed-organizer-scheduling-object-change")
            }
            Self::AllowedAttendeeSchedulingObjectChange => {
                Name::caldav("allowed-attendee-scheduling-object-change")
            }
            Self::DefaultCalendarNeeded => Name::caldav("default-calendar-needed"),
            Self::ValidScheduleDefaultCalendarUrl => Name::caldav("valid-schedule-default-calendar-URL"),
            Self::ValidSchedulingMessage => Name::caldav("valid-scheduling-message"),
            Self::OrganizerAllowed => Name::caldav("valid-organizer"),
        }
    }

    /// The status that a request gets which broke it: 403 where repeating it is in vain, 409 where something
    /// else can be done first. RFC 4918 §16.
    pub fn status(&self) -> Status {
        match self {
            Self::LockTokenSubmitted(_) => Status::LOCKED,
            Self::QuotaNotExceeded | Self::SufficientDiskSpace => Status::INSUFFICIENT_STORAGE,
            Self::ValidScheduleDefaultCalendarUrl => Status::CONFLICT,
            _ => Status::FORBIDDEN,
        }
    }

    /// The body of the answer: DAV:error with it. RFC 4918 §14.5.
    pub fn body(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new(&Name::dav("error"));
        self.write(&mut xml);
        xml.finish()
    }

    /// Writes the element.
    pub(crate) fn write(&self, xml: &mut XmlWriter) {
        let name = self.name();
        match self {
            Self::NoUidConflict(Some(href))
            | Self::NoCardUidConflict(Some(href))
            | Self::UniqueSchedulingObjectResource(Some(href)) => {
                xml.open(&name);
                xml.leaf(&Name::dav("href"), href.as_str());
                xml.close();
            }
            Self::LockTokenSubmitted(hrefs) => {
                xml.open(&name);
                hrefs.iter().for_each(|href| xml.leaf(&Name::dav("href"), href.as_str()));
                xml.close();
            }
            Self::NeedPrivileges(lacking) => {
                xml.open(&name);
                for (href, privilege) in lacking {
                    xml.open(&Name::dav("resource"));
                    xml.leaf(&Name::dav("href"), href.as_str());
                    privilege.write(xml);
                    xml.close();
                }
                xml.close();
            }
            _ => xml.empty(&name),
        }
    }
}
