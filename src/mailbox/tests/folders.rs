//! The folder tree: made, renamed, moved, deleted; names, limits, its log.

use super::*;
use crate::mailbox::folder::DEPTH_MAX;

/// The tree log of the owner: folder, and whether it went.
fn tree(home: &Home) -> Vec<(Modseq, TreeChange)> {
    let reader = home.mailbox.store().read().unwrap();
    let keys = home.keys(Table::TreeLog);
    keys.iter()
        .map(|key| {
            let row = reader.get(key).unwrap().unwrap();
            (Modseq(u64::from_be_bytes(key[9..].try_into().unwrap())), rows::read(&row).unwrap())
        })
        .collect()
}

async fn rename(home: &Home, id: FolderId, parent: FolderId, name: &str) -> Result<(), Error> {
    let name = name.to_owned();
    home.act(Origin::OTHER, move |tx| {
        let folder = tx.granted(id)?;
        tx.rename_folder(&folder, parent, &name)
    })
    .await
}

async fn delete(home: &Home, id: FolderId) -> Result<(), Error> {
    home.act(Origin::OTHER, move |tx| {
        let folder = tx.granted(id)?;
        tx.delete_folder(&folder)
    })
    .await
}

fn names(home: &Home) -> Vec<String> {
    home.view().folders(home.owner).unwrap().into_iter().map(|seen| seen.folder.name).collect()
}

#[tokio::test]
async fn an_owner_begins_with_the_standard_folders() {
    let home = Home::new().await;
    for (name, kind, role) in STANDARD {
        let folder = home.role(role);
        assert_eq!((folder.name.as_str(), folder.kind, folder.parent), (name, kind, FolderId::TOP));
        assert_eq!((folder.uid_next, folder.items, folder.highest), (1, 0, Modseq(0)));
    }
    assert_eq!(names(&home).len(), STANDARD.len());
    let again = home.as_system(|tx| tx.create_owner(OwnerId(7), None)).await;
    assert!(matches!(again, Err(Error::Exists)));
    home.check();
}

#[tokio::test]
async fn administration_is_the_servers() {
    let home = Home::new().await;
    let owner = home.owner;
    let results = [
        home.act(Origin::OTHER, move |tx| tx.set_quota(owner, None)).await,
        home.act(Origin::OTHER, move |tx| tx.create_owner(OwnerId(8), None)).await,
        home.act(Origin::OTHER, move |tx| tx.remove_owner(owner)).await,
        home.act(Origin::OTHER, move |tx| tx.purge_expunged(owner, i64::MAX, 10).map(drop)).await,
        home.act(Origin::OTHER, move |tx| tx.purge_owner(owner, 10).map(drop)).await,
    ];
    assert!(results.iter().all(|r| matches!(r, Err(Error::Denied))), "{results:?}");
}

#[tokio::test]
async fn names_are_unique_in_their_place_whatever_their_case() {
    let home = Home::new().await;
    let projects = home.make(FolderId::TOP, "Projects").await.unwrap();
    assert!(matches!(home.make(FolderId::TOP, "pROJECTS").await, Err(Error::Exists)));
    assert!(matches!(home.make(FolderId::TOP, "INBOX").await, Err(Error::Exists)));
    let below = home.make(projects, "Projects").await.unwrap();
    let view = home.view();
    assert_eq!(view.by_name(home.owner, FolderId::TOP, "PROJECTS").unwrap().folder.id, projects);
    assert_eq!(view.by_name(home.owner, projects, "projects").unwrap().folder.id, below);
    assert!(matches!(view.by_name(home.owner, below, "projects"), Err(Error::Missing)));

    // Its own name in another case is not taken.
    rename(&home, projects, FolderId::TOP, "PROJECTS").await.unwrap();
    assert_eq!(home.folder(projects).name, "PROJECTS");
    let other = home.make(FolderId::TOP, "Other").await.unwrap();
    assert!(matches!(rename(&home, other, FolderId::TOP, "projects").await, Err(Error::Exists)));
    assert!(matches!(rename(&home, other, projects, "Projects").await, Err(Error::Exists)));
    home.check();
}

#[tokio::test]
async fn names_that_some_protocol_could_not_show_are_refused() {
    let home = Home::new().await;
    let long = "x".repeat(NAME_MAX + 1);
    for name in ["", " a", "a ", "a/b", "a\u{0}", "a\nb", "\u{7f}", ".", "..", &long] {
        assert!(matches!(home.make(FolderId::TOP, name).await, Err(Error::Invalid(_))), "{name:?}");
    }
    let longest = "é".repeat(NAME_MAX / 2);
    let id = home.make(FolderId::TOP, &longest).await.unwrap();
    assert!(matches!(rename(&home, id, FolderId::TOP, "a/b").await, Err(Error::Invalid(_))));
    for name in ["a", "Entwürfe", "a.b", "...", "%*&~", "日本"] {
        home.make(FolderId::TOP, name).await.unwrap();
    }
    home.check();
}

#[tokio::test]
async fn standard_folders_stay() {
    let home = Home::new().await;
    for (_, _, role) in STANDARD {
        let id = home.role(role).id;
        assert!(matches!(delete(&home, id).await, Err(Error::Invalid(_))), "{role:?}");
        assert!(matches!(rename(&home, id, FolderId::TOP, "Mine").await, Err(Error::Invalid(_))), "{role:?}");
    }
    // Folders may be made below them.
    home.make(home.role(Role::Inbox).id, "Lists").await.unwrap();
    home.check();
}

#[tokio::test]
async fn folders_are_listed_after_the_one_they_stand_in() {
    let home = Home::new().await;
    let z = home.make(FolderId::TOP, "z").await.unwrap();
    let b = home.make(z, "b").await.unwrap();
    let a = home.make(b, "a").await.unwrap();
    let order: Vec<_> = home.view().folders(home.owner).unwrap().iter().map(|s| s.folder.id).collect();
    let place = |id| order.iter().position(|other| *other == id).unwrap();
    assert!(place(z) < place(b) && place(b) < place(a));
}

#[tokio::test]
async fn a_folder_moves_with_all_below_it_but_not_into_itself() {
    let home = Home::new().await;
    let a = home.make(FolderId::TOP, "a").await.unwrap();
    let b = home.make(a, "b").await.unwrap();
    let c = home.make(b, "c").await.unwrap();
    for parent in [a, b, c] {
        assert!(matches!(rename(&home, a, parent, "a").await, Err(Error::Invalid(_))));
    }
    rename(&home, b, FolderId::TOP, "bee").await.unwrap();
    let (b_row, c_row) = (home.folder(b), home.folder(c));
    assert_eq!((b_row.parent, b_row.name.as_str(), c_row.parent), (FolderId::TOP, "bee", b));
    assert!(matches!(home.view().by_name(home.owner, a, "b"), Err(Error::Missing)));
    // The name it had is free.
    home.make(a, "b").await.unwrap();
    home.check();
}

#[tokio::test]
async fn nothing_stands_deeper_than_rights_are_looked_for() {
    let home = Home::new().await;
    let mut chain = vec![FolderId::TOP];
    for depth in 0..DEPTH_MAX {
        chain.push(home.make(chain[depth], "x").await.unwrap());
    }
    assert!(matches!(home.make(chain[DEPTH_MAX], "x").await, Err(Error::Invalid(_))));
    // A subtree does not get deeper by a move either.
    let top = home.make(FolderId::TOP, "top").await.unwrap();
    let below = home.make(top, "below").await.unwrap();
    let deep = chain[DEPTH_MAX - 1];
    assert!(matches!(rename(&home, top, deep, "top").await, Err(Error::Invalid(_))));
    rename(&home, below, deep, "below").await.unwrap();
    rename(&home, top, chain[DEPTH_MAX - 2], "top").await.unwrap();
    home.check();
}

#[tokio::test]
async fn folders_are_limited_in_number() {
    let home = Home::new().await;
    let owner = home.owner;
    let made = home.act(Origin::OTHER, move |tx| {
        for n in 0..FOLDERS_MAX - STANDARD.len() {
            let name = n.to_string();
            tx.create_folder(owner, &NewFolder { parent: FolderId::TOP, name: &name, kind: Kind::Notes })?;
        }
        Ok(())
    });
    made.await.unwrap();
    assert!(matches!(home.make(FolderId::TOP, "more").await, Err(Error::Invalid(_))));
    let one = home.view().by_name(owner, FolderId::TOP, "5").unwrap().folder.id;
    delete(&home, one).await.unwrap();
    home.make(FolderId::TOP, "more").await.unwrap();
    home.check();
}

#[tokio::test]
async fn the_tree_log_has_the_latest_change_of_each_folder() {
    let home = Home::new().await;
    let before = tree(&home);
    assert_eq!(before.len(), STANDARD.len());
    let a = home.make(FolderId::TOP, "a").await.unwrap();
    let b = home.make(a, "b").await.unwrap();
    rename(&home, a, FolderId::TOP, "c").await.unwrap();
    home.grant(a, 9, Rights::LOOKUP, Rights::NONE).await;
    delete(&home, a).await.unwrap();
    let rows: Vec<_> = tree(&home)[before.len()..].iter().map(|(_, c)| (c.folder, c.deleted)).collect();
    assert_eq!(rows, [(b, true), (a, true)]);
    assert_eq!(home.counters().tree, tree(&home).last().unwrap().0);

    // What changes nothing is not logged.
    let c = home.make(FolderId::TOP, "c").await.unwrap();
    home.grant(c, 9, Rights::LOOKUP, Rights::NONE).await;
    let before = tree(&home);
    rename(&home, c, FolderId::TOP, "c").await.unwrap();
    home.grant(c, 9, Rights::LOOKUP, Rights::NONE).await;
    home.grant(c, 10, Rights::NONE, Rights::NONE).await;
    assert_eq!(tree(&home), before);
    home.check();

    // It does not grow with what happens, and a folder that is gone for good leaves it.
    for name in ["d", "e", "f"] {
        rename(&home, c, FolderId::TOP, name).await.unwrap();
    }
    assert_eq!(tree(&home).len(), before.len());
    home.as_system(move |tx| tx.purge_folder(b, i64::MAX, 100)).await.unwrap();
    assert_eq!(tree(&home).len(), before.len() - 1);
    home.check();
    // Its last row stays: the log ends where the owner's row says.
    delete(&home, c).await.unwrap();
    home.as_system(move |tx| tx.purge_folder(c, i64::MAX, 100)).await.unwrap();
    home.check();
}

/// What is asked of a large tree takes as long as it is large, and no longer.
#[tokio::test]
async fn a_large_tree_is_listed_parents_first() {
    let home = Home::new().await;
    let owner = home.owner;
    let made = home.act(Origin::OTHER, move |tx| {
        let mut made = Vec::new();
        for chain in 0..20 {
            let mut parent = FolderId::TOP;
            for depth in 0..30 {
                // Names stand in the other order than the tree.
                let name = format!("{} {chain}", 99 - depth);
                parent = tx.create_folder(owner, &NewFolder { parent, name: &name, kind: Kind::Mail })?;
                made.push(parent);
            }
        }
        Ok(made)
    });
    let made = made.await.unwrap();
    let listed = home.view().folders(owner).unwrap();
    assert_eq!(listed.len(), made.len() + STANDARD.len());
    let mut seen = std::collections::BTreeSet::from([FolderId::TOP]);
    for Seen { folder, .. } in listed {
        assert!(seen.contains(&folder.parent), "{} stands before its parent", folder.name);
        seen.insert(folder.id);
    }
}

#[tokio::test]
async fn a_removed_owner_gets_no_folder_any_more() {
    let home = Home::new().await;
    let owner = home.owner;
    home.as_system(move |tx| tx.remove_owner(owner)).await.unwrap();
    let late = home.as_system(move |tx| {
        tx.create_folder(owner, &NewFolder { parent: FolderId::TOP, name: "late", kind: Kind::Mail })
    });
    assert!(matches!(late.await, Err(Error::Missing)));
    while home.as_system(move |tx| tx.purge_owner(owner, 100)).await.unwrap() {}
    assert!(home.keys(Table::Folder).is_empty());
    home.check();
}

#[tokio::test]
async fn uidvalidity_only_grows_also_within_a_second_and_when_the_clock_goes_back() {
    let home = Home::new().await;
    let mut last =
        home.view().folders(home.owner).unwrap().iter().map(|s| s.folder.uid_validity).max().unwrap();
    assert!(i64::from(last) >= home.now() / 1000);
    for by in [0, 0, 5_000_000, -9_000_000, 0] {
        home.mailbox.clock().advance(by);
        let id = home.make(FolderId::TOP, "again").await.unwrap();
        let uid_validity = home.folder(id).uid_validity;
        assert!(uid_validity > last);
        last = uid_validity;
        delete(&home, id).await.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_folder_is_there_for_nobody_and_its_name_is_free() {
    let home = Home::new().await;
    let a = home.make(FolderId::TOP, "a").await.unwrap();
    let b = home.make(a, "b").await.unwrap();
    home.add(b, "kept", 1).await;
    home.grant(a, 9, Rights::LOOKUP.and(Rights::READ), Rights::NONE).await;
    assert_eq!(home.view_of(9).granted_to(9).unwrap(), [a]);
    let (items, bytes) = (home.counters().items, home.counters().bytes);
    assert_eq!(items, 1);
    delete(&home, a).await.unwrap();

    for acting in [home.me(), Acting::System, Acting::account(9)] {
        let view = home.mailbox.view(acting.clone()).unwrap();
        assert!(matches!(view.folder(a), Err(Error::Missing)));
        assert!(matches!(view.folder(b), Err(Error::Missing)));
        let granted = home.mailbox.write(acting, Origin::OTHER, move |tx| tx.granted(b).map(drop)).await;
        assert!(matches!(granted, Err(Error::Missing)));
    }
    assert!(home.view_of(9).granted_to(9).unwrap().is_empty());
    assert!(!names(&home).contains(&"a".to_owned()));
    let counters = home.counters();
    assert_eq!((counters.items, counters.bytes, counters.expunged_bytes), (0, 0, bytes));

    let again = home.make(FolderId::TOP, "A").await.unwrap();
    assert_ne!(again, a);
    home.check();
}

/// Within the transaction that deletes it, too.
#[tokio::test]
async fn a_handle_of_a_deleted_folder_is_void() {
    let home = Home::new().await;
    let a = home.make(FolderId::TOP, "a").await.unwrap();
    let item = home.item("x", 1);
    let outcome = home.act(Origin::OTHER, move |tx| {
        let folder = tx.granted(a)?;
        let placed = tx.append(&folder, item.clone())?;
        tx.delete_folder(&folder)?;
        let seen = Edit { set: Flags::SEEN, ..Edit::default() };
        let results = [
            tx.append(&folder, item).err(),
            tx.edit(&folder, placed.uid, &seen, Knew(None)).err(),
            tx.expunge(&folder, placed.uid).err(),
            tx.granted(a).err(),
        ];
        Ok(results.into_iter().all(|e| matches!(e, Some(Error::Missing))))
    });
    assert!(outcome.await.unwrap());
    home.check();
}
