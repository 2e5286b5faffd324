//! Rights: what others than the owner may do, and what they see.

use super::*;

const FRIEND: u64 = 20;
const GROUP: u64 = 30;

/// An owner's folder with two items, shared with nobody yet, and the friend's own mailbox.
struct Share {
    home: Home,
    folder: FolderId,
    uid: Uid,
    mine: FolderId,
}

impl Share {
    async fn new() -> Self {
        let home = Home::new().await;
        let folder = home.make(FolderId::TOP, "shared").await.unwrap();
        let uid = home.add(folder, "one", 1).await.uid;
        home.add(folder, "two", 2).await;
        home.as_system(|tx| tx.create_owner(OwnerId(FRIEND), None)).await.unwrap();
        let mine = home.view_of(FRIEND).by_role(OwnerId(FRIEND), Role::Inbox).unwrap().id;
        Self { home, folder, uid, mine }
    }

    async fn allow(&self, rights: Rights) {
        self.home.grant(self.folder, FRIEND, rights, Rights::NONE).await;
    }

    /// Tries an operation as the friend, without keeping what it does.
    async fn may(&self, operation: Operation) -> Result<(), Error> {
        let (folder, uid, mine) = (self.folder, self.uid, self.mine);
        let item = self.home.item("new", 3);
        let done = self.home.as_account(FRIEND, move |tx| {
            let at = tx.granted(folder)?;
            let mine = tx.granted(mine)?;
            let edit = |set| Edit { set, ..Edit::default() };
            let outcome = match operation {
                Operation::Look => Ok(()),
                Operation::Add => tx.append(&at, item).map(drop),
                Operation::Flag => tx.edit(&at, uid, &edit(Flags::FLAGGED), Knew(None)).map(drop),
                Operation::MarkDeleted => tx.edit(&at, uid, &edit(Flags::DELETED), Knew(None)).map(drop),
                Operation::MarkSeen => tx.edit(&at, uid, &edit(Flags::SEEN), Knew(None)).map(drop),
                Operation::Replace => {
                    let NewItem { body, prefix, record, .. } = item;
                    let content =
                        NewContent { body, prefix, record, filter_date: None, properties: Vec::new() };
                    tx.replace(&at, uid, content, Knew(None)).map(drop)
                }
                Operation::MoveIn => {
                    let placed = tx.append(&mine, item)?;
                    tx.move_to(&mine, placed.uid, &at).map(drop)
                }
                Operation::MoveOut => tx.move_to(&at, uid, &mine).map(drop),
                Operation::CopyOut => tx.copy(&at, uid, &mine).map(drop),
                Operation::Expunge => tx.expunge(&at, uid).map(drop),
                Operation::MakeFolder => {
                    let new = NewFolder { parent: folder, name: "below", kind: Kind::Mail };
                    tx.create_folder(at.owner(), &new).map(drop)
                }
                Operation::Rename => tx.rename_folder(&at, FolderId::TOP, "renamed"),
                Operation::Delete => tx.delete_folder(&at),
                Operation::Share => {
                    tx.set_grant(&at, Grant { grantee: 99, allow: Rights::READ, deny: Rights::NONE })
                }
            };
            // Whatever it did is taken back.
            Err::<(), _>(outcome.err().unwrap_or(Error::Stale))
        });
        match done.await {
            Err(Error::Stale) => Ok(()),
            other => other,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Look,
    Add,
    Flag,
    MarkDeleted,
    MarkSeen,
    Replace,
    MoveIn,
    MoveOut,
    CopyOut,
    Expunge,
    MakeFolder,
    Rename,
    Delete,
    Share,
}

/// Each operation with the rights it needs, beside `l`.
const NEEDS: [(Operation, &[Rights]); 14] = [
    (Operation::Look, &[]),
    (Operation::Add, &[Rights::INSERT]),
    (Operation::Flag, &[Rights::WRITE]),
    (Operation::MarkDeleted, &[Rights::DELETE_ITEM]),
    (Operation::MarkSeen, &[Rights::SEEN]),
    (Operation::Replace, &[Rights::INSERT, Rights::WRITE]),
    (Operation::MoveIn, &[Rights::INSERT]),
    (Operation::MoveOut, &[Rights::READ, Rights::DELETE_ITEM, Rights::EXPUNGE]),
    (Operation::CopyOut, &[Rights::READ]),
    (Operation::Expunge, &[Rights::DELETE_ITEM, Rights::EXPUNGE]),
    (Operation::MakeFolder, &[Rights::CREATE]),
    (Operation::Rename, &[Rights::DELETE_FOLDER]),
    (Operation::Delete, &[Rights::DELETE_FOLDER]),
    (Operation::Share, &[Rights::ADMIN]),
];

fn all_of(rights: &[Rights]) -> Rights {
    rights.iter().fold(Rights::LOOKUP, |all, right| all.and(*right))
}

#[tokio::test]
async fn each_operation_needs_its_letters_and_no_others() {
    let share = Share::new().await;
    for (operation, needs) in NEEDS {
        let enough = all_of(needs);
        share.allow(enough).await;
        let done = share.may(operation).await;
        assert!(done.is_ok(), "{operation:?} with {enough:?}: {done:?}");
        for missing in needs {
            share.allow(Rights::ALL.without(*missing)).await;
            let done = share.may(operation).await;
            assert!(matches!(done, Err(Error::Denied)), "{operation:?} without {missing:?}: {done:?}");
        }
        share.allow(Rights::ALL).await;
        share.may(operation).await.unwrap();
    }
    share.home.check();
}

#[tokio::test]
async fn the_owner_may_everything_whatever_is_denied() {
    let share = Share::new().await;
    let (home, folder) = (&share.home, share.folder);
    home.grant(folder, home.owner.0, Rights::NONE, Rights::ALL).await;
    home.grant(folder, 0, Rights::NONE, Rights::ALL).await;
    assert_eq!(home.view().folder(folder).unwrap().rights, Rights::ALL);
    home.add(folder, "three", 3).await;
}

#[tokio::test]
async fn what_one_may_not_see_is_missing_and_never_denied() {
    let share = Share::new().await;
    for rights in [Rights::NONE, Rights::ALL.without(Rights::LOOKUP)] {
        share.allow(rights).await;
        for (operation, _) in NEEDS {
            let done = share.may(operation).await;
            assert!(matches!(done, Err(Error::Missing)), "{operation:?}: {done:?}");
        }
        let view = share.home.view_of(FRIEND);
        assert!(matches!(view.folder(share.folder), Err(Error::Missing)));
        assert!(matches!(view.readable(share.folder), Err(Error::Missing)));
        assert!(matches!(view.by_name(share.home.owner, FolderId::TOP, "shared"), Err(Error::Missing)));
        assert!(view.folders(share.home.owner).unwrap().is_empty());
        assert!(matches!(view.by_role(share.home.owner, Role::Inbox), Err(Error::Missing)));
    }
    // One that is seen and not readable says so.
    share.allow(Rights::LOOKUP).await;
    assert!(matches!(share.home.view_of(FRIEND).readable(share.folder), Err(Error::Denied)));
}

#[tokio::test]
async fn any_deny_of_the_chain_wins_over_any_allow() {
    let share = Share::new().await;
    let home = &share.home;
    let below = home.make(share.folder, "below").await.unwrap();
    let rights = |folder| {
        let acting = Acting::Account { id: FRIEND, groups: vec![GROUP] };
        match home.mailbox.view(acting).unwrap().folder(folder) {
            Ok(seen) => seen.rights,
            Err(Error::Missing) => Rights::NONE,
            Err(e) => panic!("{e}"),
        }
    };
    let read = Rights::LOOKUP.and(Rights::READ);
    home.grant(share.folder, GROUP, read, Rights::NONE).await;
    assert_eq!((rights(share.folder), rights(below)), (read, read), "grants are inherited");
    home.grant(below, FRIEND, Rights::INSERT, Rights::NONE).await;
    assert_eq!(rights(below), read.and(Rights::INSERT), "allowances add up");
    home.grant(share.folder, 0, Rights::NONE, Rights::INSERT).await;
    assert_eq!(rights(below), read, "a deny further up wins over an allow further down");
    home.grant(below, GROUP, Rights::LOOKUP, Rights::READ).await;
    assert_eq!((rights(share.folder), rights(below)), (read, Rights::LOOKUP));
    home.grant(below, FRIEND, Rights::ALL, Rights::LOOKUP).await;
    assert_eq!(rights(below), Rights::NONE);
    home.check();
}

/// A grant counts at once, also within its transaction.
#[tokio::test]
async fn grants_of_the_same_transaction_count() {
    let share = Share::new().await;
    let (home, folder) = (&share.home, share.folder);
    let below = home.make(folder, "below").await.unwrap();
    home.grant(folder, FRIEND, Rights::ALL, Rights::NONE).await;
    let seen = home.as_account(FRIEND, move |tx| {
        let at = tx.granted(folder)?;
        let own = Grant { grantee: FRIEND, allow: Rights::LOOKUP, deny: Rights::INSERT };
        tx.set_grant(&at, own)?;
        Ok(tx.granted(below)?.rights())
    });
    assert_eq!(seen.await.unwrap(), Rights::LOOKUP);
}

#[tokio::test]
async fn shared_folders_are_found_by_whom_they_are_shared_with() {
    let share = Share::new().await;
    let (home, folder) = (&share.home, share.folder);
    let other = home.make(FolderId::TOP, "other").await.unwrap();
    home.grant(folder, FRIEND, Rights::LOOKUP, Rights::NONE).await;
    home.grant(other, FRIEND, Rights::LOOKUP, Rights::NONE).await;
    home.grant(other, GROUP, Rights::LOOKUP, Rights::NONE).await;
    assert_eq!(home.view_of(FRIEND).granted_to(FRIEND).unwrap(), [folder, other]);
    assert_eq!(home.view_of(FRIEND).granted_to(GROUP).unwrap(), [other]);
    home.grant(other, FRIEND, Rights::NONE, Rights::NONE).await;
    assert_eq!(home.view_of(FRIEND).granted_to(FRIEND).unwrap(), [folder]);
    assert_eq!(home.folder(other).grants.len(), 1);
    home.check();
}

#[tokio::test]
async fn whom_a_folder_is_shared_with_is_told() {
    let share = Share::new().await;
    let watch = share.home.mailbox.notifier().watch([Place::Tree(OwnerId(FRIEND))]);
    share.allow(Rights::LOOKUP).await;
    assert_eq!(watch.changed().await.len(), 1);
}

#[tokio::test]
async fn folders_below_that_may_not_be_deleted_keep_the_one_above() {
    let share = Share::new().await;
    let (home, folder) = (&share.home, share.folder);
    let hidden = home.make(folder, "hidden").await.unwrap();
    share.allow(Rights::ALL).await;
    home.grant(hidden, FRIEND, Rights::NONE, Rights::LOOKUP.and(Rights::DELETE_FOLDER)).await;
    assert!(matches!(share.may(Operation::Delete).await, Err(Error::Denied)));
    home.grant(hidden, FRIEND, Rights::NONE, Rights::NONE).await;
    share.may(Operation::Delete).await.unwrap();
}

#[tokio::test]
async fn only_the_owner_changes_the_top_of_a_tree() {
    let share = Share::new().await;
    let (home, folder) = (&share.home, share.folder);
    let below = home.make(folder, "below").await.unwrap();
    share.allow(Rights::ALL).await;
    let owner = home.owner;
    let at_the_top = home.as_account(FRIEND, move |tx| {
        tx.create_folder(owner, &NewFolder { parent: FolderId::TOP, name: "x", kind: Kind::Mail })
    });
    assert!(matches!(at_the_top.await, Err(Error::Denied)));
    let moved = home.as_account(FRIEND, move |tx| {
        let below = tx.granted(below)?;
        tx.rename_folder(&below, FolderId::TOP, "x")
    });
    assert!(matches!(moved.await, Err(Error::Denied)));
    // Nor does a folder go from one owner to another.
    let mine = share.mine;
    let taken = home.as_account(FRIEND, move |tx| {
        let below = tx.granted(below)?;
        tx.rename_folder(&below, mine, "x")
    });
    assert!(matches!(taken.await, Err(Error::Missing)));
}

#[tokio::test]
async fn flags_that_one_may_not_set_do_not_come_in_with_an_item() {
    let share = Share::new().await;
    let all = Flags::SEEN.and(Flags::FLAGGED).and(Flags::DELETED).and(Flags::DRAFT);
    for (rights, come) in [
        (Rights::NONE, Flags::NONE),
        (Rights::SEEN.and(Rights::SHARE_SEEN), Flags::SEEN),
        (Rights::DELETE_ITEM, Flags::DELETED),
        (Rights::WRITE, Flags::FLAGGED.and(Flags::DRAFT)),
    ] {
        share.allow(rights.and(Rights::LOOKUP).and(Rights::INSERT)).await;
        let folder = share.folder;
        let item = NewItem { flags: all, keywords: vec!["urgent".into()], ..share.home.item("x", 1) };
        let placed = share.home.as_account(FRIEND, move |tx| {
            let at = tx.granted(folder)?;
            tx.append(&at, item)
        });
        let stored = share.home.get(folder, placed.await.unwrap().uid).unwrap();
        assert_eq!(stored.flags, come, "{rights:?}");
        assert_eq!(stored.keywords.len(), usize::from(rights.has(Rights::WRITE)));
    }
    share.home.check();
}

const READER: Rights = Rights::LOOKUP.and(Rights::READ).and(Rights::SEEN);

async fn mark(share: &Share, account: u64, uid: Uid, seen: bool) -> Placed {
    let folder = share.folder;
    let (set, clear) = if seen { (Flags::SEEN, Flags::NONE) } else { (Flags::NONE, Flags::SEEN) };
    let edit = Edit { set, clear, ..Edit::default() };
    let done = share.home.as_account(account, move |tx| {
        let at = tx.granted(folder)?;
        tx.edit(&at, uid, &edit, Knew(None))
    });
    done.await.unwrap()
}

fn sees(share: &Share, account: u64) -> bool {
    let view = share.home.view_of(account);
    let folder = share.home.folder(share.folder);
    let one = view.item(&folder, share.uid).unwrap().unwrap().flags.has(Flags::SEEN);
    let mut listed = None;
    view.items(&folder, share.uid, &mut |item| {
        listed = Some(item.flags.has(Flags::SEEN));
        std::ops::ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(listed, Some(one));
    one
}

#[tokio::test]
async fn a_seen_state_of_ones_own_raises_nothing_and_wakes_the_own_watch() {
    let share = Share::new().await;
    let home = &share.home;
    let owner = home.owner.0;
    share.allow(READER).await;
    let before = (home.folder(share.folder), home.counters(), home.get(share.folder, share.uid));
    let watch = home.mailbox.notifier().watch([Place::Folder(share.folder)]);

    let marked = mark(&share, FRIEND, share.uid, true).await;
    assert!(marked.changed);
    assert_eq!(marked.modseq, before.2.as_ref().unwrap().modseq);
    assert_eq!(watch.changed().await.len(), 1);
    assert_eq!((home.folder(share.folder), home.counters(), home.get(share.folder, share.uid)), before);
    assert_eq!((sees(&share, FRIEND), sees(&share, owner)), (true, false));
    assert!(!mark(&share, FRIEND, share.uid, true).await.changed);

    // The two states are independent of each other, in both directions.
    mark(&share, owner, share.uid, true).await;
    assert!(mark(&share, FRIEND, share.uid, false).await.changed);
    assert_eq!((sees(&share, FRIEND), sees(&share, owner)), (false, true));
    assert!(mark(&share, FRIEND, share.uid, true).await.changed);
    mark(&share, owner, share.uid, false).await;
    assert_eq!((sees(&share, FRIEND), sees(&share, owner)), (true, false));
    assert!(mark(&share, FRIEND, share.uid, false).await.changed);
    assert_eq!((sees(&share, FRIEND), sees(&share, owner)), (false, false));
    home.check();
}

#[tokio::test]
async fn with_the_right_to_share_it_the_seen_state_is_everybodys() {
    let share = Share::new().await;
    share.allow(READER.and(Rights::SHARE_SEEN)).await;
    let before = share.home.folder(share.folder).highest;
    assert!(mark(&share, FRIEND, share.uid, true).await.changed);
    assert!(share.home.folder(share.folder).highest > before);
    assert!(sees(&share, FRIEND) && sees(&share, share.home.owner.0));
}

/// Nothing of a refused edit stays, not even one's own seen state.
#[tokio::test]
async fn a_refused_edit_leaves_nothing() {
    let share = Share::new().await;
    share.allow(READER).await;
    let (folder, uid) = (share.folder, share.uid);
    let done = share.home.as_account(FRIEND, move |tx| {
        let at = tx.granted(folder)?;
        let edit = Edit { set: Flags::SEEN.and(Flags::FLAGGED), ..Edit::default() };
        Ok(tx.edit(&at, uid, &edit, Knew(None)).err())
    });
    assert!(matches!(done.await, Ok(Some(Error::Denied))));
    assert!(!sees(&share, FRIEND));
}

#[tokio::test]
async fn what_one_has_seen_is_seen_where_one_takes_it() {
    let share = Share::new().await;
    share.allow(Rights::ALL.without(Rights::SHARE_SEEN)).await;
    mark(&share, FRIEND, share.uid, true).await;
    let (folder, uid, mine) = (share.folder, share.uid, share.mine);
    let taken = share.home.as_account(FRIEND, move |tx| {
        let (at, mine) = (tx.granted(folder)?, tx.granted(mine)?);
        let copy = tx.copy(&at, uid, &mine)?;
        let back = tx.copy(&mine, copy.uid, &at)?;
        Ok((copy, back))
    });
    let (copy, back) = taken.await.unwrap();
    let view = share.home.view_of(FRIEND);
    let at = |folder, uid| view.item(&share.home.folder(folder), uid).unwrap().unwrap().flags;
    assert!(at(mine, copy.uid).has(Flags::SEEN));
    assert!(at(folder, back.uid).has(Flags::SEEN));
    assert!(!share.home.get(folder, back.uid).unwrap().flags.has(Flags::SEEN), "the owner has not");
    share.home.check();
}

#[tokio::test]
async fn groups_of_whoever_acts_count() {
    let share = Share::new().await;
    let (home, folder) = (&share.home, share.folder);
    home.grant(folder, GROUP, Rights::LOOKUP.and(Rights::INSERT), Rights::NONE).await;
    let item = home.item("x", 1);
    let acting = Acting::Account { id: FRIEND, groups: vec![GROUP] };
    let added = home.mailbox.write(acting, Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.append(&at, item)
    });
    let added: Result<Placed, Error> = added.await;
    added.unwrap();
    assert!(matches!(home.view_of(FRIEND).folder(folder), Err(Error::Missing)));
}

#[tokio::test]
async fn a_folder_is_shared_with_only_so_many() {
    let share = Share::new().await;
    let folder = share.folder;
    let done = share.home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        let most = u64::try_from(crate::mailbox::folder::GRANTS_MAX).unwrap();
        for grantee in 100..100 + most {
            tx.set_grant(&at, Grant { grantee, allow: Rights::LOOKUP, deny: Rights::NONE })?;
        }
        let one = Grant { grantee: 100, allow: Rights::READ, deny: Rights::NONE };
        tx.set_grant(&at, one)?;
        let more = Grant { grantee: 99, ..one };
        Ok(matches!(tx.set_grant(&at, more), Err(Error::Invalid(_))))
    });
    assert!(done.await.unwrap());
}
