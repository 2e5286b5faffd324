//! Folders of objects: what they hold, and the properties that doors keep with them.

use std::fmt;

use super::entry::Kept;
use crate::mailbox::{self, Folder, FolderId, Kind, MailTx, NewFolder, OwnerId};

/// The folder's colour, as clients write it (`#RRGGBBAA`).
pub const COLOR: &str = "color";
/// Where the folder stands among others.
pub const ORDER: &str = "order";
/// What the folder is for. RFC 4791 §5.2.1; RFC 6352 §6.2.1.
pub const DESCRIPTION: &str = "description";
/// The components it holds, separated by commas, where that differs from its kind's. RFC 4791 §5.2.3.
pub const COMPONENTS: &str = "components";
/// An iCalendar object with the zone of its floating times. RFC 4791 §5.2.2.
pub const TIME_ZONE: &str = "timezone";
/// The last segment of its URL, where a DAV client chose it.
pub const SEGMENT: &str = "segment";
/// What it is called, where that cannot be its name. RFC 4918 §15.2.
pub const DISPLAY_NAME: &str = "displayname";

/// A set of iCalendar components.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Components {
    /// VEVENT
    pub events: bool,
    /// VTODO
    pub to_dos: bool,
    /// VJOURNAL
    pub journals: bool,
}

impl Components {
    /// None at all.
    pub const NONE: Self = Self { events: false, to_dos: false, journals: false };
    /// Every one that is kept.
    pub const ALL: Self = Self { events: true, to_dos: true, journals: true };

    /// The set of these names; those that are not known are left out.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        names.into_iter().filter_map(|name| Kept::of_calendar(name.trim())).fold(Self::NONE, Self::with)
    }

    fn with(self, kept: Kept) -> Self {
        match kept {
            Kept::Event => Self { events: true, ..self },
            Kept::ToDo => Self { to_dos: true, ..self },
            Kept::Journal => Self { journals: true, ..self },
            Kept::Card | Kept::File => self,
        }
    }

    /// Whether it has this one.
    pub fn has(self, kept: Kept) -> bool {
        match kept {
            Kept::Event => self.events,
            Kept::ToDo => self.to_dos,
            Kept::Journal => self.journals,
            Kept::Card | Kept::File => false,
        }
    }

    /// The components in it.
    pub fn iter(self) -> impl Iterator<Item = Kept> {
        [Kept::Event, Kept::ToDo, Kept::Journal].into_iter().filter(move |kept| self.has(*kept))
    }
}

impl fmt::Display for Components {
    /// As [`COMPONENTS`] has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Kept::name).collect::<Vec<_>>().join(","))
    }
}

/// The components that a folder holds: what it says, else what is usual for its kind.
pub fn components(folder: &Folder) -> Components {
    let said = folder.property(COMPONENTS).and_then(|names| std::str::from_utf8(names).ok());
    if let (Kind::Calendar, Some(names)) = (folder.kind, said) {
        return Components::named(names.split(','));
    }
    match folder.kind {
        Kind::Calendar => Components { events: true, ..Components::NONE },
        Kind::Tasks => Components { to_dos: true, ..Components::NONE },
        Kind::Notes | Kind::Journal => Components { journals: true, ..Components::NONE },
        Kind::Mail | Kind::Contacts | Kind::Files => Components::NONE,
    }
}

/// Makes a folder with its properties.
///
/// # Errors
/// As [`MailTx::create_folder`] and [`MailTx::set_folder_properties`].
pub fn create(
    tx: &mut MailTx<'_, '_>,
    owner: OwnerId,
    new: &NewFolder<'_>,
    properties: &[(String, Option<Vec<u8>>)],
) -> Result<FolderId, mailbox::Error> {
    let id = tx.create_folder(owner, new)?;
    if !properties.is_empty() {
        let made = tx.granted(id)?;
        tx.set_folder_properties(&made, properties)?;
    }
    Ok(id)
}
