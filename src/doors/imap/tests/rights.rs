//! Rights on mailboxes, mailboxes of others, quotas.

use super::*;
use crate::policy::Rights;

const SIMPLE: &[u8] = b"From: Bob <bob@example.org>\r\nSubject: Hello\r\n\r\nThe body.\r\n";

async fn talk(client: &mut Client, lines: &[(&str, &str)]) {
    for (said, heard) in lines {
        assert_eq!(client.hear(said).await, *heard, "{said}");
    }
}

async fn neighbours() -> House {
    let house = House::new().await;
    account(&house.services, "bob@example.test").await;
    account(&house.services, "carol@example.test").await;
    house.deliver(SIMPLE).await;
    house.deliver(SIMPLE).await;
    house
}

#[tokio::test]
async fn acl_of_a_mailbox() {
    let house = neighbours().await;
    let mut client = house.alice().await;
    talk(
        &mut client,
        &[
            ("MYRIGHTS INBOX", "* MYRIGHTS \"INBOX\" lrswipkxtea0cd\r\nOK those are the rights\r\n"),
            (
                "GETACL INBOX",
                "* ACL \"INBOX\" \"alice@example.test\" lrswipkxtea0cd\r\nOK those are the rights\r\n",
            ),
            ("SETACL INBOX bob lr", "OK the rights are set\r\n"),
            ("SETACL INBOX bob@example.test +sq", "BAD there is no such right\r\n"),
            ("SETACL INBOX bob@example.test +s", "OK the rights are set\r\n"),
            ("SETACL INBOX bob@example.test -r", "OK the rights are set\r\n"),
            ("SETACL INBOX -bob@example.test w", "OK the rights are set\r\n"),
            ("SETACL INBOX anyone l", "OK the rights are set\r\n"),
            ("SETACL INBOX nobody@example.test l", "NO [NONEXISTENT] nobody here has that address\r\n"),
            ("SETACL INBOX alice l", "NO [CANNOT] the owner has all rights\r\n"),
            (
                "GETACL inbox",
                "* ACL \"INBOX\" \"alice@example.test\" lrswipkxtea0cd \"bob@example.test\" ls \
                 \"-bob@example.test\" w \"anyone\" l\r\nOK those are the rights\r\n",
            ),
            (
                "LISTRIGHTS INBOX bob",
                "* LISTRIGHTS \"INBOX\" \"bob\" \"\" l r s w i p k x t e a 0 c d\r\nOK those are the rights\r\n",
            ),
            (
                "LISTRIGHTS INBOX alice",
                "* LISTRIGHTS \"INBOX\" \"alice\" lrswipkxtea0cd\r\nOK those are the rights\r\n",
            ),
            ("DELETEACL INBOX bob", "OK the rights are set\r\n"),
            ("DELETEACL INBOX -bob", "OK the rights are set\r\n"),
            ("DELETEACL INBOX anyone", "OK the rights are set\r\n"),
            (
                "GETACL INBOX",
                "* ACL \"INBOX\" \"alice@example.test\" lrswipkxtea0cd\r\nOK those are the rights\r\n",
            ),
            (
                "LIST \"\" INBOX RETURN (MYRIGHTS)",
                "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* MYRIGHTS \"INBOX\" lrswipkxtea0cd\r\n\
                 OK that is all\r\n",
            ),
        ],
    )
    .await;
}

/// Whatever is asked about a mailbox that one may not see, the answer is that of one that is not there.
#[tokio::test]
async fn no_oracle() {
    let house = neighbours().await;
    let mut client = house.user("bob").await;
    let inboxes = [
        "Other users/alice@example.test/INBOX",
        "Other users/alice@example.test/nothing",
        "Other users/nobody@example.test/INBOX",
        "Other users/bob@example.test/INBOX",
    ];
    let commands = [
        "SELECT \"@\"",
        "STATUS \"@\" (MESSAGES SIZE)",
        "GETACL \"@\"",
        "MYRIGHTS \"@\"",
        "LISTRIGHTS \"@\" bob",
        "SETACL \"@\" bob lr",
        "DELETEACL \"@\" bob",
        "GETQUOTAROOT \"@\"",
        "DELETE \"@\"",
        "RENAME \"@\" mine",
    ];
    for command in commands {
        for inbox in inboxes {
            let command = command.replace('@', "\u{1}").replace('\u{1}', inbox);
            assert_eq!(client.hear(&command).await, "NO [NONEXISTENT] no such mailbox\r\n", "{command}");
        }
    }
    for inbox in inboxes {
        let heard = client.hear(&format!("CREATE \"{inbox}/x\"")).await;
        assert_eq!(heard, "NO [NOPERM] you may not do that\r\n", "{inbox}");
    }
    assert_eq!(client.hear("LIST \"\" Other*").await, "OK that is all\r\n");
    assert_eq!(client.hear("LIST (SUBSCRIBED) \"Other users/\" *").await, "OK that is all\r\n");
}

#[tokio::test]
async fn mailboxes_of_others() {
    let house = neighbours().await;
    let mut alice = house.alice().await;
    alice.say("CREATE work/secret/open").await;
    for (name, who, rights) in
        [("INBOX", "bob", "lrs"), ("work/secret/open", "anyone", "lrk"), ("Sent", "bob", "l")]
    {
        let heard = alice.hear(&format!("SETACL {name} {who} {rights}")).await;
        assert_eq!(heard, "OK the rights are set\r\n");
    }
    let mut bob = house.user("bob").await;
    talk(
        &mut bob,
        &[
            (
                "LIST \"\" Other*",
                "* LIST (\\HasChildren \\Noselect) \"/\" \"Other users\"\r\n\
                 * LIST (\\HasChildren \\Noselect) \"/\" \"Other users/alice@example.test\"\r\n\
                 * LIST (\\HasNoChildren) \"/\" \"Other users/alice@example.test/INBOX\"\r\n\
                 * LIST (\\HasNoChildren \\Noselect) \"/\" \"Other users/alice@example.test/Sent\"\r\n\
                 * LIST (\\HasNoChildren) \"/\" \"Other users/alice@example.test/open\"\r\n\
                 OK that is all\r\n",
            ),
            ("LSUB \"\" Other*", "OK that is all\r\n"),
            ("SUBSCRIBE \"Other users/alice@example.test/open\"", "OK subscribed\r\n"),
            (
                "LSUB \"\" Other*",
                "* LSUB (\\HasNoChildren) \"/\" \"Other users/alice@example.test/open\"\r\nOK that is all\r\n",
            ),
            (
                "STATUS \"Other users/ALICE@example.test/inbox\" (MESSAGES UNSEEN)",
                "* STATUS \"Other users/ALICE@example.test/inbox\" (MESSAGES 2 UNSEEN 2)\r\nOK STATUS done\r\n",
            ),
            (
                "MYRIGHTS \"Other users/alice@example.test/INBOX\"",
                "* MYRIGHTS \"Other users/alice@example.test/INBOX\" lrs\r\nOK those are the rights\r\n",
            ),
            ("SELECT \"Other users/alice@example.test/Sent\"", "NO [NOPERM] you may not do that\r\n"),
            ("GETACL \"Other users/alice@example.test/INBOX\"", "NO [NOPERM] you may not do that\r\n"),
            ("DELETE \"Other users/alice@example.test/INBOX\"", "NO [NOPERM] you may not do that\r\n"),
            ("CREATE \"Other users/alice@example.test/top\"", "NO [NOPERM] you may not do that\r\n"),
            ("RENAME \"Other users/alice@example.test/open\" mine", "NO [CANNOT] a mailbox stays with its owner\r\n"),
            (
                "GETQUOTAROOT \"Other users/alice@example.test/INBOX\"",
                "* QUOTAROOT \"Other users/alice@example.test/INBOX\"\r\nOK that is the quota\r\n",
            ),
        ],
    )
    .await;
    alice.say("SETACL work/secret/open bob x").await;
    talk(
        &mut bob,
        &[
            (
                "RENAME \"Other users/alice@example.test/open\" \"Other users/alice@example.test/Opened\"",
                "OK renamed\r\n",
            ),
            (
                "RENAME \"Other users/alice@example.test/Opened\" \"Other users/alice@example.test/INBOX/x\"",
                "NO [NOPERM] you may not do that\r\n",
            ),
            (
                "RENAME \"Other users/alice@example.test/Opened\" \"Other users/alice@example.test/open\"",
                "OK renamed\r\n",
            ),
        ],
    )
    .await;
    let selected = bob.say("SELECT \"Other users/alice@example.test/INBOX\"").await;
    assert!(selected.contains("* 2 EXISTS\r\n"), "{selected}");
    assert!(bob.say("FETCH 1 BODY.PEEK[TEXT]").await.contains("The body."));
    // What one may not see any more is gone at once.
    alice.say("DELETEACL INBOX bob").await;
    let status = "STATUS \"Other users/alice@example.test/INBOX\" (MESSAGES)";
    bob.send(format!("x {status}\r\n").as_bytes()).await;
    assert_eq!(bob.rest().await, "* BYE the selected mailbox is gone\r\n");
    let mut carol = house.user("carol").await;
    let list = carol.hear("LIST \"Other users/\" %/%").await;
    assert_eq!(
        list,
        "* LIST (\\HasNoChildren) \"/\" \"Other users/alice@example.test/open\"\r\nOK that is all\r\n"
    );
}

/// A mailbox into which others may put messages without seeing any.
#[tokio::test]
async fn a_letter_box() {
    let house = neighbours().await;
    let mut alice = house.alice().await;
    alice.say("CREATE box").await;
    alice.say("SETACL box bob li").await;
    alice.say("SETACL INBOX bob lr").await;
    let mut bob = house.user("bob").await;
    let name = "Other users/alice@example.test/box";
    assert_eq!(bob.hear(&format!("SELECT \"{name}\"")).await, "NO [NOPERM] you may not do that\r\n");
    assert_eq!(
        bob.hear(&format!("STATUS \"{name}\" (MESSAGES)")).await,
        "NO [NOPERM] you may not do that\r\n"
    );
    bob.say("SELECT \"Other users/alice@example.test/INBOX\"").await;
    assert!(bob.hear(&format!("COPY 1 \"{name}\"")).await.starts_with("OK [COPYUID "));
    assert!(bob.hear(&format!("APPEND \"{name}\" {{5+}}\r\na: b\n")).await.contains("OK [APPENDUID "));
    assert!(bob.hear(&format!("MOVE 1 \"{name}\"")).await.starts_with("NO [CANNOT] "));
    let status = alice.hear("STATUS box (MESSAGES)").await;
    assert_eq!(status, "* STATUS \"box\" (MESSAGES 2)\r\nOK STATUS done\r\n");
}

/// Who has been deleted is still named, and can be taken off.
#[tokio::test]
async fn a_grantee_without_an_account() {
    let house = neighbours().await;
    let mut alice = house.alice().await;
    alice.say("SETACL INBOX carol lr").await;
    let carol = house.services.directory.resolve("carol@example.test").unwrap().unwrap().account.id;
    house
        .services
        .store
        .write_async(move |tx| crate::directory::delete_account(tx, carol).map(drop))
        .await
        .unwrap();
    let heard = alice.hear("GETACL INBOX").await;
    let name = format!("#{:x}", carol.0);
    assert!(heard.contains(&format!(" \"{name}\" lr\r\n")), "{heard}");
    assert_eq!(alice.hear(&format!("DELETEACL INBOX {name}")).await, "OK the rights are set\r\n");
    assert!(!alice.hear("GETACL INBOX").await.contains(&name));
}

#[tokio::test]
async fn quotas() {
    let house = neighbours().await;
    let mut client = house.alice().await;
    let owner = house.alice;
    talk(
        &mut client,
        &[
            ("GETQUOTA \"\"", "* QUOTA \"\" ()\r\nOK that is the quota\r\n"),
            ("GETQUOTA other", "NO [NONEXISTENT] no such quota root\r\n"),
            ("SETQUOTA \"\" (STORAGE 512)", "NO [NOPERM] an administrator sets quotas\r\n"),
        ],
    )
    .await;
    let set = house
        .services
        .mailbox
        .write(Acting::System, Origin::OTHER, move |tx| tx.set_quota(owner, Some(1 << 20)));
    set.await.unwrap();
    talk(
        &mut client,
        &[
            (
                "GETQUOTAROOT INBOX",
                "* QUOTAROOT \"INBOX\" \"\"\r\n* QUOTA \"\" (STORAGE 1 1024)\r\nOK that is the quota\r\n",
            ),
            (
                "STATUS INBOX (DELETED-STORAGE)",
                "* STATUS \"INBOX\" (DELETED-STORAGE 0)\r\nOK STATUS done\r\n",
            ),
        ],
    )
    .await;
}

/// A shared mailbox where each has a seen state of his own, and one where all have the same.
#[tokio::test]
async fn seen_states() {
    let house = neighbours().await;
    let bob = house.services.directory.resolve("bob@example.test").unwrap().unwrap().account.id.0;
    let inbox = house.inbox().id;
    let see = |rights: Rights| {
        let mailbox = house.services.mailbox.clone();
        async move {
            let grant = crate::policy::Grant { grantee: bob, allow: rights, deny: Rights::NONE };
            let set = mailbox.write(Acting::System, Origin::OTHER, move |tx| {
                let folder = tx.granted(inbox)?;
                tx.set_grant(&folder, grant)
            });
            set.await.unwrap();
        }
    };
    let rights = Rights::LOOKUP.and(Rights::READ).and(Rights::SEEN);
    see(rights).await;
    let uid = crate::mailbox::Uid(1);
    let edit = crate::mailbox::Edit { set: Flags::SEEN, ..crate::mailbox::Edit::default() };
    let mark = house.services.mailbox.write(Acting::account(bob), Origin::OTHER, move |tx| {
        let folder = tx.granted(inbox)?;
        tx.edit(&folder, uid, &edit, crate::mailbox::Knew(None)).map(drop)
    });
    mark.await.unwrap();
    let status = "STATUS \"Other users/alice@example.test/INBOX\" (UNSEEN)";
    let mut client = house.user("bob").await;
    assert!(client.hear(status).await.contains("(UNSEEN 1)"));
    assert!(house.alice().await.hear("STATUS INBOX (UNSEEN)").await.contains("(UNSEEN 2)"));
    client.say("SELECT \"Other users/alice@example.test/INBOX\"").await;
    assert_eq!(client.hear("SEARCH SEEN").await, "* SEARCH 1\r\nOK SEARCH done\r\n");
    see(rights.and(Rights::SHARE_SEEN)).await;
    assert!(client.hear(status).await.contains("(UNSEEN 2)"));
}
