//! Random operations of several people on several owners' folders; whatever they do and whatever is
//! refused, all counters, indexes and logs fit the items afterwards.

use proptest::prelude::*;

use super::*;
use crate::mailbox::sync::{Round, State};

const OWNERS: [u64; 2] = [7, 8];

#[derive(Clone, Debug)]
enum Op {
    Add { folder: usize, name: Option<u8>, ical: Option<u8>, seen: bool },
    Edit { item: usize, set: u16, clear: u16, keyword: bool },
    Replace { item: usize, date: Option<i64> },
    Move { item: usize, to: usize },
    Copy { item: usize, to: usize },
    Expunge { item: usize },
    Recover { which: usize, to: usize },
    Make { parent: usize, name: u8 },
    Rename { folder: usize, parent: usize, name: u8 },
    Delete { folder: usize },
    Grant { folder: usize, allow: u16, deny: u16 },
    Purge { days: i64 },
    Wait { days: i64 },
}

fn op() -> impl Strategy<Value = Op> {
    let n = || 0..64_usize;
    prop_oneof![
        6 => (n(), prop::option::of(0..4_u8), prop::option::of(0..4_u8), any::<bool>())
            .prop_map(|(folder, name, ical, seen)| Op::Add { folder, name, ical, seen }),
        4 => (n(), 0..512_u16, 0..512_u16, any::<bool>())
            .prop_map(|(item, set, clear, keyword)| Op::Edit { item, set, clear, keyword }),
        2 => (n(), prop::option::of(0..50_i64)).prop_map(|(item, date)| Op::Replace { item, date }),
        3 => (n(), n()).prop_map(|(item, to)| Op::Move { item, to }),
        2 => (n(), n()).prop_map(|(item, to)| Op::Copy { item, to }),
        2 => n().prop_map(|item| Op::Expunge { item }),
        2 => (n(), n()).prop_map(|(which, to)| Op::Recover { which, to }),
        2 => (n(), 0..6_u8).prop_map(|(parent, name)| Op::Make { parent, name }),
        2 => (n(), n(), 0..6_u8).prop_map(|(folder, parent, name)| Op::Rename { folder, parent, name }),
        1 => n().prop_map(|folder| Op::Delete { folder }),
        3 => (n(), any::<u16>(), prop_oneof![3 => Just(0), 1 => any::<u16>()])
            .prop_map(|(folder, allow, deny)| Op::Grant { folder, allow, deny }),
        1 => (0..40_i64).prop_map(|days| Op::Purge { days }),
        1 => (0..40_i64).prop_map(|days| Op::Wait { days }),
    ]
}

struct World {
    home: Home,
    texts: u64,
}

impl World {
    async fn new() -> Self {
        let home = Home::new().await;
        home.as_system(|tx| tx.create_owner(OwnerId(8), Some(2_000))).await.unwrap();
        Self { home, texts: 0 }
    }

    /// All folders of both owners.
    fn folders(&self) -> Vec<Folder> {
        let view = self.home.mailbox.view(Acting::System).unwrap();
        let all = OWNERS.into_iter().flat_map(|owner| view.folders(OwnerId(owner)).unwrap());
        all.map(|seen| seen.folder).collect()
    }

    fn folder(&self, pick: usize) -> Folder {
        let folders = self.folders();
        folders[pick % folders.len()].clone()
    }

    fn item(&self, pick: usize) -> Option<(FolderId, Uid)> {
        let view = self.home.mailbox.view(Acting::System).unwrap();
        let mut all = Vec::new();
        for folder in self.folders() {
            view.items(&folder, Uid(0), &mut |item| {
                all.push((folder.id, item.uid));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        }
        all.get(pick % all.len().max(1)).copied()
    }

    fn text(&mut self) -> String {
        self.texts += 1;
        // Some bodies are the same, so that they are shared.
        format!("text {}", self.texts % 7)
    }

    async fn step(&mut self, actor: u64, op: Op) -> Result<(), Error> {
        let acting = Acting::account(actor);
        let text = self.text();
        let new = self.home.item(&text, 5);
        let folder_of = |pick| self.folder(pick).id;
        let device = Origin(actor);
        let mailbox = &self.home.mailbox;
        match op {
            Op::Add { folder, name, ical, seen } => {
                let id = folder_of(folder);
                let item = NewItem {
                    dav_name: name.map(|n| n.to_string()),
                    ical_uid: ical.map(|n| n.to_string()),
                    flags: Flags::NONE.with(Flags::SEEN, seen),
                    ..new
                };
                let added = mailbox.write(acting, device, move |tx| {
                    let to = tx.granted(id)?;
                    tx.append(&to, item).map(drop)
                });
                added.await
            }
            Op::Edit { item, set, clear, keyword } => {
                let Some((folder, uid)) = self.item(item) else { return Ok(()) };
                let keywords = if keyword { vec!["k".to_owned()] } else { Vec::new() };
                let edit =
                    Edit { set: Flags(set), clear: Flags(clear), add_keywords: keywords, ..Edit::default() };
                let done = mailbox.write(acting, device, move |tx| {
                    let at = tx.granted(folder)?;
                    tx.edit(&at, uid, &edit, Knew(None)).map(drop)
                });
                done.await
            }
            Op::Replace { item, date } => {
                let Some((folder, uid)) = self.item(item) else { return Ok(()) };
                let content = NewContent {
                    body: new.body,
                    prefix: new.prefix,
                    record: new.record,
                    filter_date: date,
                    properties: Vec::new(),
                };
                let done = mailbox.write(acting, device, move |tx| {
                    let at = tx.granted(folder)?;
                    tx.replace(&at, uid, content, Knew(None)).map(drop)
                });
                done.await
            }
            Op::Move { item, to } | Op::Copy { item, to } => {
                let Some((folder, uid)) = self.item(item) else { return Ok(()) };
                let (to, moves) = (folder_of(to), matches!(op, Op::Move { .. }));
                // A refusal is taken and the transaction goes on.
                let done = mailbox.write(acting, device, move |tx| {
                    let (from, to) = (tx.granted(folder)?, tx.granted(to)?);
                    let _ = if moves { tx.move_to(&from, uid, &to) } else { tx.copy(&from, uid, &to) };
                    Ok(())
                });
                done.await
            }
            Op::Expunge { item } => {
                let Some((folder, uid)) = self.item(item) else { return Ok(()) };
                let done = mailbox.write(acting, device, move |tx| {
                    let at = tx.granted(folder)?;
                    tx.expunge(&at, uid).map(drop)
                });
                done.await
            }
            Op::Recover { which, to } => {
                let ids = expunged(self.home.view().reader(), OwnerId(actor), 50)?;
                let Some(id) = ids.get(which % ids.len().max(1)).copied() else { return Ok(()) };
                let to = folder_of(to);
                let done = mailbox.write(acting, device, move |tx| {
                    let to = tx.granted(to)?;
                    tx.recover(id, &to).map(drop)
                });
                done.await
            }
            Op::Make { parent, name } => {
                let parent = self.folder(parent);
                let done = mailbox.write(acting, device, move |tx| {
                    let (name, kind) = (name.to_string(), Kind::Calendar);
                    tx.create_folder(parent.owner, &NewFolder { parent: parent.id, name: &name, kind })
                        .map(drop)
                });
                done.await
            }
            Op::Rename { folder, parent, name } => {
                let (id, parent) = (folder_of(folder), folder_of(parent));
                let done = mailbox.write(acting, device, move |tx| {
                    let folder = tx.granted(id)?;
                    tx.rename_folder(&folder, parent, &name.to_string())
                });
                done.await
            }
            Op::Delete { folder } => {
                let id = folder_of(folder);
                let done = mailbox.write(acting, device, move |tx| {
                    let folder = tx.granted(id)?;
                    tx.delete_folder(&folder)
                });
                done.await
            }
            Op::Grant { folder, allow, deny } => {
                let folder = self.folder(folder);
                let grantee = if folder.owner == OwnerId(7) { 8 } else { 7 };
                // Any bits at all, as far as there are such rights.
                let rights = |bits: u16| {
                    (0..12).filter(|n| bits & (1 << n) != 0).fold(Rights::NONE, |all, n| all.and(RIGHTS[n]))
                };
                let grant = Grant { grantee, allow: rights(allow), deny: rights(deny) };
                let done = mailbox.write(acting, device, move |tx| {
                    let folder = tx.granted(folder.id)?;
                    tx.set_grant(&folder, grant)
                });
                done.await
            }
            Op::Purge { days } => self.purge(days).await,
            Op::Wait { days } => {
                mailbox.clock().advance(days * 86_400_000);
                Ok(())
            }
        }
    }

    async fn purge(&self, days: i64) -> Result<(), Error> {
        let before = self.home.now() - days * 86_400_000;
        let view = self.home.view();
        let owners = owners_to_purge(view.reader(), None, before, 10)?.found;
        let folders = deleted_folders(view.reader(), None, before, 10)?.found;
        let tombstones = old_tombstones(view.reader(), None, before, 50)?.found;
        let purged = self.home.as_system(move |tx| {
            tx.purge_tombstones(&tombstones, before)?;
            for owner in owners {
                tx.purge_expunged(owner, before, 3)?;
            }
            for folder in folders {
                tx.purge_folder(folder, before, 3)?;
            }
            Ok(())
        });
        purged.await
    }

    /// What is held in memory is what the rows say, for everybody who may look.
    fn check_hot(&self) {
        let hot = &self.home.mailbox;
        let lookers = OWNERS.map(Acting::account).into_iter().chain([Acting::System]);
        for view in lookers.map(|acting| hot.view(acting).unwrap()) {
            for folder in self.folders().iter().filter(|folder| view.folder(folder.id).is_ok()) {
                let lights = hot.lights(&view, folder).unwrap();
                let mut shown = lights.iter();
                view.items(folder, Uid(0), &mut |item| {
                    let light = shown.next().expect("an item that is not in memory");
                    assert_eq!(lights.get(item.uid), Some(light));
                    assert_eq!(lights.keywords(&light), item.keywords);
                    let is = (light.uid, light.flags, light.modseq, light.content, u64::from(light.size));
                    assert_eq!(is, (item.uid, item.flags, item.modseq, item.content, item.size));
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
                assert_eq!(shown.next(), None);
                assert_eq!(lights.len() as u64, folder.items);
            }
        }
    }

    /// A client that begins now is told of exactly the items that are there.
    fn check_sync(&self) {
        let view = self.home.mailbox.view(Acting::System).unwrap();
        for folder in self.folders() {
            let round = Round { device: Origin(99), wanted: i64::MIN, window: 10_000 };
            let told = round.run(&view.synced(&folder), &State::new(folder.highest)).unwrap();
            assert_eq!(told.steps.len() as u64, folder.items);
        }
    }
}

const RIGHTS: [Rights; 12] = [
    Rights::LOOKUP,
    Rights::READ,
    Rights::SEEN,
    Rights::WRITE,
    Rights::INSERT,
    Rights::POST,
    Rights::CREATE,
    Rights::DELETE_FOLDER,
    Rights::DELETE_ITEM,
    Rights::EXPUNGE,
    Rights::ADMIN,
    Rights::SHARE_SEEN,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn all_rows_fit_the_items_whatever_happens(
        ops in prop::collection::vec((prop::sample::select(&OWNERS), op()), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for (n, (actor, op)) in ops.into_iter().enumerate() {
                let shown = format!("{op:?}");
                match world.step(actor, op).await {
                    Ok(())
                    | Err(
                        Error::Missing | Error::Denied | Error::Exists | Error::Invalid(_) | Error::OverQuota,
                    ) => {}
                    Err(e) => panic!("{shown}: {e}"),
                }
                world.check_hot();
                if n % 10 == 9 {
                    world.home.check();
                }
            }
            world.home.check();
            world.check_sync();
            let report = world.home.mailbox.store().verify(crate::store::Depth::Bodies).unwrap();
            assert!(report.is_sound(), "{report:?}");
        });
    }
}
