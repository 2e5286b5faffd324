//! Deliveries and synchronisation through the shared folder store on the default engine, without doors.
//!
//! `cargo bench --bench mailbox`

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use folkmoot::clock::Clock;
use folkmoot::mailbox::sync::{Round, State, Step};
use folkmoot::mailbox::{
    Acting, Error, Flags, FolderId, Mailbox, NewItem, Origin, OwnerId, Role, ThreadKeys,
};
use folkmoot::message::{MailRecord, parse};
use folkmoot::store::{Store, StoreOptions};

const OWNERS: u64 = 10;

fn message(n: u64) -> String {
    let mut text = format!(
        "From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: message {n}\r\n\
         Message-ID: <{n}@example.test>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\n"
    );
    while text.len() < 4096 {
        text.push_str("The quick brown fox jumps over the lazy dog and on it goes.\r\n");
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

struct Bench {
    mailbox: Mailbox,
    inboxes: Vec<FolderId>,
}

async fn deliver(bench: &Bench, n: u64) {
    let bytes = Bytes::from(message(n));
    let record = MailRecord::from_message(&parse(&bytes)).encode();
    let store = bench.mailbox.store();
    let body = store.stage_body(&store.body_key(1), &bytes).expect("staged");
    let owner = usize::try_from(n % OWNERS).expect("small");
    let folder = bench.inboxes[owner];
    let item = NewItem {
        body,
        prefix: Bytes::from_static(b"Return-Path: <ann@example.test>\r\nDelivered-To: bob@example.test\r\n"),
        record: record.into(),
        internal_date: bench.mailbox.clock().now(),
        filter_date: None,
        flags: Flags::NONE,
        keywords: Vec::new(),
        thread: ThreadKeys { message_id: Some(n), subject: Some(n / 7), ..ThreadKeys::default() },
        dav_name: None,
        ical_uid: None,
        properties: Vec::new(),
    };
    let placed = bench.mailbox.write(Acting::System, Origin::OTHER, move |tx| {
        let to = tx.granted(folder)?;
        tx.append(&to, item)
    });
    placed.await.expect("delivered");
}

async fn run(bench: &Arc<Bench>, writers: u64, count: u64, first: u64) -> f64 {
    let start = now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let bench = bench.clone();
            tokio::spawn(async move {
                for n in 0..count / writers {
                    deliver(&bench, first + writer + n * writers).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    rate(count, start)
}

fn rate(count: u64, start: Instant) -> f64 {
    f64::from(u32::try_from(count).expect("small")) / start.elapsed().as_secs_f64()
}

fn sync(bench: &Bench, owner: u64) -> f64 {
    let view = bench.mailbox.view(Acting::account(owner)).expect("a view");
    let folder = view.by_role(OwnerId(owner), Role::Inbox).expect("an inbox");
    let (mut state, mut items) = (State::new(folder.highest), 0);
    let start = now();
    loop {
        let round = Round { device: Origin(1), wanted: i64::MIN, window: 100 };
        let told = round.run(&view.synced(&folder), &state).expect("a round");
        for step in &told.steps {
            let Step::Add(uid) = *step else { continue };
            let item = view.item(&folder, uid).expect("read").expect("there");
            let row = view.record(&folder, uid).expect("read").expect("there");
            let record = MailRecord::decode(row.record()).expect("a record");
            std::hint::black_box((item.flags, record.subject()));
            items += 1;
        }
        state = told.state;
        if !told.more {
            return rate(items, start);
        }
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let store = Store::open(folder.path(), &StoreOptions::default(), &clock).expect("a store");
    let mailbox = Mailbox::new(store, clock);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut inboxes = Vec::new();
        for owner in (1..=OWNERS).map(OwnerId) {
            let made = mailbox.write(Acting::System, Origin::OTHER, move |tx| {
                tx.create_owner(owner, None)?;
                Ok::<_, Error>(())
            });
            made.await.expect("an owner");
            let view = mailbox.view(Acting::System).expect("a view");
            inboxes.push(view.by_role(owner, Role::Inbox).expect("an inbox").id);
        }
        let bench = Arc::new(Bench { mailbox: mailbox.clone(), inboxes });
        let one = run(&bench, 1, 4_000, 0).await;
        println!("durable deliveries of 4 KiB, 1 writer:   {one:.0}/s");
        let sixteen = run(&bench, 16, 64_000, 10_000).await;
        println!("durable deliveries of 4 KiB, 16 writers: {sixteen:.0}/s");
        println!("first synchronisation, records read:     {:.0} items/s", sync(&bench, OWNERS));
    });
}
