//! What a session knows: who it is, and the mailbox it has selected.
//!
//! Sequence numbers are the session's own: they change only when the client is told, and it is told of
//! expunged messages only when RFC 9051 §7.5.1 lets it. Between two answers a session holds neither a
//! snapshot nor anything else of the store, only the numbers and a wait for changes.

use std::ops::ControlFlow;
use std::sync::Arc;

use futures::FutureExt;

use super::fetch::flags;
use super::grammar::Set;
use super::name::Form;
use super::out::Out;
use super::reply::Numbers;
use super::uid_map::UidMap;
use crate::clock::Millis;
use crate::directory::Login;
use crate::mailbox::{
    Acting, Error, Flags, Folder, FolderId, Item, Lights, LogRow, Mailbox, Modseq, OwnerId, Uid, View, Watch,
};

/// Most rows of the change log looked at before what they say is sent.
const ROWS_MAX: usize = 2_000;

/// What a client has turned on. RFC 5161.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Enabled {
    pub(super) rev2: bool,
    pub(super) utf8: bool,
    pub(super) condstore: bool,
    pub(super) qresync: bool,
}

impl Enabled {
    /// How mailbox names are written.
    pub(super) fn form(self) -> Form {
        if self.rev2 || self.utf8 { Form::Utf8 } else { Form::ModifiedUtf7 }
    }
}

/// Who has logged in.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) acting: Acting,
    /// Whose folders have names without a prefix.
    pub(super) owner: OwnerId,
    pub(super) login: Arc<Login>,
    /// When the login was last found to be good.
    pub(super) checked: Millis,
}

impl User {
    pub(super) fn new(login: Login, now: Millis) -> Self {
        let id = login.account.id.0;
        Self { acting: Acting::account(id), owner: OwnerId(id), login: Arc::new(login), checked: now }
    }
}

/// The states of RFC 9051 §3; each has what belongs to it.
pub(super) enum State {
    NotAuthenticated,
    Authenticated(User),
    Selected(User, Box<Selected>),
}

impl State {
    pub(super) fn user(&self) -> Option<&User> {
        match self {
            Self::NotAuthenticated => None,
            Self::Authenticated(user) | Self::Selected(user, _) => Some(user),
        }
    }

    pub(super) fn user_mut(&mut self) -> Option<&mut User> {
        match self {
            Self::NotAuthenticated => None,
            Self::Authenticated(user) | Self::Selected(user, _) => Some(user),
        }
    }

    pub(super) fn selected(&mut self) -> Option<&mut Selected> {
        match self {
            Self::Selected(_, selected) => Some(selected),
            _ => None,
        }
    }

    /// Takes the selected mailbox out, if there is one; the user stays.
    pub(super) fn unselect(&mut self) -> Option<Box<Selected>> {
        match std::mem::replace(self, Self::NotAuthenticated) {
            Self::Selected(user, selected) => {
                *self = Self::Authenticated(user);
                Some(selected)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// Puts a selected mailbox in.
    pub(super) fn select(&mut self, selected: Box<Selected>) {
        *self = match std::mem::replace(self, Self::NotAuthenticated) {
            Self::NotAuthenticated => Self::NotAuthenticated,
            Self::Authenticated(user) | Self::Selected(user, _) => Self::Selected(user, selected),
        };
    }
}

/// What the client may be told now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Updates {
    /// Nothing.
    None,
    /// All but EXPUNGE, which would change the sequence numbers of an answer under way or of a command
    /// that the client has sent already.
    Numbers,
    /// Everything.
    All,
}

/// The selected mailbox.
pub(super) struct Selected {
    pub(super) folder: FolderId,
    /// Whether nothing can be changed: by EXAMINE, or for want of rights.
    pub(super) read_only: bool,
    pub(super) uids: UidMap,
    /// What the last SEARCH saved, as ordered ranges of UIDs. RFC 9051 §6.4.4.1.
    pub(super) saved: Vec<(u32, u32)>,
    /// Changes up to here are in `uids` and `gone`, and told but for those.
    seen: Modseq,
    /// Expunged messages that still have a sequence number, in order of UID.
    gone: Vec<u32>,
    /// Changes after `seen` that the client knows of, since it made them itself.
    known: Known,
    watch: Watch,
    dirty: bool,
}

/// Changes by their modseqs, as ordered ranges: those of one transaction follow each other.
#[derive(Debug, Default)]
struct Known(Vec<(u64, u64)>);

impl Known {
    fn has(&self, at: Modseq) -> bool {
        let after = self.0.partition_point(|(low, _)| *low <= at.0);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|(_, high)| at.0 <= *high)
    }

    fn add(&mut self, at: Modseq) {
        match self.0.last_mut() {
            Some((_, high)) if high.saturating_add(1) == at.0 => *high = at.0,
            // They come in order, since a session makes one change after the other.
            _ => self.0.push((at.0, at.0)),
        }
    }

    fn forget(&mut self, up_to: Modseq) {
        self.0.retain(|(_, high)| *high > up_to.0);
    }
}

/// What SELECT says of a mailbox besides its counters.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// The first message without the seen flag.
    pub(super) first_unseen: Option<u32>,
    /// Keywords in use, in order.
    pub(super) keywords: Vec<String>,
}

/// Most keywords that SELECT tells.
const KEYWORDS_MAX: usize = 100;

impl Selected {
    /// A folder's messages. `watch` was taken before the view that `lights` are of, so that nothing falls
    /// between.
    pub(super) fn open(folder: &Folder, lights: &Lights, read_only: bool, watch: Watch) -> (Self, Opened) {
        let mut uids = UidMap::default();
        let mut opened = Opened::default();
        for light in lights.iter() {
            uids.push(light.uid.0);
            if opened.first_unseen.is_none() && !light.flags.has(Flags::SEEN) {
                opened.first_unseen = Some(uids.len());
            }
        }
        let keywords = lights.all_keywords().into_iter().filter(|k| flags::is_keyword(k));
        opened.keywords = keywords.take(KEYWORDS_MAX).map(str::to_owned).collect();
        let selected = Self {
            folder: folder.id,
            read_only,
            uids,
            saved: Vec::new(),
            seen: folder.highest,
            gone: Vec::new(),
            known: Known::default(),
            watch,
            dirty: false,
        };
        (selected, opened)
    }

    /// Ready when something changed since the last time it was.
    pub(super) async fn changed(&mut self) {
        if !self.dirty {
            self.watch.changed().await;
            self.dirty = true;
        }
    }

    /// Whether there may be something to tell. Does not touch the store.
    pub(super) fn has_news(&mut self, updates: Updates) -> bool {
        self.dirty |= self.watch.changed().now_or_never().is_some();
        match updates {
            Updates::None => false,
            Updates::Numbers => self.dirty,
            Updates::All => self.dirty || !self.gone.is_empty(),
        }
    }

    /// The messages of a set, as ordered ranges of UIDs. Numbers that stand for no message are left out.
    pub(super) fn resolve(&self, set: &Set, by_uid: bool) -> Vec<(u32, u32)> {
        match set {
            Set::Saved => self.saved.clone(),
            _ if by_uid => set.resolve(self.uids.last_uid().unwrap_or(0)),
            _ => self.uids.uids(&set.resolve(self.uids.len())),
        }
    }

    /// The UIDs of the messages that the session knows of a set, in order.
    pub(super) fn members(&self, set: &Set, by_uid: bool) -> Vec<u32> {
        let ranges = self.resolve(set, by_uid);
        ranges.into_iter().flat_map(|(low, high)| self.uids.within(low, high)).collect()
    }

    /// Changes up to here were told.
    pub(super) fn seen(&self) -> Modseq {
        self.seen
    }

    /// Notes that the client knows of a change, since it made it.
    pub(super) fn knows(&mut self, change: Modseq) {
        if change > self.seen {
            self.known.add(change);
        }
    }

    /// Whether the client was told of a change, or made it.
    pub(super) fn has_heard_of(&self, change: Modseq) -> bool {
        change <= self.seen || self.known.has(change)
    }

    /// Reads what changed and says it, at most a bounded part of it; `has_news` tells whether more is left.
    pub(super) fn tell(
        &mut self,
        mailbox: &Mailbox,
        acting: &Acting,
        updates: Updates,
        enabled: Enabled,
        out: &mut Out,
    ) -> Result<(), Error> {
        let view = mailbox.view(acting.clone())?;
        let folder = view.readable(self.folder)?;
        let news = if folder.purged > self.seen {
            // Tombstones that were not looked at are gone from the log.
            News::by_comparing(&folder, &mailbox.lights(&view, &folder)?, self)
        } else {
            News::from_log(&view, &folder, self)?
        };
        self.seen = news.seen;
        self.known.forget(news.seen);
        self.dirty = news.seen < folder.highest;
        let known = |uid: &u32| self.uids.seq(*uid).is_some();
        let mut gone: Vec<u32> = news.gone.into_iter().filter(known).collect();
        gone.extend(std::mem::take(&mut self.gone));
        gone.sort_unstable();
        gone.dedup();
        let changed: Vec<u32> = news.changed.into_iter().filter(known).collect();
        if updates == Updates::All {
            let seqs = self.uids.remove(&gone);
            if enabled.qresync && !gone.is_empty() {
                // RFC 7162 §3.2.10.
                out.format(format_args!("* VANISHED {}\r\n", Numbers(&ranges(&gone))));
            } else {
                for seq in seqs {
                    out.text("* ");
                    out.number(seq.into());
                    out.text(" EXPUNGE\r\n");
                }
            }
        } else {
            self.gone = gone;
        }
        let before = self.uids.len();
        news.born.iter().for_each(|uid| self.uids.push(*uid));
        if self.uids.len() != before {
            out.format(format_args!("* {} EXISTS\r\n", self.uids.len()));
        }
        for uid in changed {
            let (Some(seq), Some(item)) = (self.uids.seq(uid), view.item(&folder, Uid(uid))?) else {
                continue;
            };
            tell_flags(seq, &item, enabled.condstore, out);
        }
        Ok(())
    }
}

/// Ordered numbers as ranges.
pub(super) fn ranges(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, high)) if high.saturating_add(1) == *number => *high = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

/// Tells a message's flags unasked.
pub(super) fn tell_flags(seq: u32, item: &Item, modseqs: bool, out: &mut Out) {
    out.format(format_args!("* {seq} FETCH (UID {} FLAGS ", item.uid.0));
    flags::write(item.flags, &item.keywords, out);
    if modseqs {
        out.format(format_args!(" MODSEQ ({})", item.modseq.0));
    }
    out.text(")\r\n");
}

/// What happened in a folder, as lists of UIDs.
struct News {
    /// Everything up to here is in it.
    seen: Modseq,
    born: Vec<u32>,
    changed: Vec<u32>,
    gone: Vec<u32>,
}

impl News {
    fn from_log(view: &View, folder: &Folder, selected: &Selected) -> Result<Self, Error> {
        let mut news = Self { seen: folder.highest, born: Vec::new(), changed: Vec::new(), gone: Vec::new() };
        let mut left = ROWS_MAX;
        view.log(folder, selected.seen, &mut |at, row| {
            match row {
                LogRow::Birth { uid } => news.born.push(uid.0),
                LogRow::Change { .. } if selected.known.has(at) => {}
                LogRow::Change { uid } | LogRow::Redated { uid } => news.changed.push(uid.0),
                LogRow::Tombstone { uid, .. } => news.gone.push(uid.0),
            }
            left -= 1;
            if left == 0 {
                news.seen = at;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        news.born.sort_unstable();
        news.changed.sort_unstable();
        news.changed.dedup();
        Ok(news)
    }

    fn by_comparing(folder: &Folder, lights: &Lights, selected: &Selected) -> Self {
        let mut news = Self { seen: folder.highest, born: Vec::new(), changed: Vec::new(), gone: Vec::new() };
        let last = selected.uids.last_uid().unwrap_or(0);
        let mut here = UidMap::default();
        for light in lights.iter() {
            let uid = light.uid.0;
            here.push(uid);
            if uid > last {
                news.born.push(uid);
            } else if !selected.has_heard_of(light.modseq) {
                news.changed.push(uid);
            }
        }
        let known = (1..=selected.uids.len()).filter_map(|seq| selected.uids.uid(seq));
        news.gone = known.filter(|uid| here.seq(*uid).is_none()).collect();
        news
    }
}
