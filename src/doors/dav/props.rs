//! Live properties, and how all properties of a resource are written. RFC 4918 §15; RFC 3744 §4, §5; RFC 4791
//! §5.2, §6.2; RFC 6352 §6.2, §7.1; RFC 4331; RFC 5397; RFC 6578 §4.

mod account;
mod collection;
mod item;

use caldav::dav::{
    AddressData, CalendarData, Href, Name, Namespace, Privilege, PropertyResponse, Status, Value, Wanted,
};

pub(super) use collection::{modseq_of, token};

use super::dead;
use super::node::{self, Home, Node};
use super::reply::Failure;
use super::session::Session;
use crate::mailbox::{Role, View};
use crate::policy::Rights;

/// Whatever says what properties a resource has.
pub(super) struct Props<'p> {
    pub(super) session: &'p Session,
    pub(super) view: &'p View,
    /// The store's epoch, for sync tokens.
    pub(super) epoch: u64,
    /// How CALDAV:calendar-data is wanted.
    pub(super) calendar_data: Option<&'p CalendarData>,
    /// How CARDDAV:address-data is wanted.
    pub(super) address_data: Option<&'p AddressData>,
}

/// What a live property is set to, as it is kept with a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Live {
    /// It can be set, and is kept as this property of the folder.
    Kept(&'static str),
    /// It is the server's.
    Protected,
}

/// What CALDAV:schedule-calendar-transp is kept as.
pub(super) const TRANSPARENT: &str = "schedule-calendar-transp";

/// Whether a name is that of a live property, and then whether it can be set.
pub(super) fn live(name: &Name) -> Option<Live> {
    let (namespace, local) = (name.namespace(), name.local());
    let kept = match (namespace, local) {
        (Namespace::Dav, "displayname") => crate::objects::DISPLAY_NAME,
        (Namespace::CalDav, "calendar-description") | (Namespace::CardDav, "addressbook-description") => {
            crate::objects::DESCRIPTION
        }
        (Namespace::CalDav, "calendar-timezone") => crate::objects::TIME_ZONE,
        (Namespace::CalDav, "schedule-calendar-transp") => TRANSPARENT,
        (Namespace::AppleIcal, "calendar-color") => crate::objects::COLOR,
        (Namespace::AppleIcal, "calendar-order") => crate::objects::ORDER,
        _ => return PROTECTED.contains(&(namespace.clone(), local)).then_some(Live::Protected),
    };
    Some(Live::Kept(kept))
}

/// The other live properties.
static PROTECTED: [(Namespace, &str); 49] = {
    use Namespace::{CalDav, CalendarServer, CardDav, Dav};
    [
        (Dav, "acl"),
        (Dav, "acl-restrictions"),
        (Dav, "alternate-URI-set"),
        (Dav, "creationdate"),
        (Dav, "current-user-principal"),
        (Dav, "current-user-privilege-set"),
        (Dav, "getcontentlanguage"),
        (Dav, "getcontentlength"),
        (Dav, "getcontenttype"),
        (Dav, "getetag"),
        (Dav, "getlastmodified"),
        (Dav, "group"),
        (Dav, "group-member-set"),
        (Dav, "group-membership"),
        (Dav, "inherited-acl-set"),
        (Dav, "lockdiscovery"),
        (Dav, "owner"),
        (Dav, "principal-URL"),
        (Dav, "principal-collection-set"),
        (Dav, "quota-available-bytes"),
        (Dav, "quota-used-bytes"),
        (Dav, "resourcetype"),
        (Dav, "supported-method-set"),
        (Dav, "supported-privilege-set"),
        (Dav, "supported-report-set"),
        (Dav, "supportedlock"),
        (Dav, "sync-token"),
        (CalDav, "calendar-data"),
        (CalDav, "calendar-home-set"),
        (CalDav, "calendar-user-address-set"),
        (CalDav, "calendar-user-type"),
        (CalDav, "max-attendees-per-instance"),
        (CalDav, "max-date-time"),
        (CalDav, "max-instances"),
        (CalDav, "max-resource-size"),
        (CalDav, "min-date-time"),
        (CalDav, "schedule-default-calendar-URL"),
        (CalDav, "schedule-inbox-URL"),
        (CalDav, "schedule-outbox-URL"),
        (CalDav, "schedule-tag"),
        (CalDav, "supported-calendar-component-set"),
        (CalDav, "supported-calendar-data"),
        (CalDav, "supported-collation-set"),
        (CardDav, "address-data"),
        (CardDav, "addressbook-home-set"),
        (CardDav, "max-resource-size"),
        (CardDav, "supported-address-data"),
        (CardDav, "supported-collation-set"),
        (CalendarServer, "getctag"),
    ]
};

/// What DAV:allprop gives of live properties: those of RFC 4918 alone. RFC 4918 §9.1.
const ALL: [&str; 9] = [
    "creationdate",
    "displayname",
    "getcontentlength",
    "getcontenttype",
    "getetag",
    "getlastmodified",
    "lockdiscovery",
    "resourcetype",
    "supportedlock",
];

impl Props<'_> {
    /// Writes what is wanted of a resource; with `minimal` nothing about what it does not have. RFC 8144 §2.1.
    pub(super) fn write(
        &self,
        node: &Node,
        wanted: &Wanted,
        minimal: bool,
        out: &mut PropertyResponse<'_>,
    ) -> Result<(), Failure> {
        match wanted {
            Wanted::These(properties) => {
                for name in &properties.names {
                    if !self.one(node, name, out)? && !minimal {
                        out.missing(name);
                    }
                }
            }
            Wanted::All(include) => {
                let mut given: Vec<Name> = ALL.into_iter().map(Name::dav).collect();
                given.extend(dead_names(node));
                given.extend(include.names.iter().filter(|name| !ALL.contains(&name.local())).cloned());
                for name in &given {
                    if !self.one(node, name, out)? && include.names.contains(name) && !minimal {
                        out.missing(name);
                    }
                }
            }
            Wanted::Names => self.names(node).iter().for_each(|name| out.done(name)),
        }
        Ok(())
    }

    /// The names of all that a resource has.
    fn names(&self, node: &Node) -> Vec<Name> {
        let mut scratch = caldav::dav::Multistatus::new();
        let known = PROTECTED.iter().map(|(namespace, local)| Name::new(namespace.clone(), local));
        let settable = [
            Name::dav("displayname"),
            Name::caldav("calendar-description"),
            Name::carddav("addressbook-description"),
            Name::caldav("calendar-timezone"),
            Name::apple("calendar-color"),
            Name::apple("calendar-order"),
        ];
        let data = |name: &Name| name.is_caldav("calendar-data") || name.is_carddav("address-data");
        let mut names: Vec<Name> = known.chain(settable).filter(|name| !data(name)).collect();
        names.retain(|name| {
            let mut out = scratch.response(&Href::new([""], false));
            matches!(self.one(node, name, &mut out), Ok(true))
        });
        names.extend(dead_names(node));
        names
    }

    /// Writes one property. `false` when the resource does not have it.
    pub(super) fn one(
        &self,
        node: &Node,
        name: &Name,
        out: &mut PropertyResponse<'_>,
    ) -> Result<bool, Failure> {
        if self.everywhere(node, name, out)? {
            return Ok(true);
        }
        match node {
            Node::Root | Node::Principals | Node::Home(_) | Node::Inbox | Node::Outbox => {
                self.of_place(node, name, out)
            }
            Node::Principal(account) => self.of_account(account, name, out),
            Node::Collection(at) => self.of_collection(at, name, out),
            Node::Item(at, item) => self.of_item(at, item, name, out),
            Node::Vacant(..) | Node::Nowhere => Ok(false),
        }
    }

    /// Properties that every resource has.
    fn everywhere(&self, node: &Node, name: &Name, out: &mut PropertyResponse<'_>) -> Result<bool, Failure> {
        if *name.namespace() != Namespace::Dav {
            return Ok(false);
        }
        match name.local() {
            "current-user-principal" => {
                out.value(name, &Value::Hrefs(&[node::principal_href(self.session.account())]));
            }
            "principal-collection-set" => {
                out.value(name, &Value::Hrefs(&[Href::new([node::ROOT, "principals"], true)]));
            }
            "supportedlock" | "lockdiscovery" => out.value(name, &Value::Empty),
            "current-user-privilege-set" => out.value(name, &Value::Privileges(&privileges(node))),
            "supported-privilege-set" => out.value(name, &Value::SupportedPrivileges(&[Privilege::All])),
            "supported-report-set" => out.value(name, &Value::Reports(&reports(node))),
            "supported-method-set" => out.value(name, &Value::Methods(methods(node))),
            "resourcetype" => out.value(name, &Value::Names(&resource_type(node))),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Properties of what is neither folder nor account.
    fn of_place(&self, node: &Node, name: &Name, out: &mut PropertyResponse<'_>) -> Result<bool, Failure> {
        match (name.namespace(), name.local()) {
            (Namespace::Dav, "displayname") => {
                let title = match node {
                    Node::Principals => "Principals",
                    Node::Home(Home::Calendars) => "Calendars",
                    Node::Home(Home::Contacts) => "Contacts",
                    Node::Home(Home::Files) => "Files",
                    Node::Inbox => "Inbox",
                    Node::Outbox => "Outbox",
                    _ => "Folkmoot",
                };
                out.value(name, &Value::Text(title));
            }
            (Namespace::CalDav, "schedule-default-calendar-URL") if matches!(node, Node::Inbox) => {
                let all = node::collections(self.session, self.view, Home::Calendars)?;
                let found = all.iter().find(|at| {
                    at.folder().role == Role::Calendar && at.folder().owner == self.session.owner()
                });
                let Some(found) = found else { return Ok(false) };
                out.value(name, &Value::Hrefs(std::slice::from_ref(&found.href)));
            }
            (Namespace::Dav, "owner") if matches!(node, Node::Home(_) | Node::Inbox | Node::Outbox) => {
                out.value(name, &Value::Hrefs(&[node::principal_href(self.session.account())]));
            }
            (Namespace::Dav, "quota-available-bytes" | "quota-used-bytes")
                if matches!(node, Node::Home(_)) =>
            {
                return self.quota(self.session.owner(), name, out);
            }
            // Clients ask for their homes wherever they begin.
            (Namespace::CalDav, "calendar-home-set" | "calendar-user-address-set")
            | (Namespace::CardDav, "addressbook-home-set")
                if matches!(node, Node::Root) =>
            {
                return self.of_account(self.session.account(), name, out);
            }
            (Namespace::CalDav, "supported-calendar-component-sets")
                if matches!(node, Node::Home(Home::Calendars)) =>
            {
                out.value(
                    name,
                    &Value::ComponentSets(&[
                        &["VEVENT", "VTODO", "VJOURNAL"],
                        &["VEVENT"],
                        &["VTODO"],
                        &["VJOURNAL"],
                    ]),
                );
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// RFC 4331 §3, §4.
    fn quota(
        &self,
        owner: crate::mailbox::OwnerId,
        name: &Name,
        out: &mut PropertyResponse<'_>,
    ) -> Result<bool, Failure> {
        let counted = self.view.owner(owner)?;
        match (name.local(), counted.quota) {
            ("quota-used-bytes", _) => out.value(name, &Value::Number(counted.bytes)),
            (_, Some(quota)) => out.value(name, &Value::Number(quota.saturating_sub(counted.bytes))),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn dead_names(node: &Node) -> Vec<Name> {
    match node {
        Node::Collection(at) => dead::names(&at.folder().properties).collect(),
        Node::Item(_, item) => dead::names(&item.properties).collect(),
        _ => Vec::new(),
    }
}

/// RFC 4918 §15.9; RFC 4791 §4.2; RFC 6352 §5.2; RFC 3744 §4.
fn resource_type(node: &Node) -> Vec<Name> {
    let collection = Name::dav("collection");
    match node {
        Node::Root | Node::Principals | Node::Home(_) => vec![collection],
        Node::Principal(_) => vec![Name::dav("principal")],
        Node::Inbox => vec![collection, Name::caldav("schedule-inbox")],
        Node::Outbox => vec![collection, Name::caldav("schedule-outbox")],
        Node::Collection(at) => match at.home {
            Home::Calendars => vec![collection, Name::caldav("calendar")],
            Home::Contacts => vec![collection, Name::carddav("addressbook")],
            Home::Files => vec![collection],
        },
        Node::Item(..) | Node::Vacant(..) | Node::Nowhere => Vec::new(),
    }
}

/// What rights are as privileges. RFC 3744 §3; RFC 4791 §6.1.1.
pub(super) fn of_rights(rights: Rights) -> Vec<Privilege> {
    let mut all = vec![Privilege::ReadCurrentUserPrivilegeSet];
    if rights.has(Rights::READ) {
        all.extend([Privilege::Read, Privilege::ReadFreeBusy]);
    }
    if rights.has(Rights::ADMIN) {
        all.extend([Privilege::WriteProperties, Privilege::ReadAcl]);
    }
    if rights.has(Rights::INSERT) {
        all.push(Privilege::Bind);
        if rights.has(Rights::WRITE) {
            all.push(Privilege::WriteContent);
        }
    }
    if rights.has(Rights::DELETE_ITEM.and(Rights::EXPUNGE)) {
        all.push(Privilege::Unbind);
    }
    let write = [Privilege::WriteContent, Privilege::Bind, Privilege::Unbind];
    if write.iter().all(|privilege| all.contains(privilege)) {
        all.push(Privilege::Write);
    }
    all
}

fn privileges(node: &Node) -> Vec<Privilege> {
    let reads = [Privilege::Read, Privilege::ReadCurrentUserPrivilegeSet];
    match node {
        Node::Collection(at) | Node::Item(at, _) => {
            let mut all = of_rights(at.seen.rights);
            if at.seen.rights == Rights::ALL {
                all.insert(0, Privilege::All);
            }
            all
        }
        Node::Home(_) => [&reads[..], &[Privilege::Bind, Privilege::Unbind]].concat(),
        Node::Inbox => [&reads[..], &[Privilege::ScheduleDeliver]].concat(),
        Node::Outbox => {
            let send = [
                Privilege::ScheduleSendInvite,
                Privilege::ScheduleSendReply,
                Privilege::ScheduleSendFreeBusy,
            ];
            [&reads[..], &[Privilege::ScheduleSend], &send].concat()
        }
        _ => reads.to_vec(),
    }
}

/// RFC 3253 §3.1.5.
pub(super) fn reports(node: &Node) -> Vec<Name> {
    let mut all = vec![
        Name::dav("expand-property"),
        Name::dav("principal-match"),
        Name::dav("principal-property-search"),
        Name::dav("principal-search-property-set"),
    ];
    match node {
        Node::Collection(at) => {
            all.push(Name::dav("sync-collection"));
            match at.home {
                Home::Calendars => all.extend([
                    Name::caldav("calendar-query"),
                    Name::caldav("calendar-multiget"),
                    Name::caldav("free-busy-query"),
                ]),
                Home::Contacts => {
                    all.extend([Name::carddav("addressbook-query"), Name::carddav("addressbook-multiget")]);
                }
                Home::Files => {}
            }
        }
        Node::Home(Home::Calendars) => all.push(Name::caldav("calendar-multiget")),
        Node::Home(Home::Contacts) => all.push(Name::carddav("addressbook-multiget")),
        _ => {}
    }
    all
}

/// The methods that a resource takes. RFC 9110 §10.2.1.
pub(super) fn methods(node: &Node) -> &'static [&'static str] {
    match node {
        Node::Item(..) => {
            &["OPTIONS", "GET", "HEAD", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "COPY", "MOVE", "REPORT"]
        }
        Node::Collection(_) => {
            &["OPTIONS", "DELETE", "PROPFIND", "PROPPATCH", "COPY", "MOVE", "REPORT", "MKCOL"]
        }
        Node::Outbox => &["OPTIONS", "POST", "PROPFIND", "REPORT"],
        Node::Vacant(..) => &["OPTIONS", "PUT", "MKCOL", "MKCALENDAR"],
        _ => &["OPTIONS", "PROPFIND", "PROPPATCH", "REPORT"],
    }
}

/// A text that a folder keeps.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Refuses a property with a status, for whoever sets it.
pub(super) fn refuse(out: &mut PropertyResponse<'_>, name: &Name, failed: bool) {
    if failed {
        out.refused(name, Status::FORBIDDEN, Some(caldav::dav::Precondition::CannotModifyProtectedProperty));
    } else {
        out.refused(name, Status::FAILED_DEPENDENCY, None);
    }
}
