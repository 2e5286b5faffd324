//! Several sessions do what comes to mind in one mailbox. Each keeps a copy of it from what it is told, as a
//! mail program does, and every copy is right whenever its session has nothing more to hear. RFC 9051 §7.5.1.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A client's own copy of the mailbox: by sequence number, the UID and the flags where it was told.
#[derive(Default)]
struct Copy {
    messages: Vec<(Option<u32>, Option<String>)>,
    qresync: bool,
}

impl Copy {
    /// Takes in what a command was answered with. `numbers` forbids that any sequence number changes.
    fn hear(&mut self, answer: &str, numbers: bool) {
        for line in answer.lines().filter_map(|line| line.strip_prefix("* ")) {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            if first == "VANISHED" {
                assert!(self.qresync && !numbers, "{answer}");
                for range in rest.split(',') {
                    let (low, high) = range.split_once(':').unwrap_or((range, range));
                    let gone = low.parse::<u32>().unwrap()..=high.parse().unwrap();
                    let before = self.messages.len();
                    // Of those whose UIDs were never told the client asks again.
                    self.messages.retain(|(uid, _)| uid.is_none_or(|uid| !gone.contains(&uid)));
                    assert!(self.messages.len() < before, "{answer}");
                }
                continue;
            }
            let Ok(seq) = first.parse::<usize>() else { continue };
            if rest == "EXISTS" {
                assert!(seq >= self.messages.len(), "the mailbox shrank without a word: {answer}");
                self.messages.resize(seq, (None, None));
            } else if rest == "EXPUNGE" {
                assert!(!self.qresync && !numbers, "{answer}");
                self.messages.remove(seq - 1);
            } else if rest.starts_with("FETCH (") {
                let place = &mut self.messages[seq - 1];
                if let Some((_, uid)) = rest.split_once("UID ") {
                    let uid = uid.split([' ', ')']).next().unwrap().parse().unwrap();
                    assert!(place.0.is_none_or(|known| known == uid), "{answer}");
                    place.0 = Some(uid);
                }
                if let Some((_, flags)) = rest.split_once("FLAGS (") {
                    place.1 = Some(flags.split(')').next().unwrap().to_owned());
                }
            }
        }
    }
}

/// What a session does: a kind of command, and a number for what to.
type Act = (usize, u8, u32);

async fn act(client: &mut Client, copy: &mut Copy, (kind, of): (u8, u32)) {
    let count = u32::try_from(copy.messages.len()).unwrap();
    let seq = of.checked_rem(count).map_or(1, |n| n + 1);
    let (command, numbers) = match kind {
        _ if count == 0 => ("NOOP".to_owned(), false),
        0 => (format!("STORE {seq} +FLAGS (\\Flagged)"), true),
        1 => (format!("STORE {seq} -FLAGS (\\Flagged \\Deleted)"), true),
        2 | 3 => (format!("STORE {seq}:* +FLAGS (\\Deleted)"), true),
        4 => ("EXPUNGE".to_owned(), false),
        5 => (format!("UID STORE {of} +FLAGS (word)"), false),
        6 => (format!("FETCH {seq} (FLAGS BODY[])"), true),
        7 => (format!("MOVE {seq} Trash"), false),
        8 => (format!("COPY {seq} INBOX"), false),
        9 => ("SEARCH ALL".to_owned(), true),
        10 => ("UID FETCH 1:* (FLAGS)".to_owned(), false),
        _ => ("NOOP".to_owned(), false),
    };
    let answer = client.say(&command).await;
    copy.hear(&answer, numbers);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_copy_is_right(acts in prop::collection::vec((0..3_usize, 0..14_u8, 0..40_u32), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(run(acts));
    }
}

async fn run(acts: Vec<Act>) {
    const MAIL: &[u8] = b"Subject: x\r\n\r\nx\r\n";
    let house = House::new().await;
    for _ in 0..6 {
        house.deliver(MAIL).await;
    }
    let mut sessions = Vec::new();
    for n in 0..3 {
        let mut client = house.alice().await;
        let mut copy = Copy { qresync: n == 2, ..Copy::default() };
        if copy.qresync {
            client.say("ENABLE QRESYNC").await;
        }
        let selected = client.say("SELECT INBOX").await;
        copy.hear(&selected, true);
        let all = client.say("FETCH 1:* (UID FLAGS)").await;
        copy.hear(&all, true);
        sessions.push((client, copy));
    }
    for (n, kind, of) in acts {
        if kind == 13 {
            house.deliver(MAIL).await;
            continue;
        }
        let (client, copy) = &mut sessions[n];
        act(client, copy, (kind, of)).await;
        // With QRESYNC a client must know UIDs to make sense of what vanishes.
        if copy.messages.iter().any(|(uid, _)| uid.is_none()) {
            let answer = client.say("UID FETCH 1:* (FLAGS)").await;
            copy.hear(&answer, false);
        }
    }
    let view = house.view();
    let mut truth = BTreeMap::new();
    view.items(&house.inbox(), crate::mailbox::Uid(0), &mut |item| {
        truth.insert(item.uid.0, item);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    for (client, copy) in &mut sessions {
        let answer = client.say("NOOP").await;
        copy.hear(&answer, false);
        assert_eq!(copy.messages.len(), truth.len());
        for ((uid, flags), (is, item)) in copy.messages.iter().zip(&truth) {
            assert!(uid.is_none_or(|uid| uid == *is), "{uid:?} is {is}");
            let mut out = super::super::out::Out::default();
            super::super::fetch::flags::write(item.flags, &item.keywords, &mut out);
            let written = out.into_string();
            assert!(
                flags.as_ref().is_none_or(|flags| format!("({flags})") == written),
                "{flags:?} is {written}"
            );
        }
    }
}
