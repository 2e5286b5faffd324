//! SORT and THREAD, and what SEARCH finds by time.

use super::*;

/// A message: its From, subject, date of January 2027, further fields.
fn message(from: &str, subject: &str, day: u32, more: &str) -> Vec<u8> {
    let date = format!("Date: {day} Jan 2027 10:00:00 +0000\r\n");
    format!("From: {from}\r\nSubject: {subject}\r\n{date}{more}\r\nText of {subject}.\r\n").into_bytes()
}

async fn talk(client: &mut Client, lines: &[(&str, &str)]) {
    for (said, heard) in lines {
        assert_eq!(client.hear(said).await, *heard, "{said}");
    }
}

async fn correspondence() -> House {
    let house = House::new().await;
    for (from, subject, day, more) in [
        ("Zoe <a@example.org>", "Plan", 3, "Message-ID: <1@x>\r\nTo: Bob <z@example.org>\r\n"),
        (
            "=?utf-8?q?=C3=84nne?= <m@example.org>",
            "Re: plan",
            5,
            "Message-ID: <2@x>\r\nReferences: <1@x>\r\nCc: y@x\r\n",
        ),
        (
            "b@example.org",
            "=?utf-8?q?Re:_=5Bteam=5D_Plan?=",
            4,
            "Message-ID: <3@x>\r\nIn-Reply-To: <1@x>\r\n",
        ),
        ("C <c@example.org>", "Other", 1, "Message-ID: <4@x>\r\nReferences: <gone@x>\r\nTo: a@x\r\n"),
        ("C <c@example.org>", "Another", 2, "Message-ID: <5@x>\r\nReferences: <gone@x>\r\n"),
    ] {
        house.deliver(&message(from, subject, day, more)).await;
    }
    house
}

#[tokio::test]
async fn sorts() {
    let house = correspondence().await;
    let mut client = house.at_inbox().await;
    talk(
        &mut client,
        &[
            ("SORT (DATE) UTF-8 ALL", "* SORT 4 5 1 3 2\r\nOK SORT done\r\n"),
            ("SORT (REVERSE DATE) US-ASCII ALL", "* SORT 2 3 1 5 4\r\nOK SORT done\r\n"),
            ("SORT (SUBJECT REVERSE DATE) UTF-8 ALL", "* SORT 5 4 2 3 1\r\nOK SORT done\r\n"),
            ("SORT (FROM) UTF-8 ALL", "* SORT 1 3 4 5 2\r\nOK SORT done\r\n"),
            ("SORT (DISPLAYFROM) UTF-8 ALL", "* SORT 3 4 5 1 2\r\nOK SORT done\r\n"),
            ("SORT (TO) UTF-8 ALL", "* SORT 2 3 5 4 1\r\nOK SORT done\r\n"),
            ("SORT (DISPLAYTO CC) UTF-8 2:*", "* SORT 3 5 2 4\r\nOK SORT done\r\n"),
            ("SORT (ARRIVAL) UTF-8 FROM example.org", "* SORT 1 2 3 4 5\r\nOK SORT done\r\n"),
            ("UID SORT (REVERSE SIZE) UTF-8 SUBJECT other", "* SORT 4 5\r\nOK SORT done\r\n"),
            ("SORT (DATE) UTF-8 SUBJECT nothing", "* SORT\r\nOK SORT done\r\n"),
            (
                "UID SORT RETURN (MIN MAX COUNT ALL) (DATE) UTF-8 ALL",
                "* ESEARCH (TAG \"@\") UID MIN 4 MAX 2 COUNT 5 ALL 4,5,1,3,2\r\nOK SORT done\r\n",
            ),
            ("SORT RETURN (SAVE) (DATE) UTF-8 SUBJECT plan", "OK SORT done\r\n"),
            ("SORT (DATE) UTF-8 $", "* SORT 1 3 2\r\nOK SORT done\r\n"),
            ("SORT (DATE) X-UNKNOWN ALL", "NO [BADCHARSET (US-ASCII UTF-8)] unknown charset\r\n"),
            ("SORT (NOTHING) UTF-8 ALL", "BAD unknown sort key\r\n"),
            ("SORT () UTF-8 ALL", "BAD expected a sort key\r\n"),
            ("SORT (DATE) ALL", "NO [BADCHARSET (US-ASCII UTF-8)] unknown charset\r\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn threads() {
    let house = correspondence().await;
    let mut client = house.at_inbox().await;
    talk(
        &mut client,
        &[
            ("THREAD REFERENCES UTF-8 ALL", "* THREAD ((4)(5))(1 (3)(2))\r\nOK THREAD done\r\n"),
            ("UID THREAD REFERENCES UTF-8 NOT 1", "* THREAD ((4)(5))((3)(2))\r\nOK THREAD done\r\n"),
            ("THREAD REFERENCES UTF-8 1:2", "* THREAD (1 2)\r\nOK THREAD done\r\n"),
            ("THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD (4)(5)(1 (3)(2))\r\nOK THREAD done\r\n"),
            ("THREAD REFERENCES UTF-8 SUBJECT nothing", "* THREAD\r\nOK THREAD done\r\n"),
            ("THREAD REFS UTF-8 ALL", "BAD unknown threading algorithm\r\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn by_age() {
    let house = correspondence().await;
    house.services.clock.advance(100_000);
    house.deliver(&message("x@x", "late", 9, "")).await;
    let mut client = house.at_inbox().await;
    talk(
        &mut client,
        &[
            ("SEARCH YOUNGER 50", "* SEARCH\r\nOK SEARCH done\r\n"),
            ("SEARCH YOUNGER 100", "* SEARCH 1 2 3 4 5 6\r\nOK SEARCH done\r\n"),
            ("SEARCH OLDER 99 UID 5:*", "* SEARCH 5 6\r\nOK SEARCH done\r\n"),
            ("SEARCH OLDER 101", "* SEARCH\r\nOK SEARCH done\r\n"),
            ("SEARCH OLDER 0", "BAD expected an interval in seconds\r\n"),
            ("SEARCH YOUNGER 4294967295", "* SEARCH 1 2 3 4 5 6\r\nOK SEARCH done\r\n"),
        ],
    )
    .await;
}

/// A client that leaves in the middle of a search does not keep the server busy.
#[tokio::test]
async fn who_is_gone_is_not_searched_for() {
    let house = correspondence().await;
    let mut client = house.at_inbox().await;
    client.send(b"x SEARCH TEXT nothing\r\n").await;
    let Client { io, task, .. } = client;
    drop(io);
    tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
}
