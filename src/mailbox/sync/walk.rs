//! One round: from a client's state and a view of the folder to what the client is told.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::super::Error;
use super::super::ids::{Modseq, Origin, Uid};
use super::super::item::{LogRow, date_at};
use super::{HELD_MAX, Position, State};
use crate::clock::Millis;
use crate::store::Order;

/// What a round must know of a live item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// When it came.
    pub born: Modseq,
    /// Which client brought it.
    pub born_by: Origin,
    /// Its latest change of content.
    pub content_modseq: Modseq,
    /// The client that knows of its latest change.
    pub silent_for: Origin,
    /// Its filter date.
    pub filter_date: Millis,
    /// Its former filter dates.
    pub former_dates: Vec<(Modseq, Millis)>,
}

/// A view of one folder at one moment.
pub trait View {
    /// The modseq of its latest change.
    fn head(&self) -> Modseq;
    /// Tombstones up to here are gone.
    fn purged(&self) -> Modseq;
    /// Visits the rows of its log after `after`, oldest first.
    fn log(
        &self,
        after: Modseq,
        visit: &mut dyn FnMut(Modseq, LogRow) -> ControlFlow<()>,
    ) -> Result<(), Error>;
    /// What is known of a live item.
    fn facts(&self, uid: Uid) -> Result<Option<Facts>, Error>;
    /// Visits the live items at or above `from` and below `to`, in `order` of their positions.
    fn positions(
        &self,
        from: Position,
        to: Position,
        order: Order,
        visit: &mut dyn FnMut(Position) -> ControlFlow<()>,
    ) -> Result<(), Error>;
}

/// One thing to tell a client about an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It does not have it.
    Add(Uid),
    /// It has it; `content` when more than flags and properties changed since it was told.
    Change {
        /// The item.
        uid: Uid,
        /// Whether the content changed.
        content: bool,
    },
    /// It has it and it is gone.
    Delete(Uid),
    /// It has it and its filter leaves it out now.
    SoftDelete(Uid),
}

/// What a round tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// In the order in which it happened; no item twice.
    pub steps: Vec<Step>,
    /// The state of a client that was told.
    pub state: State,
    /// Whether the window ended the round before everything was told.
    pub more: bool,
}

/// A round for one client.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The client.
    pub device: Origin,
    /// The cut-off its filter asks for: items of this date and later.
    pub wanted: Millis,
    /// Most steps.
    pub window: usize,
}

impl Round {
    /// What a client in `state` must be told of the folder now. `Stale` when the folder no longer
    /// knows what was removed since.
    pub fn run(self, view: &dyn View, state: &State) -> Result<Told, Error> {
        let mut walk = Walk::new(self, view, state)?;
        walk.changes()?;
        if !walk.more && !walk.took_away {
            walk.pages()?;
        } else {
            walk.more |= walk.state.reached != Position::cut_off(self.wanted);
        }
        Ok(Told { steps: walk.steps, state: walk.state, more: walk.more })
    }
}

/// Whether a client in `state` would be told anything; if not, the state it may go on with. Items that
/// merely grew too old for its filter do not count: nobody is woken for them.
pub fn would_tell(
    view: &dyn View,
    device: Origin,
    wanted: Millis,
    state: &State,
) -> Result<Option<State>, Error> {
    let mut walk = Walk::new(Round { device, wanted, window: 1 }, view, state)?;
    walk.changes()?;
    if !walk.steps.is_empty() || walk.more {
        return Ok(None);
    }
    let cut_off = Position::cut_off(wanted);
    let mut entering = false;
    if walk.state.reached > cut_off {
        let held = walk.state.held.clone();
        view.positions(cut_off, walk.state.reached, Order::Backward, &mut |at| {
            if held.contains(&Uid(at.uid)) {
                return ControlFlow::Continue(());
            }
            entering = true;
            ControlFlow::Break(())
        })?;
    }
    Ok((!entering).then_some(walk.state))
}

struct Walk<'v> {
    round: Round,
    view: &'v dyn View,
    /// The cursor at the start of the round.
    start: Modseq,
    state: State,
    steps: Vec<Step>,
    /// Items told about in this round: what is sent already holds their later changes.
    told: BTreeSet<Uid>,
    more: bool,
    /// An own addition was taken away and comes back with its page, in another round.
    took_away: bool,
}

impl<'v> Walk<'v> {
    fn new(round: Round, view: &'v dyn View, state: &State) -> Result<Self, Error> {
        if state.cursor < view.purged() || state.cursor > view.head() {
            return Err(Error::Stale);
        }
        Ok(Self {
            round,
            view,
            start: state.cursor,
            state: state.clone(),
            steps: Vec::new(),
            told: BTreeSet::new(),
            more: false,
            took_away: false,
        })
    }

    /// Tells the log's rows after the cursor, as far as the window goes.
    fn changes(&mut self) -> Result<(), Error> {
        let view = self.view;
        let mut failed = None;
        view.log(self.start, &mut |at, row| match self.row(at, row) {
            Ok(flow) => flow,
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        if !self.more {
            self.state.cursor = view.head();
        }
        Ok(())
    }

    fn row(&mut self, at: Modseq, row: LogRow) -> Result<ControlFlow<()>, Error> {
        if self.steps.len() >= self.round.window {
            self.more = true;
            return Ok(ControlFlow::Break(()));
        }
        let done = match row {
            LogRow::Birth { uid } => self.birth(uid, at)?,
            LogRow::Change { uid } => self.change(uid, at, true)?,
            LogRow::Redated { uid } => self.change(uid, at, false)?,
            LogRow::Tombstone { uid, born, born_by, filter_date, former_dates, silent_for, .. } => {
                // An item that is gone has no rows left at which its date changed. A client that might
                // have had it at any of its dates is told: it ignores a Delete of what it lacks.
                let at_some_date = former_dates.iter().any(|(_, date)| self.reaches(uid, *date));
                let told = born <= self.start && (at_some_date || self.reaches(uid, filter_date));
                // Its own addition it has even if its filter leaves that out, unless its birth was told. The
                // row of that is gone with the item, so a cursor past it does not mean that it was seen.
                let own = self.is_own(born_by, born);
                self.state.held.retain(|held| *held != uid);
                let knows = silent_for.is(self.round.device);
                knows || !(told || own) || self.tell(uid, Step::Delete(uid))
            }
        };
        if !done {
            // A second word on one item waits for the next round: none stands in an answer twice.
            self.more = true;
            return Ok(ControlFlow::Break(()));
        }
        self.state.cursor = at;
        Ok(ControlFlow::Continue(()))
    }

    /// The item came at `at`. False when it cannot be told in this round.
    fn birth(&mut self, uid: Uid, at: Modseq) -> Result<bool, Error> {
        let Some(facts) = self.view.facts(uid)? else { return Ok(true) };
        let position = Position { date: date_at(&facts.former_dates, facts.filter_date, at), uid: uid.0 };
        let own = self.is_own(facts.born_by, facts.born);
        let within = position >= self.state.reached;
        Ok(match (within, own) {
            (true, false) => self.tell(uid, Step::Add(uid)),
            (false, true) => self.keep_or_take(uid, position),
            _ => true,
        })
    }

    /// The item changed at `at`; `latest` when that was its latest change, else only its date counts.
    /// False when it cannot be told in this round.
    fn change(&mut self, uid: Uid, at: Modseq, latest: bool) -> Result<bool, Error> {
        let Some(facts) = self.view.facts(uid)? else { return Ok(true) };
        let date = |seen| date_at(&facts.former_dates, facts.filter_date, seen);
        let had = self.reaches(uid, date(Modseq(at.0.saturating_sub(1))));
        let position = Position { date: date(at), uid: uid.0 };
        let within = position >= self.state.reached;
        if !had {
            return Ok(!within || self.tell(uid, Step::Add(uid)));
        }
        if within {
            self.state.held.retain(|held| *held != uid);
        } else if !self.keep_or_take(uid, position) {
            return Ok(false);
        }
        let keeps = within || self.state.held.contains(&uid);
        if keeps && latest && !facts.silent_for.is(self.round.device) && !self.told.contains(&uid) {
            let content = facts.content_modseq > self.start;
            return Ok(self.tell(uid, Step::Change { uid, content }));
        }
        Ok(true)
    }

    /// The client has an item below `reached`: it keeps it if its page is still to come and there is
    /// room to remember that, else it is taken away.
    /// False when it cannot be told in this round.
    fn keep_or_take(&mut self, uid: Uid, position: Position) -> bool {
        let wanted = position >= Position::cut_off(self.round.wanted);
        let held = self.state.held.contains(&uid);
        if wanted && (held || self.state.held.len() < HELD_MAX) {
            if !held {
                self.state.held.push(uid);
            }
            return true;
        }
        if !self.tell(uid, Step::SoftDelete(uid)) {
            return false;
        }
        self.state.held.retain(|other| *other != uid);
        self.took_away |= wanted;
        true
    }

    /// Moves `reached` towards the cut-off, as far as the window goes. The cursor is at the head here,
    /// so that every item is as the client would be told it now.
    fn pages(&mut self) -> Result<(), Error> {
        let wanted = Position::cut_off(self.round.wanted);
        self.drop_held(wanted)?;
        if self.more {
            Ok(())
        } else if self.state.reached < wanted {
            self.leave(wanted)
        } else {
            self.enter(wanted)
        }
    }

    /// Takes away what was held for a page that the filter no longer asks for.
    fn drop_held(&mut self, wanted: Position) -> Result<(), Error> {
        for uid in self.state.held.clone() {
            let Some(facts) = self.view.facts(uid)? else { continue };
            if (Position { date: facts.filter_date, uid: uid.0 }) >= wanted {
                continue;
            }
            if self.full() || self.told.contains(&uid) {
                self.more = true;
                return Ok(());
            }
            self.state.held.retain(|held| *held != uid);
            self.tell(uid, Step::SoftDelete(uid));
        }
        Ok(())
    }

    fn enter(&mut self, wanted: Position) -> Result<(), Error> {
        let from = self.state.reached;
        let view = self.view;
        view.positions(wanted, from, Order::Backward, &mut |at| {
            let uid = Uid(at.uid);
            if let Some(index) = self.state.held.iter().position(|held| *held == uid) {
                self.state.held.remove(index);
            } else if self.full() || self.told.contains(&uid) {
                // One that was taken away in this round comes back in the next: no item stands in an answer
                // twice, and `reached` must not pass it.
                self.more = true;
                return ControlFlow::Break(());
            } else {
                self.tell(uid, Step::Add(uid));
            }
            self.state.reached = at;
            ControlFlow::Continue(())
        })?;
        if !self.more {
            self.state.reached = wanted;
        }
        Ok(())
    }

    fn leave(&mut self, wanted: Position) -> Result<(), Error> {
        let from = self.state.reached;
        let view = self.view;
        view.positions(from, wanted, Order::Forward, &mut |at| {
            let uid = Uid(at.uid);
            // One that was told about already leaves in the next round: no item stands in an answer twice.
            if self.full() || self.told.contains(&uid) {
                self.more = true;
                return ControlFlow::Break(());
            }
            self.tell(uid, Step::SoftDelete(uid));
            self.state.reached = at.above();
            ControlFlow::Continue(())
        })?;
        if !self.more {
            self.state.reached = wanted;
        }
        Ok(())
    }

    /// Adds a step, unless the item has one already in this round.
    fn tell(&mut self, uid: Uid, step: Step) -> bool {
        let first = self.told.insert(uid);
        if first {
            self.steps.push(step);
        }
        first
    }

    fn full(&mut self) -> bool {
        self.more |= self.steps.len() >= self.round.window;
        self.more
    }

    /// Whether an item of this date is among those told, or held.
    fn reaches(&self, uid: Uid, date: Millis) -> bool {
        Position { date, uid: uid.0 } >= self.state.reached || self.state.held.contains(&uid)
    }

    /// Whether the client brought the item itself, after it began.
    fn is_own(&self, born_by: Origin, born: Modseq) -> bool {
        born_by.is(self.round.device) && born > self.state.base
    }
}
