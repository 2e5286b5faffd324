//! `verify`, and what is left of an account that was deleted: nothing.

use folkmoot::directory::{Account, Address, account_by_address};
use folkmoot::doors::admin::{Answer, Command};
use folkmoot::mailbox::{Acting, Origin, OwnerId, Role};
use folkmoot::net::Listener;
use folkmoot::services::Keeper;
use folkmoot::store::keys::{Key, Parts, Table};
use folkmoot::store::{self, Order, Read, Tx};

use crate::lmtp::{Lmtp, message};
use crate::support::TestServer;

const PASSWORD: &str = "correct horse battery";

/// What `verify` has to say.
async fn problems(server: &TestServer) -> Vec<String> {
    match server.admin(Command::Verify {}).await {
        Answer::Verified { found, problems, .. } => {
            assert_eq!(found, problems.len() as u64);
            problems
        }
        other => panic!("{other:?}"),
    }
}

fn account(server: &TestServer, address: &str) -> Account {
    let reader = server.running.services().store.read().unwrap();
    account_by_address(&reader, &Address::parse(address).unwrap()).unwrap().unwrap()
}

async fn change(server: &TestServer, f: impl FnOnce(&mut Tx<'_>) + Send + 'static) {
    let done = server.running.services().store.write_async::<(), store::Error, _>(move |tx| {
        f(tx);
        Ok(())
    });
    done.await.unwrap();
}

/// Keys whose first part is this id.
fn of(server: &TestServer, table: Table, id: u64) -> usize {
    let mut count = 0;
    let reader = server.running.services().store.read().unwrap();
    reader
        .scan(&Key::of(table).range(), Order::Forward, &mut |key, _| {
            count += usize::from(Parts::of(key).u64() == Some(id));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    count
}

async fn deliver(server: &TestServer, to: &str, subject: &str) {
    let mut lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
    assert_eq!(lmtp.deliver(to, &message(subject, to)).await.unwrap(), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_nothing_behind() {
    let server = TestServer::start().await;
    for address in ["alice@example.test", "bob@example.test", "carol@other.test"] {
        server.account(address, PASSWORD).await;
        deliver(&server, address, "one").await;
    }
    let (alice, bob) =
        (account(&server, "alice@example.test").id.0, account(&server, "bob@example.test").id.0);
    let carol = account(&server, "carol@other.test").id.0;
    let view = server.running.services().mailbox.view(Acting::System).unwrap();
    let folder = view.by_role(OwnerId(bob), Role::Inbox).unwrap().id.0;
    drop(view);
    change(&server, move |tx| {
        for id in [alice, bob] {
            let device = |table| Key::of(table).u64(id).text("phone").done();
            for table in [Table::Device, Table::HierarchyState, Table::RememberedPing] {
                tx.put(device(table), vec![1]);
            }
            tx.put(Key::of(Table::CollectionState).u64(id).text("phone").u64(folder).done(), vec![1]);
        }
    })
    .await;
    assert_eq!(problems(&server).await, [""; 0]);

    server.admin(Command::AccountDelete { address: "alice@example.test".into() }).await;
    assert_eq!(problems(&server).await, [""; 0], "before the keeper came round");
    let mailbox = &server.running.services().mailbox;
    assert!(mailbox.view(Acting::account(alice)).unwrap().folders(OwnerId(alice)).unwrap().is_empty());
    server.admin(Command::DomainDelete { name: "other.test".into(), force: true }).await;

    let mut keeper = Keeper::new(server.running.services());
    tokio::task::spawn_blocking(move || keeper.pass()).await.unwrap();
    assert_eq!(problems(&server).await, [""; 0]);
    let tables = [
        Table::Owner,
        Table::FolderName,
        Table::TreeLog,
        Table::OwnerLog,
        Table::Thread,
        Table::Device,
        Table::HierarchyState,
        Table::RememberedPing,
        Table::CollectionState,
        Table::RemovedOwner,
    ];
    for table in tables {
        assert_eq!((of(&server, table, alice), of(&server, table, carol)), (0, 0), "{table:?}");
    }
    for table in &tables[..9] {
        assert_ne!(of(&server, *table, bob), 0, "{table:?}");
    }
    // The address is free, and whoever gets it sees nothing of its predecessor.
    server.account("alice@example.test", PASSWORD).await;
    let again = account(&server, "alice@example.test").id.0;
    let view = server.running.services().mailbox.view(Acting::account(again)).unwrap();
    assert!(view.folders(OwnerId(again)).unwrap().iter().all(|seen| seen.folder.items == 0));
    assert_eq!(problems(&server).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_mailboxes_are_held_against_each_other() {
    let server = TestServer::start().await;
    server.account("alice@example.test", PASSWORD).await;
    server.account("bob@example.test", PASSWORD).await;
    let (alice, bob) = (account(&server, "alice@example.test"), account(&server, "bob@example.test"));

    // An account whose mailbox is gone, and a mailbox whose account is.
    let mailbox = server.running.services().mailbox.clone();
    let id = OwnerId(alice.id.0);
    let made = mailbox.write::<_, folkmoot::mailbox::Error, _>(Acting::System, Origin::OTHER, move |tx| {
        tx.remove_owner(id)?;
        tx.create_owner(OwnerId(999_999), None)
    });
    made.await.unwrap();
    let found = problems(&server).await;
    assert_eq!(
        found,
        ["account alice@example.test: it has no mailbox", "owner 999999: its mailbox belongs to no account",]
    );

    // A standard folder that is gone.
    let trash =
        mailbox.view(Acting::System).unwrap().by_role(OwnerId(bob.id.0), folkmoot::mailbox::Role::Trash);
    let trash = trash.unwrap();
    change(&server, move |tx| {
        tx.delete(Key::of(Table::FolderName).u64(bob.id.0).u64(0).raw(b"trash").done());
        tx.delete(Key::of(Table::Folder).u64(trash.id.0).done());
    })
    .await;
    let found = problems(&server).await;
    assert!(found.contains(&"account bob@example.test: it has no Trash".to_owned()), "{found:?}");
}
