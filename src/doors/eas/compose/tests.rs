use std::collections::BTreeSet;

use wbxml::{Version, airsyncbase, email2};

use super::super::cmd::{send_mail, smart_forward, smart_reply};
use super::super::ids::server_id;
use super::super::render::{Renderer, Wishes};
use super::super::sample::Sample;
use super::*;
use crate::mailbox::{Folder, Role};
use crate::message::{MailRecord, body, parse};

const ORIGINAL: &str = "From: boss@example.org\r\nTo: anna@example.test\r\nSubject: question\r\n\
    Message-ID: <q@example.org>\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\n\
    The original text 4711.\r\n--m\r\nContent-Type: text/plain; name=note.txt\r\n\
    Content-Disposition: attachment\r\n\r\nattached\r\n--m--\r\n";

fn mail(to: &str, subject: &str, text: &str) -> String {
    format!("From: anna@example.test\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}\r\n")
}

fn request(root: Tag, id: &str, mime: &str) -> Element<'static> {
    Element::new(root)
        .with_text(tags::CLIENT_ID, id.to_owned())
        .with_empty(tags::SAVE_IN_SENT_ITEMS)
        .with_opaque(tags::MIME, mime.as_bytes().to_vec())
}

fn about(request: Element<'static>, folder: FolderId, item: &str) -> Element<'static> {
    let source = Element::new(tags::SOURCE)
        .with_text(tags::FOLDER_ID, folder.0.to_string())
        .with_text(tags::ITEM_ID, item.to_owned());
    request.with(source)
}

/// The messages of a folder, each as it is stored.
fn stored(sample: &Sample, role: Role) -> Vec<String> {
    let (view, folder) = (sample.view(), sample.folder(role));
    let mut all = Vec::new();
    view.items(&folder, Uid(0), &mut |item| {
        let raw = sample.eas.mailbox.message(&view, &folder, &item).unwrap();
        all.push(String::from_utf8(raw.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

fn queued(sample: &Sample) -> usize {
    sample.eas.delivery.queued().unwrap().len()
}

fn empty(answer: Result<Reply, Failure>) {
    assert!(matches!(answer, Ok(Reply::Empty)), "{answer:?}");
}

fn failed(answer: Result<Reply, Failure>, status: Status) {
    assert!(matches!(answer, Err(Failure::Common(s)) if s == status), "{answer:?} for {status:?}");
}

#[tokio::test]
async fn sent_kept_delivered_and_queued_once() {
    let sample = Sample::new().await;
    let berta = sample.other("berta@example.test").await;
    let session = sample.session(Version::V14_1);
    let mime =
        "To: anna@example.test, berta@example.test\r\nBcc: far@other.test\r\nSubject: all\r\n\r\nHello.\r\n";
    let request = request(tags::SEND_MAIL, "id1", mime);
    for _ in 0..2 {
        empty(send_mail::run(&session, Some(&request)).await);
    }
    let [inbox] = &stored(&sample, Role::Inbox)[..] else { panic!("not one") };
    assert!(inbox.starts_with("Return-Path: <anna@example.test>\r\nDelivered-To: anna@example.test\r\n"));
    assert!(
        !inbox.contains("far@other.test") && inbox.contains("\r\nDate: ") && inbox.ends_with("Hello.\r\n")
    );
    assert_eq!(stored(&berta, Role::Inbox).len(), 1);
    assert_eq!(queued(&sample), 1);
    let [sent] = &stored(&sample, Role::Sent)[..] else { panic!("not one") };
    assert!(sent.contains("Bcc: far@other.test\r\n") && !sent.contains("Received:"));
    let id =
        |raw: &str| MailRecord::from_message(&parse(raw.as_bytes())).envelope.message_id.unwrap().to_string();
    assert_eq!(id(inbox), id(sent));
    let folder = sample.folder(Role::Sent);
    assert_eq!((folder.items, folder.unseen), (1, 0), "what is sent was read");
    // The same id for something else is a mistake of the client.
    let other = self::request(tags::SEND_MAIL, "id1", "To: anna@example.test\r\n\r\nOther\r\n");
    failed(send_mail::run(&session, Some(&other)).await, Status::MessagePreviouslySent);
    // Another device may use it.
    let mut second = sample.session(Version::V14_1);
    second.query.device_id = "phone2".to_owned();
    empty(send_mail::run(&second, Some(&request)).await);
    assert_eq!(stored(&sample, Role::Inbox).len(), 2);
}

#[tokio::test]
async fn not_kept_unless_asked() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V14_1);
    let request = Element::new(tags::SEND_MAIL)
        .with_text(tags::CLIENT_ID, "x")
        .with_text(tags::MIME, mail("anna@example.test", "s", "t"));
    empty(send_mail::run(&session, Some(&request)).await);
    assert_eq!((stored(&sample, Role::Inbox).len(), stored(&sample, Role::Sent).len()), (1, 0));
}

#[tokio::test]
async fn before_14_0_the_query_says_it() {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox);
    let placed = sample.deliver(inbox.id, ORIGINAL.as_bytes()).await;
    let mut session = sample.session(Version::V12_1);
    session.query.save_in_sent = true;
    session.message = mail("anna@example.test", "s", "t").into();
    empty(send_mail::run(&session, None).await);
    session.query.collection_id = Some(inbox.id.0.to_string());
    session.query.item_id = Some(server_id(inbox.id, placed.uid));
    session.message = mail("anna@example.test", "Re: question", "My answer.").into();
    empty(smart_reply::run(&session, None).await);
    session.message = mail("anna@example.test", "Fw: question", "See below.").into();
    empty(smart_forward::run(&session, None).await);
    let [_, _, reply, forward] = &stored(&sample, Role::Inbox)[..] else { panic!("not four") };
    let text = |raw: &str| body::text(&parse(raw.as_bytes()));
    assert!(text(reply).contains("My answer.") && text(reply).contains("> The original text 4711."));
    assert!(text(forward).contains("See below.") && text(forward).contains("The original text 4711."));
    let files = |raw: &str| MailRecord::from_message(&parse(raw.as_bytes())).attachments.len();
    assert_eq!((files(reply), files(forward)), (0, 1));
    assert_eq!(stored(&sample, Role::Sent).len(), 3);
    session.query.item_id = Some("nonsense".to_owned());
    failed(smart_reply::run(&session, None).await, Status::ItemNotFound);
}

fn shown(sample: &Sample, folder: &Folder, uid: Uid) -> Element<'static> {
    let (view, wishes, session) = (sample.view(), Wishes::default(), sample.session(Version::V14_1));
    let item = view.item(folder, uid).unwrap().unwrap();
    Renderer::new(&session, &view, folder, &wishes).flags(&item).unwrap().unwrap()
}

#[tokio::test]
async fn the_original_is_marked() {
    let sample = Sample::new().await;
    let (session, inbox) = (sample.session(Version::V14_1), sample.folder(Role::Inbox));
    let placed = sample.deliver(inbox.id, ORIGINAL.as_bytes()).await;
    let id = server_id(inbox.id, placed.uid);
    let verb = |sample: &Sample| {
        shown(sample, &inbox, placed.uid).text_of(email2::LAST_VERB_EXECUTED).map(str::to_owned)
    };
    let reply = request(tags::SMART_REPLY, "r", &mail("boss@other.test", "Re: question", "Answer."));
    empty(smart_reply::run(&session, Some(&about(reply, inbox.id, &id))).await);
    assert_eq!(verb(&sample).as_deref(), Some("1"));
    let all =
        request(tags::SMART_REPLY, "a", &mail("boss@other.test, b@other.test", "Re: question", "Answer."));
    empty(smart_reply::run(&session, Some(&about(all, inbox.id, &id))).await);
    assert_eq!(verb(&sample).as_deref(), Some("2"));
    let forward = request(tags::SMART_FORWARD, "f", &mail("c@other.test", "Fw: question", "See."));
    empty(smart_forward::run(&session, Some(&about(forward, inbox.id, &id))).await);
    assert_eq!(verb(&sample).as_deref(), Some("3"));
    let item = sample.view().item(&inbox, placed.uid).unwrap().unwrap();
    assert!(item.flags.has(Flags::ANSWERED.and(Flags::FORWARDED)));
    assert_eq!(queued(&sample), 3);
}

#[tokio::test]
async fn a_whole_message_stays_as_it_is() {
    let sample = Sample::new().await;
    let (session, inbox) = (sample.session(Version::V14_1), sample.folder(Role::Inbox));
    let placed = sample.deliver(inbox.id, ORIGINAL.as_bytes()).await;
    let source = Element::new(tags::SOURCE).with_text(tags::LONG_ID, server_id(inbox.id, placed.uid));
    let reply = request(tags::SMART_REPLY, "r", &mail("anna@example.test", "own words", "Only this."))
        .with_empty(tags::REPLACE_MIME)
        .with(source);
    empty(smart_reply::run(&session, Some(&reply)).await);
    let [_, reply] = &stored(&sample, Role::Inbox)[..] else { panic!("not two") };
    assert!(reply.contains("Only this.") && !reply.contains("4711"));
}

#[tokio::test]
async fn forwardees_from_16_0() {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox);
    let placed = sample.deliver(inbox.id, ORIGINAL.as_bytes()).await;
    let id = server_id(inbox.id, placed.uid);
    let forwardee = Element::new(tags::FORWARDEE)
        .with_text(tags::NAME, "J\u{f6}rg; Anna")
        .with_text(tags::EMAIL, "anna@example.test");
    let body = Element::new(airsyncbase::BODY)
        .with_number(airsyncbase::TYPE, 2)
        .with_text(airsyncbase::DATA, "<p>for <b>you</b></p>");
    let forwardees = Element::new(tags::FORWARDEES).with(forwardee);
    let bare = Element::new(tags::SMART_FORWARD).with_text(tags::CLIENT_ID, "f");
    let whole = about(bare.with(forwardees.clone()), inbox.id, &id).with(body);
    empty(smart_forward::run(&sample.session(Version::V16_1), Some(&whole)).await);
    let [_, forward] = &stored(&sample, Role::Inbox)[..] else { panic!("not two") };
    let record = MailRecord::from_message(&parse(forward.as_bytes()));
    assert_eq!(record.subject(), "Fwd: question");
    assert_eq!(record.display_to(), "J\u{f6}rg; Anna");
    assert_eq!(record.attachments.len(), 1);
    let text = body::text(&parse(forward.as_bytes()));
    assert!(text.contains("for you") && text.contains("4711"), "{text}");
    let both =
        about(request(tags::SMART_FORWARD, "g", "To: a@x.test\r\n\r\n"), inbox.id, &id).with(forwardees);
    let answer = smart_forward::run(&sample.session(Version::V16_0), Some(&both)).await;
    failed(answer, Status::InvalidSmartForwardParameters);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let sample = Sample::new().await;
    let berta = sample.other("berta@example.test").await;
    let (session, inbox) = (sample.session(Version::V14_1), sample.folder(Role::Inbox));
    let hers = berta.deliver(berta.folder(Role::Inbox).id, ORIGINAL.as_bytes()).await;
    let good = mail("anna@example.test", "s", "t");
    let reply = |source: Option<Element<'static>>| request(tags::SMART_REPLY, "id", &good).with_all(source);
    let source = || Element::new(tags::SOURCE);
    for (request, status) in [
        (reply(None), Status::ItemNotFound),
        (reply(Some(source())), Status::InvalidCombinationOfIds),
        (
            reply(Some(source().with_text(tags::LONG_ID, "1:1").with_text(tags::ITEM_ID, "1:1"))),
            Status::InvalidCombinationOfIds,
        ),
        (reply(Some(source().with_text(tags::LONG_ID, "nonsense"))), Status::ItemNotFound),
        (about(request(tags::SMART_REPLY, "id", &good), inbox.id, "x"), Status::ItemNotFound),
        (
            about(request(tags::SMART_REPLY, "id", &good), hers.folder, &server_id(hers.folder, hers.uid)),
            Status::ItemNotFound,
        ),
    ] {
        failed(smart_reply::run(&session, Some(&request)).await, status);
    }
    let bare = |id: &str| Element::new(tags::SEND_MAIL).with_text(tags::CLIENT_ID, id.to_owned());
    for (request, status) in [
        (bare("id"), Status::InvalidXml),
        (Element::new(tags::SEND_MAIL).with_text(tags::MIME, good.clone()), Status::InvalidXml),
        (request(tags::SEND_MAIL, &"x".repeat(300), &good), Status::InvalidXml),
        (request(tags::SEND_MAIL, "id", "Subject: x\r\n\r\n"), Status::MessageHasNoRecipient),
        (
            request(tags::SEND_MAIL, "id", &mail("nobody@example.test", "s", "t")),
            Status::MessageRecipientUnresolved,
        ),
        (request(tags::SEND_MAIL, "id", &good).with_text(tags::ACCOUNT_ID, "9"), Status::InvalidAccountId),
    ] {
        failed(send_mail::run(&session, Some(&request)).await, status);
    }
    assert_eq!(stored(&sample, Role::Sent).len() + stored(&sample, Role::Inbox).len() + queued(&sample), 0);
    // None of them counts as sent.
    empty(send_mail::run(&session, Some(&request(tags::SEND_MAIL, "id", &good))).await);
    assert_eq!(stored(&sample, Role::Sent).len(), 1);
}

#[tokio::test]
async fn a_full_mailbox_keeps_no_copy_and_sends_nothing() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V14_1);
    let owner = session.owner();
    let set = move |quota| {
        let mailbox = sample.eas.mailbox.clone();
        async move {
            let acting = crate::mailbox::Acting::System;
            mailbox.write(acting, Origin::OTHER, move |tx| tx.set_quota(owner, quota)).await.unwrap();
        }
    };
    set(Some(100)).await;
    let request = request(tags::SEND_MAIL, "id", &mail("far@other.test", "s", &"long ".repeat(100)));
    failed(send_mail::run(&session, Some(&request)).await, Status::MailboxQuotaExceeded);
    assert_eq!(session.eas.delivery.queued().unwrap().len(), 0);
    set(None).await;
    empty(send_mail::run(&session, Some(&request)).await);
    assert_eq!(session.eas.delivery.queued().unwrap().len(), 1);
}

#[tokio::test]
async fn only_so_many_ids_are_remembered() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V14_1);
    let devices = device_row(Table::SentClientId, session.login.account.id.0, &session.query.device_id);
    let store = sample.eas.mailbox.store().clone();
    let keep = |n: i64, now: Millis| {
        let (devices, session) = (devices.clone(), &session);
        let id = ClientId::new(session, &n.to_string(), &Element::new(tags::SEND_MAIL));
        store.write_async(move |tx| {
            forget(tx, &devices, now)?;
            id.remember(tx, now);
            Ok::<_, store::Error>(())
        })
    };
    for n in 0..250 {
        keep(n, n).await.unwrap();
    }
    let left = |n: i64| {
        let id = ClientId::new(&session, &n.to_string(), &Element::new(tags::SEND_MAIL));
        id.used(&store.read().unwrap()).unwrap().is_some()
    };
    let kept: BTreeSet<i64> = (0..250).filter(|n| left(*n)).collect();
    assert_eq!(kept, (50..250).collect());
    keep(1_000, REMEMBERED_FOR + 200).await.unwrap();
    assert_eq!((0..250).filter(|n| left(*n)).count(), 50);
}

/// The ClientId of the newest message is remembered, wherever the clock has gone.
#[tokio::test]
async fn nothing_is_sent_twice_after_a_clock_went_back() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V14_1);
    let later = sample.eas.mailbox.clock().now() + 1_000;
    let device = device_row(Table::SentClientId, session.login.account.id.0, &session.query.device_id);
    let fill = sample.eas.mailbox.store().write_async(move |tx| {
        for n in 0..REMEMBERED_MAX {
            let key = [device.clone(), format!("old {n}").into_bytes()].concat();
            tx.put(key, state::row(&Used { at: later, content: [0; 32] }));
        }
        Ok::<_, store::Error>(())
    });
    fill.await.unwrap();
    let request = request(tags::SEND_MAIL, "new", &mail("anna@example.test", "once", "t"));
    for _ in 0..2 {
        empty(send_mail::run(&session, Some(&request)).await);
    }
    assert_eq!(stored(&sample, Role::Inbox).len(), 1);
}
