//! Items of any class as a client sees them.

use caldav::Object;
use wbxml::{Element, Tag, airsync};

use super::Wishes;
use super::email::Parts;
use crate::doors::eas::class::{self, Asker, Out};
use crate::doors::eas::session::Session;
use crate::mailbox::{Error, Folder, Item, Kind, View};

/// Shows the items of one folder to one client.
pub(in crate::doors::eas) struct Renderer<'v> {
    pub(super) session: &'v Session,
    pub(super) view: &'v View,
    pub(super) folder: &'v Folder,
    pub(super) wishes: &'v Wishes,
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

    /// All that the client wants of an item; `None` for one that its folder's class cannot show.
    pub(in crate::doors::eas) fn whole(&self, item: &Item) -> Result<Option<Element<'static>>, Error> {
        self.properties(item, airsync::APPLICATION_DATA, None)
    }

    /// As [`Renderer::whole`], within an element of another command.
    pub(in crate::doors::eas) fn properties(
        &self,
        item: &Item,
        within: Tag,
        parts: Parts<'_>,
    ) -> Result<Option<Element<'static>>, Error> {
        if self.folder.kind == Kind::Mail {
            return self.message(item, within, parts).map(Some);
        }
        let octets = self.session.eas.mailbox.message(self.view, self.folder, item)?;
        let object =
            Object::parse(&octets).map_err(|_| Error::Invalid("the object is too large to be read"))?;
        let mut out = Out::new(within, self.session.version, self.wishes, parts);
        let place = (self.folder.id, item.uid);
        let shown = class::show(self.folder.kind, &object, Asker::of(self.session), place, &mut out);
        Ok(shown.then(|| out.into_element()))
    }

    /// What changes of an item without its content; `None` as for [`Renderer::whole`].
    pub(in crate::doors::eas) fn flags(&self, item: &Item) -> Result<Option<Element<'static>>, Error> {
        match self.folder.kind {
            Kind::Mail => self.message_flags(item).map(Some),
            // Of other classes nothing stands outside of the content, and what is left out of a Change is gone.
            _ => self.whole(item),
        }
    }

    /// What is known of an item that [`Renderer::whole`] cannot show, since it is damaged or cannot be read
    /// now. Its body says so.
    pub(in crate::doors::eas) fn damaged(&self, item: &Item) -> Element<'static> {
        if self.folder.kind == Kind::Mail {
            return self.damaged_message(item);
        }
        let mut out = Out::new(airsync::APPLICATION_DATA, self.session.version, self.wishes, None);
        class::stand_in(self.folder.kind, item, &mut out);
        out.into_element()
    }
}
