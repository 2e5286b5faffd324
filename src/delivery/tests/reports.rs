//! What senders are told.

use super::*;

#[tokio::test]
async fn a_refused_recipient_is_returned_and_the_others_are_not() {
    let sink = Sink::start(Script { rcpt: vec![("bob", "550 5.1.1 no such bob")], ..script() }).await;
    let world = fresh(routed(&sink)).await;
    let body = "Subject: x\r\nMessage-ID: <1@example.test>\r\n\r\nsecret\r\n";
    world.send("anna@example.test", &["bob@other.test", "carl@other.test"], body).await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(sink.taken()[0].rcpt, ["RCPT TO:<carl@other.test>"]);
    let [report] = &world.mail_of(1)[..] else { panic!() };
    assert!(report.starts_with("Return-Path: <>\r\nDelivered-To: anna@example.test\r\n"));
    for expected in [
        "\r\nIn-Reply-To: <1@example.test>\r\n",
        "\r\nFinal-Recipient: rfc822; bob@other.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
        "\r\nDiagnostic-Code: smtp; 550 5.1.1 no such bob\r\n",
    ] {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
    assert!(!report.contains("carl"));
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn the_sender_is_warned_and_at_last_gets_the_message_back() {
    let sink = Sink::start(Script { mail: Some("451 4.3.2 tomorrow"), ..script() }).await;
    let give_up_after = Duration::from_secs(30 * 3600);
    let world = fresh(config::Smtp { give_up_after, ..routed(&sink) }).await;
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the first attempt", |w| w.queue()[0].attempts == 1).await;
    world.later(5 * MINUTE).await;
    assert!(world.mail_of(1).is_empty());
    for attempt in 3..=6 {
        world.later(8 * 60 * MINUTE).await;
        let expected = 1 + usize::from(attempt == 6);
        assert_eq!(world.mail_of(1).len(), expected, "after {attempt} attempts");
    }
    assert!(world.queue().is_empty());
    let mail = world.mail_of(1);
    assert!(mail[0].contains("\r\nAction: delayed\r\n") && mail[0].contains("\r\nWill-Retry-Until: "));
    assert!(mail[1].contains("\r\nAction: failed\r\nStatus: 4.3.2\r\n"), "{}", mail[1]);
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn nothing_is_returned_without_sender_or_when_it_is_not_wished() {
    let sink = Sink::start(Script { mail: Some("550 5.7.1 go away"), ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.send("ghost@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert!(world.mail_of(1).is_empty());
    assert!(sink.taken().is_empty());
}

#[tokio::test]
async fn a_report_to_another_server_goes_through_the_queue() {
    let sink = Sink::start(Script { rcpt: vec![("bob", "550 5.1.1 no")], ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("eve@other.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the report is sent", |_| !sink.taken().is_empty()).await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    let [report] = &sink.taken()[..] else { panic!() };
    assert!(report.mail.starts_with("MAIL FROM:<> "));
    assert_eq!(report.rcpt, ["RCPT TO:<eve@other.test>"]);
    assert_eq!(world.left(), 0);
}

/// RFC 3461 §4.1, §5.2: who is told of success, and by whom.
#[tokio::test]
async fn senders_are_told_what_they_want_to_hear() {
    let sink = Sink::start(script()).await;
    let world = fresh(routed(&sink)).await;
    let asked = |to: &[(&str, &str)]| {
        let names: Vec<&str> = to.iter().map(|(name, _)| *name).collect();
        let mut incoming = world.incoming("anna@example.test", &names, "Subject: x\r\n\r\nsecret\r\n");
        (incoming.envelope.ret, incoming.envelope.envid) = (Some(Ret::Full), Some("a b".into()));
        for (recipient, (_, notify)) in incoming.recipients.iter_mut().zip(to) {
            recipient.addressee.notify = Notify::parse(notify);
            recipient.addressee.orcpt = OriginalRecipient::parse("rfc822;written@example.test");
        }
        incoming
    };
    // In a mailbox here; by a server that knows nothing of reports.
    let to = [("berta@example.test", "SUCCESS,FAILURE"), ("postmaster@example.test", "FAILURE")];
    world.delivery.accept(asked(&[to[0], to[1], ("bob@other.test", "SUCCESS")])).await.unwrap();
    world.until("both reports", |w| w.mail_of(1).len() == 2 && w.queue().is_empty()).await;
    let mut mail = world.mail_of(1);
    mail.sort_by_key(|report| report.contains("bob@other.test"));
    for (report, name, action) in
        [(&mail[0], "berta@example.test", "delivered"), (&mail[1], "bob@other.test", "relayed")]
    {
        let fields = format!(
            "\r\nOriginal-Recipient: rfc822; written@example.test\r\nFinal-Recipient: rfc822; {name}\r\n\
             Action: {action}\r\nStatus: 2.0.0\r\nLast-Attempt-Date: "
        );
        assert!(report.contains(&fields), "{report}");
        assert!(report.contains("\r\nOriginal-Envelope-Id: a+20b\r\n") && !report.contains("secret"));
        assert!(!report.contains("postmaster@"));
    }
    assert_eq!(sink.taken()[0].rcpt, ["RCPT TO:<bob@other.test>"]);
    // By a server that reports itself.
    sink.set(Script { ehlo: Some(vec!["DSN"]), ..script() });
    world.delivery.accept(asked(&[("bob@other.test", "SUCCESS")])).await.unwrap();
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(sink.taken()[1].mail, "MAIL FROM:<anna@example.test> RET=FULL ENVID=a+20b");
    let rcpt = "RCPT TO:<bob@other.test> NOTIFY=SUCCESS ORCPT=rfc822;written@example.test";
    assert_eq!(sink.taken()[1].rcpt, [rcpt]);
    // Failures of which nobody wants to hear.
    sink.set(Script { rcpt: vec![("bob", "550 5.1.1 no")], ..script() });
    for notify in ["NEVER", "SUCCESS", "DELAY"] {
        world.delivery.accept(asked(&[("bob@other.test", notify)])).await.unwrap();
    }
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(world.mail_of(1).len(), 2);
    assert_eq!(world.left(), 0);
}
