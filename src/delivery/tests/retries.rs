//! When messages are tried, and over which connections.

use super::*;

#[tokio::test]
async fn a_temporary_refusal_is_tried_again() {
    let sink = Sink::start(Script { rcpt: vec![("bob", "450 4.2.1 greylisted")], ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("anna@example.test", &["bob@other.test", "carl@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the first attempt", |w| w.queue()[0].attempts == 1).await;
    let entry = world.queue().remove(0);
    assert_eq!(entry.due, world.clock.now() + 5 * MINUTE);
    let statuses: Vec<_> = entry.recipients.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Status::Pending, Status::Done]);
    let last = entry.recipients[0].last.as_ref().unwrap();
    assert_eq!(last.to_string(), "127.0.0.1 said: 450 4.2.1 greylisted");
    assert_eq!(sink.taken()[0].rcpt, ["RCPT TO:<carl@other.test>"]);
    world.clock.advance(5 * MINUTE - 1);
    world.delivery.inner.work.wake();
    sink.set(script());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.queue()[0].attempts, 1, "not before its time");
    world.later(1).await;
    assert!(world.queue().is_empty());
    assert_eq!(sink.taken()[1].rcpt, ["RCPT TO:<bob@other.test>"]);
    assert!(world.mail_of(1).is_empty(), "nobody is told of a short delay");
}

#[tokio::test]
async fn a_connection_lost_after_the_text_is_tried_again() {
    let sink = Sink::start(Script { ends: vec!["", "250 ok"], ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the first attempt", |w| w.queue()[0].attempts == 1).await;
    assert!(sink.taken().is_empty());
    let last = world.queue()[0].recipients[0].last.clone().unwrap();
    assert!(!last.permanent && last.host.is_none(), "{last}");
    world.later(5 * MINUTE).await;
    assert!(world.queue().is_empty());
    assert_eq!(sink.taken().len(), 1);
}

#[tokio::test]
async fn what_a_server_puts_off_keeps_its_time_and_no_number_of_attempts_ends_it() {
    let sink = Sink::start(Script { rcpt: vec![("bob", "450 4.2.1 greylisted")], ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the first attempt", |w| w.queue()[0].attempts == 1).await;
    for n in 1..=30 {
        world.send("anna@example.test", &["carl@other.test"], "Subject: y\r\n\r\n").await;
        world.until("it is sent", |w| sink.taken().len() == n && w.queue().len() == 1).await;
    }
    let waiting = world.queue().remove(0);
    assert_eq!((waiting.attempts, waiting.due), (1, world.clock.now() + 5 * MINUTE));
    for _ in 0..25 {
        let before = world.queue()[0].attempts;
        assert_eq!(world.delivery.retry(vec![waiting.id]).await.unwrap(), 1);
        world.until("another attempt", |w| w.queue().first().is_none_or(|e| e.attempts > before)).await;
    }
    assert_eq!(world.left(), 1, "by hand it can be tried as often as one likes");
    assert!(world.mail_of(1).is_empty());
}

#[tokio::test]
async fn a_destination_that_says_nothing_holds_up_no_other() {
    // The system accepts; nobody ever greets.
    let tarpit = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = Sink::start(script()).await;
    let mut settings = config::Smtp { outbound_connections: 3, ..routed(&sink) };
    settings.routes.insert("tar.test".into(), tarpit.local_addr().unwrap().to_string());
    settings.outbound_per_destination = 2;
    let world = fresh(settings).await;
    for _ in 0..30 {
        let to: Vec<_> = (0..100).map(|n| format!("user{n}@tar.test")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        world.send("anna@example.test", &to, "Subject: x\r\n\r\n").await;
    }
    for _ in 0..1_000 {
        world.send("anna@example.test", &["bob@tar.test"], "Subject: x\r\n\r\n").await;
    }
    world.send("anna@example.test", &["bob@other.test"], "Subject: quick\r\n\r\n").await;
    world.until("the other's mail is sent", |_| sink.taken().len() == 1).await;
    assert_eq!(world.left(), 1_030);
}

#[tokio::test]
async fn a_destination_that_works_again_gets_all_that_waits_for_it() {
    let sink = Sink::start(Script { greeting: Some("421 4.3.2 not now"), ..script() }).await;
    let world = fresh(routed(&sink)).await;
    for n in 0..5 {
        world.send("anna@example.test", &["bob@other.test"], &format!("Subject: {n}\r\n\r\n")).await;
    }
    world.until("all have failed", |w| w.queue().iter().all(|e| e.attempts >= 1)).await;
    sink.set(script());
    let first = world.queue()[0].id;
    assert_eq!(world.delivery.retry(vec![first, QueueId(999)]).await.unwrap(), 1);
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(sink.taken().len(), 5);
}

#[tokio::test]
async fn messages_share_connections() {
    let sink = Sink::start(Script { mail: Some("450 4.3.2 wait"), ..script() }).await;
    let world =
        fresh(config::Smtp { outbound_per_destination: 1, outbound_per_connection: 3, ..routed(&sink) })
            .await;
    for n in 0..6 {
        world.send("anna@example.test", &["bob@other.test"], &format!("Subject: {n}\r\n\r\n")).await;
    }
    world.until("all were tried", |w| w.queue().iter().all(|e| e.attempts == 1)).await;
    // A connection of the first attempts that is not closed yet would take some of them with it.
    world.until("all rest", |w| w.delivery.inner.work.is_idle()).await;
    sink.set(script());
    world.clock.advance(5 * MINUTE);
    world.delivery.inner.work.wake();
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    let mut connections: Vec<_> = sink.taken().iter().map(|t| t.connection).collect();
    connections.sort_unstable();
    let last = connections[5];
    assert_eq!(connections, [last - 1, last - 1, last - 1, last, last, last]);
}

#[tokio::test]
async fn the_queue_outlives_the_process_and_can_be_changed_by_hand() {
    let sink = Sink::start(script()).await;
    let store = Store::in_memory().unwrap();
    let clock = Clock::set(1_000_000_000);
    let down = {
        let mut settings = config();
        // Nobody listens on the discard port of this address.
        settings.routes.insert("other.test".into(), "127.0.0.1:9".into());
        world(settings, store.clone(), clock.clone()).await
    };
    for n in 0..3 {
        down.send("anna@example.test", &["bob@other.test"], &format!("Subject: {n}\r\n\r\n")).await;
    }
    down.until("all have failed", |w| w.queue().iter().all(|e| e.attempts >= 1)).await;
    let id = down.queue()[1].id;
    assert!(down.delivery.delete_queued(id).await.unwrap());
    assert!(!down.delivery.delete_queued(id).await.unwrap());
    assert_eq!(down.delivery.queued_message(id).unwrap(), None);
    drop(down);
    clock.advance(10 * MINUTE);
    let up = world(routed(&sink), store, clock).await;
    up.until("the queue is empty", |w| w.queue().is_empty()).await;
    let mut subjects: Vec<_> = sink.taken().iter().map(|t| t.text.contains("Subject: 2")).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, [false, true]);
    assert_eq!(up.left(), 0);
}

#[tokio::test]
async fn who_moved_here_meanwhile_gets_what_waited() {
    let sink = Sink::start(Script { mail: Some("451 4.3.2 tomorrow"), ..script() }).await;
    let world = fresh(routed(&sink)).await;
    let to = ["anna@other.test", "bob@other.test", "anna+detail@other.test"];
    world.send("berta@example.test", &to, "Subject: x\r\n\r\nx\r\n").await;
    world.until("the first attempt", |w| w.queue()[0].attempts == 1).await;
    world.town.directory.insert_domain("other.test").await.unwrap();
    let alias = world.store.write_async(|tx| {
        let anna = crate::directory::resolve(tx, "anna@example.test")?.unwrap().account.id;
        crate::directory::add_alias(tx, anna, "anna@other.test")
    });
    alias.await.unwrap();
    world.later(5 * MINUTE).await;
    assert!(world.queue().is_empty());
    let [delivered] = &world.mail_of(1)[..] else { panic!() };
    assert!(delivered.starts_with("Return-Path: <berta@example.test>\r\nDelivered-To: anna@other.test\r\n"));
    let [report] = &world.mail_of(2)[..] else { panic!() };
    assert!(
        report.contains("\r\nFinal-Recipient: rfc822; bob@other.test\r\nAction: failed\r\nStatus: 5.1.1\r\n")
    );
    assert_eq!(world.left(), 0);
}
