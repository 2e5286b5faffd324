//! A message as ApplicationData. MS-ASEMAIL §2.2.2.

use wbxml::{Element, airsync, email};

use super::Wishes;
use crate::doors::eas::session::Session;
use crate::mailbox::{Error, Flags, Folder, Item, View};
use crate::message::MailRecord;

/// Property of an item that keeps its Flag element as the client wrote it.
pub(in crate::doors::eas) const FLAG_PROPERTY: &str = "eas.flag";

/// Property of an item that keeps its categories: a list of names in postcard.
pub(in crate::doors::eas) const CATEGORIES_PROPERTY: &str = "eas.categories";

/// Shows the items of one folder to one client.
pub(in crate::doors::eas) struct Renderer<'v> {
    session: &'v Session,
    view: &'v View,
    folder: &'v Folder,
    wishes: &'v Wishes,
}

impl<'v> Renderer<'v> {
    pub(in crate::doors::eas) fn new(
        session: &'v Session,
        view: &'v View,
        folder: &'v Folder,
        wishes: &'v Wishes,
    ) -> Self {
        Self { session, view, folder, wishes }
    }

    pub(in crate::doors::eas) fn folder(&self) -> &'v Folder {
        self.folder
    }

    pub(in crate::doors::eas) fn view(&self) -> &'v View {
        self.view
    }

    /// All that the client wants of an item.
    pub(in crate::doors::eas) fn whole(&self, item: &Item) -> Result<Element<'static>, Error> {
        let row = self.view.record(self.folder, item.uid)?.ok_or(Error::Missing)?;
        let record = MailRecord::decode(row.record()).map_err(|_| Error::Invalid("a damaged record"))?;
        let _ = (self.session, self.wishes);
        Ok(self.flags(item)?.with_text(email::SUBJECT, record.subject()))
    }

    /// What changes without its content.
    pub(in crate::doors::eas) fn flags(&self, item: &Item) -> Result<Element<'static>, Error> {
        Ok(Element::new(airsync::APPLICATION_DATA).with_flag(email::READ, item.flags.has(Flags::SEEN)))
    }
}
