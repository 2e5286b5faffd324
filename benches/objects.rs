//! A week's question over 10,000 events, 1,000 of which recur, on the default engine, without doors.
//!
//! `cargo bench --bench objects`

use std::time::Instant;

use bytes::Bytes;
use caldav::Zone;
use folkmoot::clock::Clock;
use folkmoot::mailbox::{Acting, FolderId, Knew, Mailbox, Origin, OwnerId, Role};
use folkmoot::objects::{Error, Expected, Limits, Objects, Prepared, Target, put};
use folkmoot::store::{Store, StoreOptions};

const EVENTS: i64 = 10_000;
const OWNER: OwnerId = OwnerId(1);
/// 2026-01-01
const BEGIN: i64 = 1_767_225_600;
const HOUR: i64 = 3_600;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Events over two years, an hour each; every tenth recurs.
fn event(n: i64) -> String {
    let start = Zone::utc().local(BEGIN + n * 2 * 365 * 24 / EVENTS * HOUR);
    let rule = match n % 40 {
        0 => "RRULE:FREQ=WEEKLY\r\n",
        10 => "RRULE:FREQ=DAILY;COUNT=30\r\n",
        20 => "RRULE:FREQ=MONTHLY;BYDAY=-1FR\r\nEXDATE;TZID=Europe/Berlin:20270129T100000\r\n",
        30 => "RRULE:FREQ=YEARLY\r\n",
        _ => "",
    };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench\r\nBEGIN:VEVENT\r\nUID:{n}@example.test\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:{start}\r\nDURATION:PT1H\r\n{rule}\
         SUMMARY:Meeting {n}\r\nLOCATION:Room {}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        n % 17
    )
}

async fn fill(mailbox: &Mailbox, calendar: FolderId) -> Result<(), Error> {
    for batch in (0..EVENTS).collect::<Vec<_>>().chunks(500) {
        let mut new = Vec::new();
        for n in batch {
            let prepared =
                Prepared::of(folkmoot::mailbox::Kind::Calendar, Bytes::from(event(*n)), &Limits::default());
            new.push((*n, prepared.expect("an event").stage(mailbox.store(), 1)?));
        }
        let write = mailbox.write(Acting::System, Origin::OTHER, move |tx| {
            let at = tx.granted(calendar)?;
            for (n, new) in &new {
                let target = Target::New { name: Some(format!("{n}.ics")) };
                put(tx, &at, &target, Expected::Any, new, Knew::default())?;
            }
            Ok::<_, Error>(())
        });
        write.await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let base = std::env::var_os("FOLKMOOT_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let folder = base.join(format!("folkmoot-bench-objects-{}", std::process::id()));
    let clock = Clock::system();
    let mailbox = Mailbox::new(Store::open(&folder, &StoreOptions::default(), &clock)?, clock);
    mailbox.write(Acting::System, Origin::OTHER, |tx| tx.create_owner(OWNER, None)).await?;
    let calendar = mailbox.view(Acting::System)?.by_role(OWNER, Role::Calendar)?;
    let begin = now();
    fill(&mailbox, calendar.id).await?;
    println!("{EVENTS} events prepared and put in {:?}", begin.elapsed());
    let objects = Objects::default();
    let week = 7 * 24 * HOUR;
    let mut times = Vec::new();
    for run in 0..21 {
        let start = BEGIN + 365 * 24 * HOUR + run % 3 * week;
        let begin = now();
        let view = mailbox.view(Acting::System)?;
        let calendar = view.folder(calendar.id)?.folder;
        let found = objects.in_range(&view, &calendar, &(start..start + week), &Zone::utc())?;
        let took = begin.elapsed();
        if run == 0 {
            println!("first, nothing parsed yet: {} of {EVENTS} in {took:?}", found.len());
        } else {
            times.push(took);
        }
    }
    times.sort_unstable();
    println!("warm: median {:?}, longest {:?}", times[times.len() / 2], times[times.len() - 1]);
    drop(mailbox);
    // What is left is in the temporary folder.
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}
