//! FolderSync and the commands that change the tree.

use wbxml::{Element, Tag, folderhierarchy as tags};

use super::{Answer, Home, Phone};
use crate::mailbox::{Acting, FolderId, Kind, NewFolder, Origin, OwnerId, Role};

/// A phone's copy of the tree.
struct Tree {
    phone: Phone,
    key: String,
}

impl Tree {
    async fn begin(phone: Phone) -> (Self, Vec<(String, String, String, u8)>) {
        let mut tree = Self { phone, key: "0".into() };
        let added = tree.sync().await.0;
        (tree, added)
    }

    /// What was added and updated (id, parent, name, type), and the ids of what was deleted.
    async fn sync(
        &mut self,
    ) -> (Vec<(String, String, String, u8)>, Vec<(String, String, String, u8)>, Vec<String>) {
        let answer = self.phone.folder_sync(&self.key).await.tree();
        assert_eq!(answer.text_of(tags::STATUS), Some("1"));
        self.key = answer.text_of(tags::SYNC_KEY).unwrap().to_owned();
        let changes = answer.child(tags::CHANGES).unwrap();
        let text = |el: &Element<'_>, tag| el.text_of(tag).unwrap().to_owned();
        let list = |tag: Tag| {
            let all = changes.children_of(tag).map(|el| {
                let kind = el.parse_of(tags::TYPE).unwrap().unwrap();
                (text(el, tags::SERVER_ID), text(el, tags::PARENT_ID), text(el, tags::DISPLAY_NAME), kind)
            });
            all.collect::<Vec<_>>()
        };
        let deleted: Vec<_> = changes.children_of(tags::DELETE).map(|el| text(el, tags::SERVER_ID)).collect();
        let (added, updated) = (list(tags::ADD), list(tags::UPDATE));
        let count: usize = changes.parse_of(tags::COUNT).unwrap().unwrap();
        assert_eq!(count, added.len() + updated.len() + deleted.len());
        (added, updated, deleted)
    }

    async fn create(&self, parent: &str, name: &str, kind: u8) -> Answer {
        let request = Element::new(tags::FOLDER_CREATE)
            .with_text(tags::SYNC_KEY, self.key.clone())
            .with_text(tags::PARENT_ID, parent.to_owned())
            .with_text(tags::DISPLAY_NAME, name.to_owned())
            .with_number(tags::TYPE, kind);
        self.phone.post("FolderCreate", &request).await
    }

    async fn update(&self, id: &str, parent: &str, name: &str) -> Answer {
        let request = Element::new(tags::FOLDER_UPDATE)
            .with_text(tags::SYNC_KEY, self.key.clone())
            .with_text(tags::SERVER_ID, id.to_owned())
            .with_text(tags::PARENT_ID, parent.to_owned())
            .with_text(tags::DISPLAY_NAME, name.to_owned());
        self.phone.post("FolderUpdate", &request).await
    }

    async fn delete(&self, id: &str) -> Answer {
        let request = Element::new(tags::FOLDER_DELETE)
            .with_text(tags::SYNC_KEY, self.key.clone())
            .with_text(tags::SERVER_ID, id.to_owned());
        self.phone.post("FolderDelete", &request).await
    }

    /// Takes the key of an answer that must be a success.
    fn take(&mut self, answer: &Answer) -> Element<'static> {
        let tree = answer.tree();
        assert_eq!(answer.status(), 1);
        let key = tree.text_of(tags::SYNC_KEY).unwrap().to_owned();
        assert_ne!(key, self.key);
        self.key = key;
        tree
    }

    async fn made(&mut self, parent: &str, name: &str) -> String {
        let answer = self.create(parent, name, 12).await;
        self.take(&answer).text_of(tags::SERVER_ID).unwrap().to_owned()
    }
}

fn is_failure(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status);
    assert!(!answer.tree().has(tags::SYNC_KEY), "a failure moves no key");
}

fn role(home: &Home, role: Role) -> String {
    let owner = OwnerId(home.ann.0);
    let view = home.eas.mailbox.view(Acting::account(home.ann.0)).unwrap();
    view.by_role(owner, role).unwrap().id.0.to_string()
}

#[tokio::test]
async fn all_folders_then_nothing() {
    let home = Home::new().await;
    let (mut tree, added) = Tree::begin(home.ready("A").await).await;
    let mut types: Vec<u8> = added.iter().map(|folder| folder.3).collect();
    types.sort_unstable();
    assert_eq!(types, [2, 3, 4, 5, 7, 8, 9, 10, 12]);
    assert!(added.iter().all(|folder| folder.1 == "0"));
    let key = tree.key.clone();
    assert_eq!(tree.sync().await, (vec![], vec![], vec![]));
    assert_eq!(tree.key, key, "nothing new, nothing written");
    for wrong in ["987654321", "1.0000000000000000", "x", &"9".repeat(5_000)] {
        is_failure(&tree.phone.folder_sync(wrong).await, 9);
    }
    assert_eq!(tree.phone.folder_sync("").await.status(), 10);
    assert_eq!(tree.phone.post("FolderSync", &Element::new(tags::FOLDER_SYNC)).await.status(), 10);
    let other = home.ready("B").await;
    assert_eq!(other.folder_sync(&tree.key).await.status(), 9, "the key of another device");
    let old = Phone { version: "12.1", ..home.phone("C") };
    let mut old = old;
    old.provision().await;
    let (_, added) = Tree::begin(old).await;
    assert!(added.iter().all(|folder| folder.3 != 10), "12.1 cannot synchronise notes");
}

#[tokio::test]
async fn beginning_tells_the_abilities_again() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let first = phone.folder_sync("0").await;
    assert_eq!(first.header("X-MS-RP"), first.header("MS-ASProtocolVersions"));
    assert!(first.header("MS-ASProtocolCommands").contains("Provision"));
    let key = first.tree().text_of(tags::SYNC_KEY).unwrap().to_owned();
    assert_eq!(phone.folder_sync(&key).await.header("X-MS-RP"), "");
}

#[tokio::test]
async fn a_day_of_a_folder_seen_by_two() {
    let home = Home::new().await;
    let (mut a, _) = Tree::begin(home.ready("A").await).await;
    let (mut b, _) = Tree::begin(home.ready("B").await).await;
    let id = a.made("0", "Plans").await;
    let below = a.made(&id, "Old").await;
    assert_eq!(a.sync().await, (vec![], vec![], vec![]), "its own changes are not told back");
    let told = b.sync().await;
    let plans = (id.clone(), "0".to_owned(), "Plans".to_owned(), 12);
    let old = (below.clone(), id.clone(), "Old".to_owned(), 12);
    assert_eq!(told.0, [plans, old]);
    is_failure(&b.create("0", "plans", 12).await, 2);
    let renamed = b.update(&below, "0", "New").await;
    b.take(&renamed);
    assert_eq!(a.sync().await.1, [(below.clone(), "0".to_owned(), "New".to_owned(), 12)]);
    let inside = a.made(&id, "Inside").await;
    let deleted = a.delete(&id).await;
    a.take(&deleted);
    assert_eq!(a.sync().await.2, [inside.as_str()], "what went with it");
    assert_eq!(b.sync().await.2, [id]);
    assert_eq!(b.sync().await, (vec![], vec![], vec![]));
}

#[tokio::test]
async fn what_is_refused() {
    let home = Home::new().await;
    let (mut a, _) = Tree::begin(home.ready("A").await).await;
    let inbox = role(&home, Role::Inbox);
    let id = a.made("0", "Plans").await;
    let below = a.made(&id, "Below").await;
    for (parent, name, kind, status) in [
        ("0", "Inbox", 12, 2),
        ("999999", "New", 12, 5),
        ("x", "New", 12, 5),
        ("0", "New", 2, 10),
        ("0", "New", 19, 10),
        ("0", "New", 16, 10),
        ("0", "", 12, 10),
        ("0", "a/b", 12, 10),
        ("0", "   ", 12, 10),
        ("0", &"n".repeat(300), 12, 10),
    ] {
        is_failure(&a.create(parent, name, kind).await, status);
    }
    is_failure(&a.update(&inbox, "0", "Other").await, 2);
    is_failure(&a.update("999999", "0", "Other").await, 4);
    is_failure(&a.update(&id, "999999", "Other").await, 5);
    is_failure(&a.update(&id, &below, "Plans").await, 10);
    is_failure(&a.update(&below, "0", "plans").await, 2);
    is_failure(&a.delete(&inbox).await, 3);
    is_failure(&a.delete(&role(&home, Role::Junk)).await, 3);
    is_failure(&a.delete("999999").await, 4);
    is_failure(&a.delete("x").await, 4);
    let key = std::mem::replace(&mut a.key, "0".into());
    is_failure(&a.create("0", "New", 12).await, 9);
    is_failure(&a.update(&id, "0", "New").await, 9);
    is_failure(&a.delete(&id).await, 9);
    a.key = key;
    for command in [
        ("FolderCreate", tags::FOLDER_CREATE),
        ("FolderUpdate", tags::FOLDER_UPDATE),
        ("FolderDelete", tags::FOLDER_DELETE),
    ] {
        assert_eq!(a.phone.post(command.0, &Element::new(command.1)).await.status(), 10);
    }
    assert_eq!(a.sync().await, (vec![], vec![], vec![]));
}

#[tokio::test]
async fn folders_of_others_do_not_exist() {
    let home = Home::new().await;
    let bob = Phone { user: "bob".into(), password: "bob".into(), ..home.phone("B") };
    let mut bob = bob;
    bob.provision().await;
    let (mut bob, _) = Tree::begin(bob).await;
    let theirs = bob.made("0", "Secret").await;
    let (ann, _) = Tree::begin(home.ready("A").await).await;
    is_failure(&ann.update(&theirs, "0", "Mine").await, 4);
    is_failure(&ann.delete(&theirs).await, 4);
    is_failure(&ann.create(&theirs, "Mine", 12).await, 5);
}

#[tokio::test]
async fn lost_answers_are_made_good() {
    let home = Home::new().await;
    let (mut a, _) = Tree::begin(home.ready("A").await).await;
    let first = a.create("0", "Plans", 12).await;
    let again = a.create("0", "Plans", 12).await;
    assert_eq!(first.body, again.body, "the same folder and key");
    is_failure(&a.create("0", "plans", 12).await, 2);
    let id = a.take(&again).text_of(tags::SERVER_ID).unwrap().to_owned();
    let first = a.update(&id, "0", "Ideas").await;
    let again = a.update(&id, "0", "Ideas").await;
    assert_eq!(first.body, again.body);
    a.take(&again);
    let first = a.delete(&id).await;
    let again = a.delete(&id).await;
    assert_eq!(first.body, again.body);
    let before = a.key.clone();
    a.take(&again);
    assert_eq!(a.sync().await, (vec![], vec![], vec![]));
    a.key = before;
    is_failure(&a.delete(&id).await, 9);
}

#[tokio::test]
async fn a_lost_folder_sync_is_asked_for_again() {
    let home = Home::new().await;
    let (mut a, first) = Tree::begin(home.ready("A").await).await;
    let (_, second) = Tree::begin(a.phone.clone()).await;
    assert_eq!(first, second, "key 0 twice");
    assert_eq!(a.sync().await, (vec![], vec![], vec![]), "the first answer arrived after all");
    let (owner, acting) = (OwnerId(home.ann.0), Acting::account(home.ann.0));
    let made = home.eas.mailbox.write(acting, Origin::OTHER, move |tx| {
        tx.create_folder(owner, &NewFolder { parent: FolderId::TOP, name: "New", kind: Kind::Mail })
    });
    let made = made.await.unwrap().0.to_string();
    let before = a.key.clone();
    assert_eq!(a.sync().await.0.len(), 1);
    let lost = std::mem::replace(&mut a.key, before.clone());
    assert_eq!(a.sync().await.0.len(), 1);
    assert_eq!(a.sync().await, (vec![], vec![], vec![]));
    for void in [before, lost] {
        assert_eq!(a.phone.folder_sync(&void).await.status(), 9);
    }
    let deleted = a.delete(&made).await;
    a.take(&deleted);
}
