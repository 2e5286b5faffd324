//! Checking a store as a whole: what `folkmoot verify` reports. The mailbox adds checks of its own.

use std::ops::ControlFlow;

use super::body::{BodyId, Meta, Place, Referrer, is_referred_to};
use super::engine::{KeyRange, Order, Space};
use super::keys::{Key, Parts, Table};
use super::{Error, Read, Reader, Store, migrate, system};

/// How thoroughly bodies are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Rows only.
    Rows,
    /// Every body is read and hashed.
    Bodies,
}

/// What was found. Counts are exact; of the problems only the first are described.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The layout's version.
    pub schema: u32,
    /// The store's epoch.
    pub epoch: u64,
    /// Bodies, and their bytes.
    pub bodies: u64,
    /// Bytes of all bodies.
    pub body_bytes: u64,
    /// References to bodies.
    pub references: u64,
    /// Bodies without a reference that the collector has not marked yet.
    pub unreferenced: u64,
    /// Bodies the collector will remove.
    pub dying: u64,
    /// Problems in all.
    pub problems: u64,
    /// The first problems, in words.
    pub described: Vec<String>,
}

impl Report {
    const DESCRIBED: usize = 100;

    /// True when no problem was found.
    pub fn is_sound(&self) -> bool {
        self.problems == 0
    }

    fn problem(&mut self, what: String) {
        self.problems = self.problems.saturating_add(1);
        if self.described.len() < Self::DESCRIBED {
            self.described.push(what);
        }
    }
}

impl Store {
    /// Checks a snapshot of the store. Damage is reported, not answered as an error. Blocks for as long
    /// as it takes to read everything.
    pub fn verify(&self, depth: Depth) -> Result<Report, Error> {
        let reader = self.read()?;
        let mut report = Report::default();
        match migrate::version(&reader) {
            Ok(version) => report.schema = version,
            Err(e) => report.problem(e.to_string()),
        }
        match system::epoch(&reader) {
            Ok(epoch) => report.epoch = epoch,
            Err(e) => report.problem(e.to_string()),
        }
        check_bodies(self, &reader, depth, &mut report)?;
        check_references(&reader, &mut report)?;
        if depth == Depth::Bodies {
            check_rows_of_bodies(&reader, &mut report)?;
        }
        Ok(report)
    }

    /// True when the collector has removed the body since the snapshot was taken.
    fn is_gone(&self, id: &BodyId) -> Result<bool, Error> {
        Ok(Meta::of(&self.read()?, id)?.is_none())
    }
}

/// Every body's row can be read, and the body is there and right.
fn check_bodies(store: &Store, reader: &Reader, depth: Depth, report: &mut Report) -> Result<(), Error> {
    each(reader, Space::Rows, &Key::of(Table::Body).range(), |key, value| {
        let Some(id) = Parts::of(key).bytes().map(BodyId) else {
            report.problem("a body's row has a damaged key".into());
            return Ok(());
        };
        let Some(meta) = Meta::decode(value) else {
            report.problem(format!("the row of body {id} is damaged"));
            return Ok(());
        };
        report.bodies = report.bodies.saturating_add(1);
        report.body_bytes = report.body_bytes.saturating_add(meta.size);
        match (meta.dying_since, is_referred_to(reader, &id)?) {
            (Some(_), true) => report.problem(format!("body {id} is dying, yet something refers to it")),
            (Some(_), false) => report.dying = report.dying.saturating_add(1),
            (None, false) => report.unreferenced = report.unreferenced.saturating_add(1),
            (None, true) => {}
        }
        match check_body(reader, &id, &meta, depth) {
            Err(Error::Damaged(what) | Error::Io(what)) if !store.is_gone(&id)? => report.problem(what),
            Err(Error::Damaged(_) | Error::Io(_)) => {}
            other => return other,
        }
        Ok(())
    })
}

fn check_body(reader: &Reader, id: &BodyId, meta: &Meta, depth: Depth) -> Result<(), Error> {
    let length = match (depth, meta.place) {
        (Depth::Bodies, _) => Some(reader.bodies.read_whole(reader, id, meta)?.len()),
        (Depth::Rows, Place::Row) => reader.get_in(Space::Bodies, &id.0)?.map(|body| body.len()),
        (Depth::Rows, Place::Object) => reader.bodies.files.length(id)?,
    };
    match length {
        Some(length) if u64::try_from(length) == Ok(meta.size) => Ok(()),
        Some(length) => Err(Error::Damaged(format!("body {id} has {length} bytes instead of {}", meta.size))),
        None => Err(Error::Damaged(format!("body {id} is missing"))),
    }
}

/// Every reference has its body.
fn check_references(reader: &Reader, report: &mut Report) -> Result<(), Error> {
    let mut last = None;
    each(reader, Space::Rows, &Key::of(Table::BodyReference).range(), |key, _| {
        report.references = report.references.saturating_add(1);
        let Some((id, referrer)) = Referrer::of_row(key) else {
            report.problem("a reference to a body has a damaged key".into());
            return Ok(());
        };
        // A damaged row was reported above.
        if last != Some(id) && reader.get(&Meta::row(&id))?.is_none() {
            report.problem(format!("{referrer:?} refers to body {id}, which the store does not have"));
            return Ok(());
        }
        last = Some(id);
        Ok(())
    })
}

/// No body is kept as a row without its own row to speak of it: nothing would ever collect it.
fn check_rows_of_bodies(reader: &Reader, report: &mut Report) -> Result<(), Error> {
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    each(reader, Space::Bodies, &all, |key, _| {
        let meta = match key.try_into().map(BodyId) {
            Ok(id) => reader.get(&Meta::row(&id))?,
            Err(_) => None,
        };
        if meta.is_none() {
            report.problem("a body is stored, but no row speaks of it".into());
        }
        Ok(())
    })
}

/// Calls `look` for each row of `range`; an error ends the scan.
fn each(
    reader: &Reader,
    space: Space,
    range: &KeyRange,
    mut look: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    reader.scan_in(space, range, Order::Forward, &mut |key, value| {
        outcome = look(key, value);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome
}
