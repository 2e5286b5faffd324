//! The version of the key layout and records, and the steps from one to the next.
//!
//! Every released layout stays readable: a store of an older one is brought up step by step when it is
//! opened, before anyone else reads from it. A store of a newer one is refused.

use std::ops::ControlFlow;

use super::keys::{self, system};
use super::{Error, Read, Store, Tx};

/// The layout this program writes.
pub const SCHEMA: u32 = 1;

/// One step; it brings a store from the version before `to` to `to`.
struct Step {
    to: u32,
    what: &'static str,
    /// Runs in one transaction. A large step does a part and answers `Break` until nothing is left, so
    /// it must find its place again in what it has already changed.
    run: fn(&mut Tx<'_>) -> Result<ControlFlow<()>, Error>,
}

/// Every step since the first released layout, in order.
const STEPS: &[Step] = &[];

/// Brings an older store up to date.
pub(super) fn bring_up(store: &Store) -> Result<(), Error> {
    bring_up_with(store, SCHEMA, STEPS)
}

/// The version of a store, unless this program does not know it.
pub(super) fn known(read: &(impl Read + ?Sized), newest: u32) -> Result<u32, Error> {
    let found = version(read)?;
    if found > newest {
        return Err(Error::Unusable(format!(
            "the store has schema {found}; this program knows schemas up to {newest}. Use a newer program"
        )));
    }
    Ok(found)
}

fn bring_up_with(store: &Store, newest: u32, steps: &'static [Step]) -> Result<(), Error> {
    let found = known(&store.read()?, newest)?;
    for step in steps.iter().filter(|s| s.to > found && s.to <= newest) {
        tracing::info!(to = step.to, what = step.what, "bringing the store up to date");
        while store.write(move |tx| take(step, tx))?.is_break() {}
    }
    Ok(())
}

fn take(step: &Step, tx: &mut Tx<'_>) -> Result<ControlFlow<()>, Error> {
    let flow = (step.run)(tx)?;
    if flow.is_continue() {
        set_version(tx, step.to);
    }
    Ok(flow)
}

/// The store's version.
pub(super) fn version(read: &(impl Read + ?Sized)) -> Result<u32, Error> {
    let value = read.get(&keys::system_row(system::SCHEMA))?;
    value
        .and_then(|value| Some(u32::from_be_bytes((*value).try_into().ok()?)))
        .ok_or_else(|| Error::Damaged("the schema version".into()))
}

fn set_version(tx: &mut Tx<'_>, version: u32) {
    tx.put(keys::system_row(system::SCHEMA), version.to_be_bytes().to_vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(read: &impl Read) -> u64 {
        read.get(b"count").unwrap().map_or(0, |v| keys::number(&v).unwrap())
    }

    fn add(tx: &mut Tx<'_>, n: u64) {
        let sum = count(tx) + n;
        tx.put(b"count".to_vec(), sum.to_be_bytes().to_vec());
    }

    /// Step 3 takes four transactions; step 2 and 4 one each.
    const GROWING: &[Step] = &[
        Step {
            to: 2,
            what: "one",
            run: |tx| {
                add(tx, 1);
                Ok(ControlFlow::Continue(()))
            },
        },
        Step {
            to: 3,
            what: "ten, in parts",
            run: |tx| {
                add(tx, 10);
                Ok(if count(tx) < 41 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            },
        },
        Step {
            to: 4,
            what: "a thousand",
            run: |tx| {
                add(tx, 1000);
                Ok(ControlFlow::Continue(()))
            },
        },
    ];

    #[test]
    fn steps_run_once_and_in_order() {
        let store = Store::in_memory().unwrap();
        bring_up_with(&store, 3, GROWING).unwrap();
        assert_eq!(count(&store.read().unwrap()), 41);
        assert_eq!(version(&store.read().unwrap()).unwrap(), 3);
        bring_up_with(&store, 3, GROWING).unwrap();
        assert_eq!(count(&store.read().unwrap()), 41);
        bring_up_with(&store, 4, GROWING).unwrap();
        assert_eq!(count(&store.read().unwrap()), 1041);
    }

    #[test]
    fn a_failed_step_leaves_the_version_before_it() {
        const FAILING: &[Step] = &[
            Step { to: 2, what: "works", run: |_| Ok(ControlFlow::Continue(())) },
            Step { to: 3, what: "fails", run: |_| Err(Error::Damaged("a row".into())) },
        ];
        let store = Store::in_memory().unwrap();
        assert!(bring_up_with(&store, 3, FAILING).is_err());
        assert_eq!(version(&store.read().unwrap()).unwrap(), 2);
    }

    #[test]
    fn a_newer_store_is_refused() {
        let store = Store::in_memory().unwrap();
        store
            .write::<_, Error>(|tx| {
                set_version(tx, SCHEMA + 1);
                Ok(())
            })
            .unwrap();
        let Err(Error::Unusable(why)) = bring_up(&store) else { unreachable!("it was accepted") };
        assert!(why.contains("Use a newer program"), "{why}");
    }
}
