//! Mailboxes are made, renamed, deleted and subscribed to.

use super::*;
use crate::mailbox::{Kind, NewFolder};

const SIMPLE: &[u8] = b"From: Bob <bob@example.org>\r\nSubject: Hello\r\n\r\nThe body.\r\n";

/// A dialogue: what is said, and what is heard but for the tag.
async fn talk(client: &mut Client, lines: &[(&str, &str)]) {
    for (said, heard) in lines {
        assert_eq!(client.hear(said).await, *heard, "{said}");
    }
}

#[tokio::test]
async fn create_and_delete() {
    let house = House::new().await;
    let mut client = house.alice().await;
    let created = client.hear("CREATE Projects/2027/Spring/").await;
    let id = house.view().by_name(house.alice, FolderId::TOP, "Projects").unwrap().folder.id;
    let year = house.view().by_name(house.alice, id, "2027").unwrap().folder.id;
    let spring = house.view().by_name(house.alice, year, "Spring").unwrap().folder;
    assert_eq!(created, format!("OK [MAILBOXID (F{:x})] created\r\n", spring.id.0));
    assert_eq!(spring.kind, Kind::Mail);
    talk(
        &mut client,
        &[
            ("CREATE projects", "NO [ALREADYEXISTS] the name is taken\r\n"),
            ("CREATE inbox", "NO [ALREADYEXISTS] the name is taken\r\n"),
            ("CREATE Calendar", "NO [ALREADYEXISTS] the name is taken\r\n"),
            ("CREATE a//b", "NO [CANNOT] a folder name must not be empty or begin or end with a space\r\n"),
            ("CREATE a/../b", "NO [CANNOT] a folder cannot be called that\r\n"),
            ("CREATE \"\"", "NO [CANNOT] a folder name must not be empty or begin or end with a space\r\n"),
            ("CREATE \"Other users\"", "NO [NOPERM] you may not do that\r\n"),
            ("CREATE \"Other users/bob@example.test/x\"", "NO [NOPERM] you may not do that\r\n"),
            ("DELETE Projects", "NO [HASCHILDREN] delete the folders below it first\r\n"),
            ("DELETE Projects/2027/Spring", "OK deleted\r\n"),
            ("DELETE Projects/2027/Spring", "NO [NONEXISTENT] no such mailbox\r\n"),
            ("DELETE Projects/2027", "OK deleted\r\n"),
            ("DELETE Projects", "OK deleted\r\n"),
            ("DELETE INBOX", "NO [CANNOT] a standard folder cannot be renamed or deleted\r\n"),
            ("DELETE Sent", "NO [CANNOT] a standard folder cannot be renamed or deleted\r\n"),
            ("DELETE Calendar", "NO [NONEXISTENT] no such mailbox\r\n"),
            ("LIST \"\" P*", "OK that is all\r\n"),
        ],
    )
    .await;
    for bad in ["a\u{7}b", "a\tb", &"x".repeat(9_000), "x\u{7f}"] {
        let answer = client.hear(&format!("CREATE \"{bad}\"")).await;
        assert!(answer.starts_with("NO [CANNOT] "), "{answer}");
    }
    assert!(client.hear("CREATE {3}\r\na\0b").await.contains("BAD NUL in a literal\r\n"));
    assert!(client.hear("CREATE \"a\0b\"").await.starts_with("BAD "));
    assert!(client.hear("CREATE \"a&AGE-b\"").await.starts_with("NO [CANNOT] "));
    // Nothing is left of a CREATE that fails on its way.
    assert!(house.view().by_name(house.alice, FolderId::TOP, "a").is_err());
    assert!(client.hear("CREATE INBOX/old").await.starts_with("OK [MAILBOXID "));
    assert!(client.hear("LIST \"\" inbox/%").await.contains("\"INBOX/old\"\r\n"));
    let deep = vec!["d"; 40].join("/");
    let answer = client.hear(&format!("CREATE {deep}")).await;
    assert_eq!(answer, "NO [CANNOT] folders cannot be nested that deeply\r\n");
    assert!(house.view().by_name(house.alice, FolderId::TOP, "d").is_err());
}

#[tokio::test]
async fn a_deleted_mailbox_is_not_selected_any_more() {
    let house = House::new().await;
    let mut client = house.alice().await;
    client.say("CREATE x").await;
    assert!(client.say("SELECT x").await.contains(" OK "));
    let heard = client.hear("DELETE x").await;
    assert_eq!(heard, "* OK [CLOSED] the selected mailbox is gone\r\nOK deleted\r\n");
    assert_eq!(client.hear("FETCH 1 FLAGS").await, "BAD no mailbox is selected\r\n");
}

#[tokio::test]
async fn special_uses() {
    let house = House::new().await;
    let mut client = house.alice().await;
    assert!(client.hear("CREATE Old (USE (\\Archive))").await.starts_with("OK [MAILBOXID "));
    talk(
        &mut client,
        &[
            ("CREATE More (USE (\\Drafts))", "NO [USEATTR] no further mailbox can have that use\r\n"),
            ("CREATE More (USE (\\All))", "NO [USEATTR] no further mailbox can have that use\r\n"),
            ("CREATE More (FROB (\\All))", "BAD unknown CREATE parameter\r\n"),
            ("LIST \"\" More", "OK that is all\r\n"),
            (
                "LIST (SPECIAL-USE) \"\" O*",
                "* LIST (\\HasNoChildren \\Archive) \"/\" \"Old\"\r\nOK that is all\r\n",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn rename() {
    let house = House::new().await;
    let mut client = house.alice().await;
    for name in ["a", "a/b", "a/b/c", "other"] {
        client.say(&format!("CREATE {name}")).await;
    }
    client.say("UNSUBSCRIBE a/b/c").await;
    client.say("SUBSCRIBE a/gone").await;
    talk(
        &mut client,
        &[
            ("RENAME a other", "NO [ALREADYEXISTS] the name is taken\r\n"),
            ("RENAME a a/b/x", "NO [CANNOT] a folder cannot be moved into itself\r\n"),
            ("RENAME nothing x", "NO [NONEXISTENT] no such mailbox\r\n"),
            ("RENAME Sent x", "NO [CANNOT] a standard folder cannot be renamed or deleted\r\n"),
            ("RENAME a/b A/B", "OK renamed\r\n"),
            ("RENAME a Other", "NO [ALREADYEXISTS] the name is taken\r\n"),
            ("RENAME a new/place", "OK renamed\r\n"),
            (
                "LIST \"\" (a a/* new new/*) RETURN (SUBSCRIBED)",
                "* LIST (\\HasChildren \\Subscribed) \"/\" \"new\"\r\n\
                 * LIST (\\HasChildren \\Subscribed) \"/\" \"new/place\"\r\n\
                 * LIST (\\HasChildren \\Subscribed) \"/\" \"new/place/B\"\r\n\
                 * LIST (\\HasNoChildren) \"/\" \"new/place/B/c\"\r\n\
                 OK that is all\r\n",
            ),
            (
                "LIST (SUBSCRIBED) \"\" *gone",
                "* LIST (\\HasNoChildren \\NonExistent \\Subscribed) \"/\" \"new/place/gone\"\r\n\
                 OK that is all\r\n",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_renamed_inbox_is_there_anew() {
    let house = House::new().await;
    for _ in 0..250 {
        house.deliver(SIMPLE).await;
    }
    let mut client = house.alice().await;
    client.say("CREATE INBOX/below").await;
    talk(
        &mut client,
        &[
            ("RENAME INBOX inbox/x", "NO [CANNOT] not below itself\r\n"),
            ("RENAME INBOX Sent", "NO [ALREADYEXISTS] the name is taken\r\n"),
            ("RENAME INBOX old/mail", "OK renamed; the Inbox is there anew\r\n"),
            ("STATUS INBOX (MESSAGES)", "* STATUS \"INBOX\" (MESSAGES 0)\r\nOK STATUS done\r\n"),
            ("STATUS old/mail (MESSAGES)", "* STATUS \"old/mail\" (MESSAGES 250)\r\nOK STATUS done\r\n"),
        ],
    )
    .await;
    assert!(client.say("LIST \"\" INBOX/*").await.contains("\"INBOX/below\""));
}

#[tokio::test]
async fn subscriptions() {
    let house = House::new().await;
    let mut client = house.alice().await;
    client.say("CREATE foo/bar").await;
    talk(
        &mut client,
        &[
            ("UNSUBSCRIBE foo", "OK unsubscribed\r\n"),
            ("UNSUBSCRIBE never", "OK unsubscribed\r\n"),
            ("SUBSCRIBE gone/1/2", "OK subscribed\r\n"),
            ("LSUB \"\" foo*", "* LSUB (\\HasNoChildren) \"/\" \"foo/bar\"\r\nOK that is all\r\n"),
            ("LSUB \"\" fo%", "* LSUB (\\HasChildren \\Noselect) \"/\" \"foo\"\r\nOK that is all\r\n"),
            (
                "LIST (SUBSCRIBED) \"\" (foo* gone*)",
                "* LIST (\\HasNoChildren \\Subscribed) \"/\" \"foo/bar\"\r\n\
                 * LIST (\\HasNoChildren \\NonExistent \\Subscribed) \"/\" \"gone/1/2\"\r\n\
                 OK that is all\r\n",
            ),
            (
                "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (fo% gon%)",
                "* LIST (\\HasChildren) \"/\" \"foo\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n\
                 * LIST (\\HasChildren \\NonExistent) \"/\" \"gone\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n\
                 OK that is all\r\n",
            ),
            ("LIST (RECURSIVEMATCH) \"\" *", "BAD RECURSIVEMATCH needs another selection option\r\n"),
            ("UNSUBSCRIBE gone/1/2", "OK unsubscribed\r\n"),
            ("LSUB \"\" gon%", "OK that is all\r\n"),
            ("DELETE foo/bar", "OK deleted\r\n"),
            ("DELETE foo", "OK deleted\r\n"),
        ],
    )
    .await;
    // A mailbox that is made anew is shown, whatever was chosen about its predecessor.
    client.say("CREATE foo").await;
    assert!(client.say("LSUB \"\" foo").await.contains("\"foo\""));
    // They go with the account.
    let owner = house.alice;
    house
        .services
        .store
        .write_async(move |tx| {
            crate::directory::delete_account(tx, crate::directory::AccountId(owner.0)).map(drop)
        })
        .await
        .unwrap();
    let left = crate::directory::subscriptions(house.view().reader(), crate::directory::AccountId(owner.0));
    assert_eq!(left.unwrap(), []);
}

/// What other doors make is shown without a choice; a name that was taken keeps its mailbox reachable.
#[tokio::test]
async fn names_that_mean_something_else() {
    let house = House::new().await;
    let owner = house.alice;
    let id = house
        .act(move |tx| {
            let new = |parent, name, kind| NewFolder { parent, name, kind };
            let own = tx.create_folder(owner, &new(FolderId::TOP, "Other Users", Kind::Mail))?;
            tx.create_folder(owner, &new(own, "below", Kind::Mail))?;
            let events = tx.create_folder(owner, &new(FolderId::TOP, "Events", Kind::Calendar))?;
            tx.create_folder(owner, &new(events, "mail", Kind::Mail))?;
            Ok(own)
        })
        .await;
    let mut client = house.alice().await;
    let name = format!("Other Users ({:x})", id.0);
    let list = client.hear("LSUB \"\" O*").await;
    assert!(list.contains(&format!("\"{name}\"\r\n")), "{list}");
    assert!(client.say(&format!("SELECT \"{name}/below\"")).await.contains(" OK "));
    assert!(client.hear("LIST \"\" Events").await.contains("(\\HasChildren \\Noselect) \"/\" \"Events\""));
    assert!(client.say("SELECT Events/mail").await.contains(" OK "));
    assert_eq!(client.hear("SELECT Events").await.lines().last(), Some("NO [NONEXISTENT] no such mailbox"));
}
