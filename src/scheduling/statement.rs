//! What a scheduling mail says to people.

use caldav::itip::{Method, PartStat};
use caldav::{Component, ContentLine, DateTime, Moment, Zone, Zones};

use super::Mail;

/// Longest text taken from a meeting, in characters.
const TEXT_MAX: usize = 4_000;
/// Longest subject taken from a meeting, in characters.
const SUBJECT_MAX: usize = 200;

/// The mail's subject.
pub(super) fn subject(mail: &Mail) -> String {
    let title = title(mail);
    match (mail.method, mail.changed.is_empty()) {
        (Method::Request | Method::Add | Method::Publish, true) => format!("Invitation: {title}"),
        (Method::Request | Method::Add | Method::Publish, false) => format!("Changed: {title}"),
        (Method::Cancel, _) => format!("Cancelled: {title}"),
        (Method::Counter, _) => format!("New time proposed: {title}"),
        (Method::DeclineCounter, _) => format!("Proposal declined: {title}"),
        (Method::Refresh, _) => format!("Asking for: {title}"),
        (Method::Reply, _) => match answer(mail) {
            PartStat::Accepted => format!("Accepted: {title}"),
            PartStat::Declined => format!("Declined: {title}"),
            PartStat::Tentative => format!("Tentative: {title}"),
            _ => format!("Answer: {title}"),
        },
    }
}

/// The mail's text.
pub(super) fn text(mail: &Mail) -> String {
    let mut text = String::new();
    let who = if mail.from.name.trim().is_empty() { &mail.from.address } else { &mail.from.name };
    text.push_str(&match (mail.method, mail.changed.is_empty()) {
        (Method::Request | Method::Add | Method::Publish, true) => format!("{who} invites you:\n\n"),
        (Method::Request | Method::Add | Method::Publish, false) => {
            format!("{who} has changed a meeting:\n\n")
        }
        (Method::Cancel, _) => format!("{who} has cancelled:\n\n"),
        (Method::Counter, _) => format!("{who} proposes another time:\n\n"),
        (Method::DeclineCounter, _) => format!("{who} keeps the time as it is:\n\n"),
        (Method::Refresh, _) => format!("{who} asks for the latest version of:\n\n"),
        (Method::Reply, _) => match answer(mail) {
            PartStat::Accepted => format!("{who} has accepted:\n\n"),
            PartStat::Declined => format!("{who} has declined:\n\n"),
            PartStat::Tentative => format!("{who} will perhaps take part:\n\n"),
            _ => format!("{who} has answered:\n\n"),
        },
    });
    let Some(calendar) = mail.object.calendar() else { return text };
    let zones = Zones::of(calendar);
    for (n, part) in parts(mail).take(20).enumerate() {
        if n > 0 {
            text.push('\n');
        }
        describe(&mut text, part, &zones);
    }
    let changed: Vec<&str> = mail.changed.iter().filter_map(|name| word(name)).collect();
    if !changed.is_empty() {
        text.push_str(&format!("\nChanged: {}\n", changed.join(", ")));
    }
    text
}

fn parts(mail: &Mail) -> impl Iterator<Item = &Component> {
    let components = mail.object.calendar().into_iter().flat_map(Component::components);
    components.filter(|part| part.is("VEVENT") || part.is("VTODO"))
}

fn title(mail: &Mail) -> String {
    let summary = parts(mail).find_map(|part| part.line("SUMMARY")).map(ContentLine::to_text);
    let title = summary.filter(|title| !title.trim().is_empty()).unwrap_or_else(|| "(no title)".to_owned());
    title.chars().take(SUBJECT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The answer in a REPLY.
fn answer(mail: &Mail) -> PartStat {
    let line = parts(mail).find_map(|part| part.line("ATTENDEE"));
    line.and_then(|line| line.parameter("PARTSTAT")).and_then(|word| word.parse().ok()).unwrap_or_default()
}

fn describe(text: &mut String, part: &Component, zones: &Zones) {
    let said = |name: &str| {
        let said = part.line(name).map(ContentLine::to_text).unwrap_or_default();
        said.trim().chars().take(TEXT_MAX).collect::<String>()
    };
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("{name}: {value}\n"));
        }
    };
    line("What", said("SUMMARY"));
    line("When", when(part, zones));
    if part.line("RRULE").is_some() || part.line("RDATE").is_some() {
        line("Repeats", repeats(part));
    }
    line("Where", said("LOCATION"));
    line("Comment", said("COMMENT"));
    line("Description", said("DESCRIPTION"));
}

/// The time of a component, with the zone that it is told by.
fn when(part: &Component, zones: &Zones) -> String {
    let Some(start) = part.line("DTSTART").and_then(|line| line.moment().ok()) else { return String::new() };
    let end = end_of(part, &start, zones);
    match (&start, end) {
        (Moment::Day(first), Some(Moment::Day(last))) if last != *first => {
            format!("{} to {}", day(&start), day(&Moment::Day(last)))
        }
        (Moment::Day(_), _) => day(&start),
        (Moment::At(_), None) => format!("{}, {}{}", day(&start), time(&start), zone(&start)),
        (Moment::At(_), Some(end)) if end.date() == start.date() => {
            format!("{}, {} to {}{}", day(&start), time(&start), time(&end), zone(&start))
        }
        (Moment::At(_), Some(end)) => {
            format!("{}, {} to {}, {}{}", day(&start), time(&start), day(&end), time(&end), zone(&start))
        }
    }
}

/// The end of a component by the clocks of its start; the last day of whole days.
fn end_of(part: &Component, start: &Moment, zones: &Zones) -> Option<Moment> {
    let utc = Zone::utc();
    let end = part.line("DTEND").or_else(|| part.line("DUE")).and_then(|line| line.moment().ok());
    let from = zones.instant(start, &utc);
    let end = match (end, part.line("DURATION").and_then(|line| line.duration().ok())) {
        (Some(end), _) => zones.instant(&end, &utc),
        (None, Some(length)) => {
            from.saturating_add(i64::from(length.days).saturating_mul(86_400)).saturating_add(length.seconds)
        }
        (None, None) => return None,
    };
    match start {
        Moment::Day(_) => Some(Moment::Day(utc.local(end.saturating_sub(86_400).max(from)).date)),
        Moment::At(DateTime::Zoned { tzid, .. }) => {
            let local = zones.find(tzid).unwrap_or(utc).local(end);
            Some(Moment::At(DateTime::Zoned { local, tzid: tzid.clone() }))
        }
        Moment::At(_) => Some(Moment::At(DateTime::Utc(utc.local(end)))),
    }
}

fn day(moment: &Moment) -> String {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let date = moment.date();
    let days = Zones::default().instant(&Moment::Day(date), &Zone::utc()).div_euclid(86_400);
    // 1970-01-01 was a Thursday.
    let weekday = usize::try_from((days + 3).rem_euclid(7)).ok().and_then(|n| DAYS.get(n)).unwrap_or(&"");
    let month = MONTHS.get(usize::from(date.month().saturating_sub(1))).unwrap_or(&"");
    format!("{weekday}, {} {month} {}", date.day(), date.year())
}

fn time(moment: &Moment) -> String {
    match moment {
        Moment::Day(_) => String::new(),
        Moment::At(at) => format!("{:02}:{:02}", at.local().time.hour(), at.local().time.minute()),
    }
}

fn zone(moment: &Moment) -> String {
    match moment {
        Moment::At(DateTime::Utc(_)) => " (UTC)".to_owned(),
        Moment::At(DateTime::Zoned { tzid, .. }) => format!(" ({tzid})"),
        _ => String::new(),
    }
}

fn repeats(part: &Component) -> String {
    use caldav::{Frequency, Rule, RuleEnd};
    let Some(rule) = part.line("RRULE").and_then(|line| line.value().parse::<Rule>().ok()) else {
        return "on several dates".to_owned();
    };
    let unit = match rule.frequency {
        Frequency::Yearly => "year",
        Frequency::Monthly => "month",
        Frequency::Weekly => "week",
        Frequency::Daily => "day",
        Frequency::Hourly => "hour",
        Frequency::Minutely => "minute",
        Frequency::Secondly => "second",
    };
    let every = match rule.interval {
        0 | 1 => format!("every {unit}"),
        n => format!("every {n} {unit}s"),
    };
    match rule.end {
        RuleEnd::Never => every,
        RuleEnd::Count(n) => format!("{every}, {n} times"),
        RuleEnd::Until(until) => format!("{every}, until {}", day(&until)),
    }
}

/// What a property is called by people.
fn word(name: &str) -> Option<&'static str> {
    Some(match name {
        "DTSTART" => "start",
        "DTEND" => "end",
        "RRULE" | "RDATE" => "repetition",
        "EXDATE" => "single dates",
        "SUMMARY" => "title",
        "LOCATION" => "place",
        "DESCRIPTION" => "description",
        "ATTENDEE" => "participants",
        "STATUS" => "status",
        "ATTACH" => "attachments",
        _ => return None,
    })
}
