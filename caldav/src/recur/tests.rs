//! The examples of RFC 5545 §3.8.5.3 and RFC 7529, gaps and folds, overrides, bounds.

use super::*;
use crate::{Moment, Object, Zone};

fn series(text: &str) -> Series {
    let text = format!("BEGIN:VCALENDAR\n{text}END:VCALENDAR\n");
    Series::all(Object::parse(text.as_bytes()).unwrap().calendar().unwrap()).remove(0).unwrap()
}

fn event(lines: &str) -> Series {
    series(&format!("BEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\n"))
}

fn at(text: &str) -> i64 {
    wall_of(text.parse().unwrap())
}

fn instances(series: &Series, from: &str, to: &str) -> Vec<Instance> {
    let all = series.expand(at(from)..at(to), &Zone::utc(), &Bounds::default());
    assert!(!all.truncated);
    all.instances
}

fn starts(series: &Series, from: &str, to: &str) -> Vec<String> {
    instances(series, from, to).iter().map(|instance| instance.local_start.to_string()).collect()
}

/// What stands in the standard: a rule with DTSTART, and days (at the time of DTSTART unless one is said);
/// the first of them only where it ends with `...`.
#[track_caller]
fn check(start: &str, rule: &str, expected: &str) {
    let series = event(&format!("DTSTART;TZID=America/New_York:{start}\nRRULE:{rule}\n"));
    let mut expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
    let open = expected.pop_if(|last| last == "...").is_some();
    for text in &mut expected {
        if !text.contains('T') {
            text.push_str(&start[8..]);
        }
    }
    let bounds = Bounds { instances: if open { expected.len() } else { 1000 }, ..Bounds::default() };
    let all = series.expand(0..at("20500101T000000"), &Zone::utc(), &bounds);
    assert_eq!(all.truncated, open, "{rule}");
    let got: Vec<String> = all.instances.iter().map(|instance| instance.local_start.to_string()).collect();
    assert_eq!(got, expected, "{rule}");
}

fn days(month: &str, days: std::ops::RangeInclusive<u8>, step: usize) -> String {
    days.step_by(step).map(|day| format!("{month}{day:02} ")).collect()
}

#[test]
fn daily_examples() {
    let start = "19970902T090000";
    check(start, "FREQ=DAILY;COUNT=10", &days("199709", 2..=11, 1));
    let all = days("199709", 2..=30, 1) + &days("199710", 1..=31, 1) + &days("199711", 1..=30, 1);
    check(start, "FREQ=DAILY;UNTIL=19971224T000000Z", &(all + &days("199712", 1..=23, 1)));
    check(start, "FREQ=DAILY;INTERVAL=2", &(days("199709", 2..=30, 2) + &days("199710", 2..=30, 2) + "..."));
    check(start, "FREQ=DAILY;INTERVAL=10;COUNT=5", "19970902 19970912 19970922 19971002 19971012");
    let januaries: String = (1998..=2000).map(|year| days(&format!("{year}01"), 1..=31, 1)).collect();
    let start = "19980101T090000";
    check(start, "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", &januaries);
    check(start, "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", &januaries);
}

#[test]
fn weekly_examples() {
    let start = "19970902T090000";
    let ten = "19970902 19970909 19970916 19970923 19970930 19971007 19971014 19971021 19971028 19971104";
    check(start, "FREQ=WEEKLY;COUNT=10", ten);
    let until = format!("{ten} 19971111 19971118 19971125 19971202 19971209 19971216 19971223");
    check(start, "FREQ=WEEKLY;UNTIL=19971224T000000Z", &until);
    check(
        start,
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "19970902 19970916 19970930 19971014 19971028 19971111 19971125 19971209 19971223 19980106 \
         19980120 19980203 19980217 ...",
    );
    let five = "19970902 19970904 19970909 19970911 19970916 19970918 19970923 19970925 19970930 19971002";
    check(start, "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", five);
    check(start, "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", five);
    check(
        "19970901T090000",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "19970901 19970903 19970905 19970915 19970917 19970919 19970929 19971001 19971003 19971013 \
         19971015 19971017 19971027 19971029 19971031 19971110 19971112 19971114 19971124 19971126 \
         19971128 19971208 19971210 19971212 19971222",
    );
    check(
        start,
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "19970902 19970904 19970916 19970918 19970930 19971002 19971014 19971016",
    );
    let start = "19970805T090000";
    check(start, "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "19970805 19970810 19970819 19970824");
    check(start, "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "19970805 19970817 19970819 19970831");
}

#[test]
fn monthly_examples() {
    let ten = "19970905 19971003 19971107 19971205 19980102 19980206 19980306 19980403 19980501 19980605";
    check("19970905T090000", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", ten);
    check(
        "19970905T090000",
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        "19970905 19971003 19971107 19971205",
    );
    check(
        "19970907T090000",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "19970907 19970928 19971102 19971130 19980104 19980125 19980301 19980329 19980503 19980531",
    );
    check(
        "19970922T090000",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "19970922 19971020 19971117 19971222 19980119 19980216",
    );
    check(
        "19970928T090000",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "19970928 19971029 19971128 19971229 19980129 19980226 ...",
    );
    check(
        "19970902T090000",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "19970902 19970915 19971002 19971015 19971102 19971115 19971202 19971215 19980102 19980115",
    );
    check(
        "19970930T090000",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "19970930 19971001 19971031 19971101 19971130 19971201 19971231 19980101 19980131 19980201",
    );
    check(
        "19970910T090000",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "19970910 19970911 19970912 19970913 19970914 19970915 19990310 19990311 19990312 19990313",
    );
    check(
        "19970902T090000",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "19970902 19970909 19970916 19970923 19970930 19971104 19971111 19971118 19971125 19980106 \
         19980113 19980120 19980127 19980303 19980310 19980317 19980324 19980331 ...",
    );
    check(
        "19970913T090000",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "19970913 19971011 19971108 19971213 19980110 19980207 19980307 19980411 19980509 19980613 ...",
    );
    check("19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904 19971007 19971106");
    check(
        "19970929T090000",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "19970929 19971030 19971127 19971230 19980129 19980226 19980330 ...",
    );
    check(
        "20070115T090000",
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "20070115 20070130 20070215 20070315 20070330",
    );
}

#[test]
fn yearly_examples() {
    check(
        "19970610T090000",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "19970610 19970710 19980610 19980710 19990610 19990710 20000610 20000710 20010610 20010710",
    );
    check(
        "19970310T090000",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "19970310 19990110 19990210 19990310 20010110 20010210 20010310 20030110 20030210 20030310",
    );
    check(
        "19970101T090000",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "19970101 19970410 19970719 20000101 20000409 20000718 20030101 20030410 20030719 20060101",
    );
    check("19970519T090000", "FREQ=YEARLY;BYDAY=20MO", "19970519 19980518 19990517 ...");
    check("19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512 19980511 19990517 ...");
    check(
        "19970313T090000",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "19970313 19970320 19970327 19980305 19980312 19980319 19980326 19990304 19990311 19990318 19990325 ...",
    );
    check(
        "19970605T090000",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "19970605 19970612 19970619 19970626 19970703 19970710 19970717 19970724 19970731 19970807 \
         19970814 19970821 19970828 19980604 ...",
    );
    check(
        "19961105T090000",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "19961105 20001107 20041102 ...",
    );
    check("20240229T090000", "FREQ=YEARLY;COUNT=3", "20240229 20280229 20320229");
}

/// The standard leaves DTSTART out by EXDATE here.
#[test]
fn friday_the_13th() {
    let series = event(
        "DTSTART;TZID=America/New_York:19970902T090000\nEXDATE;TZID=America/New_York:19970902T090000\n\
         RRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13\n",
    );
    let expected =
        ["19980213T090000", "19980313T090000", "19981113T090000", "19990813T090000", "20001013T090000"];
    assert_eq!(starts(&series, "19970101T000000", "20010101T000000"), expected);
}

#[test]
fn examples_within_a_day() {
    let start = "19970902T090000";
    check(start, "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "19970902T090000 19970902T120000");
    check(
        start,
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        "19970902T090000 19970902T091500 19970902T093000 19970902T094500 19970902T100000 19970902T101500",
    );
    check(
        start,
        "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
        "19970902T090000 19970902T103000 19970902T120000 19970902T133000",
    );
    let mut expected = String::new();
    for day in ["19970902", "19970903"] {
        for minute in (0..8 * 60).step_by(20) {
            expected += &format!("{day}T{:02}{:02}00 ", 9 + minute / 60, minute % 60);
        }
    }
    check(start, "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", &(expected.clone() + "..."));
    check(start, "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16", &(expected + "..."));
}

/// RFC 7529 §4.1.
#[test]
fn days_that_are_not_there_are_moved() {
    let rule = "RSCALE=GREGORIAN;FREQ=MONTHLY;COUNT=5;SKIP=";
    check("20140131T090000", &format!("{rule}FORWARD"), "20140131 20140301 20140331 20140501 20140531");
    check("20140131T090000", &format!("{rule}BACKWARD"), "20140131 20140228 20140331 20140430 20140531");
    check("20140131T090000", &format!("{rule}OMIT"), "20140131 20140331 20140531 20140731 20140831");
    let rule = "RSCALE=GREGORIAN;FREQ=YEARLY;COUNT=3;SKIP=";
    check("20160229T090000", &format!("{rule}BACKWARD"), "20160229 20170228 20180228");
    check("20160229T090000", &format!("{rule}FORWARD"), "20160229 20170301 20180301");
}

#[test]
fn gaps_and_folds_are_taken_as_the_standard_says() {
    let new_york = |lines: &str| event(&format!("DTSTART;TZID=America/New_York:{lines}"));
    let daily = new_york("20260307T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\n");
    let found = instances(&daily, "20260301T000000", "20260401T000000");
    let begin: Vec<_> = found.iter().map(|i| i.start).collect();
    assert_eq!(begin, [at("20260307T073000"), at("20260308T073000"), at("20260309T063000")]);
    assert_eq!(found[1].recurrence_id.as_ref().unwrap().to_string(), "20260308T023000");
    assert_eq!(found[1].local_end.to_string(), "20260308T043000");
    // Every hour has its instant once: 2 o'clock is 3 o'clock on this day.
    let hourly = new_york("20260308T000000\nRRULE:FREQ=HOURLY;COUNT=5\n");
    let begin: Vec<_> =
        instances(&hourly, "20260301T000000", "20260401T000000").iter().map(|i| i.start).collect();
    assert_eq!(begin, [5, 6, 7, 8].map(|hour| at("20260308T000000") + hour * 3600));
    // The first of two.
    let fold = new_york("20261101T013000\nRRULE:FREQ=DAILY;COUNT=1\n");
    assert_eq!(instances(&fold, "20261101T000000", "20261102T000000")[0].start, at("20261101T053000"));
    // UNTIL counts by the instant, also in the hour that comes twice.
    let until = new_york("20261031T013000\nRRULE:FREQ=DAILY;UNTIL=20261101T061000Z\n");
    assert_eq!(instances(&until, "20261001T000000", "20261201T000000").len(), 2);
}

#[test]
fn lengths_are_exact_with_an_end_and_nominal_with_a_duration() {
    let ends = |lines: &str| -> Vec<i64> {
        let series =
            event(&format!("DTSTART;TZID=Europe/Berlin:20261023T120000\n{lines}RRULE:FREQ=DAILY;COUNT=3\n"));
        instances(&series, "20261001T000000", "20261201T000000").iter().map(|i| i.end - i.start).collect()
    };
    assert_eq!(ends("DTEND;TZID=Europe/Berlin:20261024T120000\n"), [86_400; 3]);
    assert_eq!(ends("DURATION:P1D\n"), [86_400, 90_000, 86_400]);
    assert_eq!(ends("DURATION:PT24H\n"), [86_400; 3]);
    assert_eq!(ends(""), [0; 3]);
    let berlin = Zone::iana("Europe/Berlin").unwrap();
    let day = event("DTSTART;VALUE=DATE:20261024\nRRULE:FREQ=DAILY;COUNT=2\n");
    let all = day.expand(0..i64::MAX, &berlin, &Bounds::default()).instances;
    assert_eq!(all.iter().map(|i| i.end - i.start).collect::<Vec<_>>(), [86_400, 90_000]);
    assert_eq!(all[1].local_end.to_string(), "20261026");
}

#[test]
fn what_overlaps_a_range_is_found() {
    let week = event("DTSTART:20260105T000000Z\nDURATION:P7D\nRRULE:FREQ=MONTHLY\n");
    assert_eq!(starts(&week, "20300111T235959", "20300112T000000"), ["20300105T000000Z"]);
    assert!(starts(&week, "20300112T000000", "20300113T000000").is_empty());
    let moment = event("DTSTART:20260105T000000Z\n");
    assert_eq!(starts(&moment, "20260105T000000", "20260105T000001").len(), 1);
    assert!(starts(&moment, "20260104T000000", "20260105T000000").is_empty());
    let todo = series("BEGIN:VTODO\nUID:1\nDUE:20260105T000000Z\nEND:VTODO\n");
    assert_eq!((todo.kind(), starts(&todo, "20260105T000000", "20260106T000000").len()), ("VTODO", 1));
}

#[test]
fn dates_are_added_and_left_out() {
    let series = event(
        "DTSTART;TZID=Europe/Berlin:20261124T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\n\
         RDATE:20261124T090000Z,20261225T090000Z\nRDATE;VALUE=PERIOD:20261226T090000Z/PT2H\n\
         EXDATE;VALUE=DATE:20261125\nEXDATE:20261126T090000Z\n",
    );
    let found = instances(&series, "20261101T000000", "20270101T000000");
    let local: Vec<_> = found.iter().map(|i| i.local_start.to_string()).collect();
    assert_eq!(local, ["20261124T100000", "20261127T100000", "20261225T100000", "20261226T100000"]);
    assert_eq!(found[3].end - found[3].start, 7200);
    let excluded =
        event("DTSTART:20261124T100000Z\nRRULE:FREQ=DAILY;COUNT=6\nEXRULE:FREQ=DAILY;INTERVAL=2\n");
    assert_eq!(
        starts(&excluded, "20261101T000000", "20270101T000000"),
        ["20261125T100000Z", "20261127T100000Z", "20261129T100000Z"]
    );
}

#[test]
fn overrides_take_the_place_of_instances() {
    let series = series(
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20261101T100000\nDURATION:PT1H\n\
         RRULE:FREQ=DAILY;COUNT=6\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20261102T090000Z\nDTSTART:20270101T090000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261104T100000\n\
         DTSTART;TZID=Europe/Berlin:20261104T150000\nDURATION:PT2H\nEND:VEVENT\n",
    );
    let found = instances(&series, "20261101T000000", "20280101T000000");
    let told: Vec<_> = found.iter().map(|i| (i.local_start.to_string(), i.component)).collect();
    let expected = [
        ("20261101T100000", 0),
        ("20261103T100000", 0),
        ("20261104T150000", 2),
        ("20261105T150000", 2),
        ("20261106T150000", 2),
        ("20270101T090000Z", 1),
    ];
    assert_eq!(told, expected.map(|(start, n)| (start.to_owned(), n)));
    assert_eq!(found[3].end - found[3].start, 7200);
    assert_eq!(found[3].recurrence_id.as_ref().map(Moment::to_string).as_deref(), Some("20261105T100000"));
    // Found by where it is now, not by where it was.
    assert_eq!(instances(&series, "20261105T133000", "20261105T160000").len(), 1);
    assert!(instances(&series, "20261105T080000", "20261105T100000").is_empty());
    let span = series.span(&Zone::utc(), &Bounds::default()).unwrap();
    assert_eq!((span.start, span.end), (at("20261101T090000"), Some(at("20270101T090000"))));
}

#[test]
fn a_series_reaches_as_far_as_it_does() {
    let end = |rule: &str| {
        let series = event(&format!("DTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:{rule}\n"));
        series.span(&Zone::utc(), &Bounds::default()).unwrap().end
    };
    assert_eq!(end("FREQ=DAILY"), None);
    assert_eq!(end("FREQ=DAILY;COUNT=3"), Some(at("20260103T110000")));
    assert_eq!(end("FREQ=DAILY;UNTIL=20260105T100000Z"), Some(at("20260105T110000")));
    assert_eq!(end("FREQ=SECONDLY;COUNT=4000000000"), None);
}

/// Each of these has taken some server down.
#[test]
fn bombs_end_soon_and_say_so() {
    let day = ("20990101T000000", "20990102T000000");
    let expand = |rule: &str, range: std::ops::Range<i64>| {
        let series = event(&format!("DTSTART:19700101T000000Z\nRRULE:{rule}\n"));
        series.expand(range, &Zone::utc(), &Bounds::default())
    };
    let century = at("20000101T000000")..at("21000101T000000");
    let all = expand("FREQ=SECONDLY", century.clone());
    assert!(all.truncated && all.instances.len() == 10_000);
    for rule in [
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYHOUR=3;INTERVAL=86399;COUNT=4000000000;BYMINUTE=7",
        "FREQ=DAILY;BYDAY=MO;COUNT=4000000000",
        "FREQ=YEARLY;BYYEARDAY=366;BYWEEKNO=20",
    ] {
        expand(rule, century.clone());
    }
    let full = (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let hours = (0..24).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let rule = format!("FREQ=YEARLY;BYDAY=MO,TU,WE;BYHOUR={hours};BYMINUTE={full};BYSECOND={full}");
    assert!(expand(&rule, century.clone()).truncated);
    assert!(!expand(&format!("{rule};BYSETPOS=-1"), century).truncated);
    // Far from DTSTART, but small.
    for rule in [
        "FREQ=SECONDLY;INTERVAL=7200",
        "FREQ=MINUTELY;INTERVAL=120;COUNT=4000000000",
        "FREQ=HOURLY;INTERVAL=2",
    ] {
        let all = expand(rule, at(day.0)..at(day.1));
        assert_eq!((all.instances.len(), all.truncated), (12, false), "{rule}");
    }
    // A count that would have to be counted is not guessed.
    assert!(expand("FREQ=SECONDLY;BYSECOND=0,1;COUNT=400000000", at(day.0)..at(day.1)).truncated);
}

#[test]
fn one_broken_event_leaves_the_others() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:x\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\n\
                DTSTART:20260101T000000Z\nRRULE:FREQ=X\nEND:VEVENT\nBEGIN:VEVENT\nUID:3\nDTSTART:20260101\n\
                END:VEVENT\nEND:VCALENDAR\n";
    let all = Series::all(Object::parse(text.as_bytes()).unwrap().calendar().unwrap());
    assert_eq!(all.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
    assert!(!all[2].as_ref().unwrap().recurs());
}

#[test]
fn too_many_dates_are_refused() {
    for name in ["RDATE", "EXDATE"] {
        let dates = vec!["20260101T000000Z"; 1_000_000].join(",");
        let text = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101T000000Z\n{name}:{dates}\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        let bounds = crate::Limits { bytes: 32 << 20, line: 32 << 20, ..crate::Limits::default() };
        let object = Object::parse_within(text.as_bytes(), &bounds).unwrap();
        assert!(Series::all(object.calendar().unwrap()).remove(0).is_err());
    }
}

/// A COUNT is counted, and not reckoned, where some months lack the day.
#[test]
fn months_without_the_day_are_no_part_of_a_count() {
    for day in ["28", "30", "31"] {
        let text = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:201012{day}T000000Z\nRRULE:FREQ=MONTHLY;COUNT=22\n\
             END:VEVENT\nEND:VCALENDAR\n"
        );
        let object = Object::parse(text.as_bytes()).unwrap();
        let series = Series::all(object.calendar().unwrap()).remove(0).unwrap();
        let all = series.expand(0..i64::MAX / 4, &Zone::utc(), &Bounds::default());
        assert_eq!(all.instances.len(), 22, "{day}");
        // From 2012 on.
        let late = series.expand(1_325_376_000..i64::MAX / 4, &Zone::utc(), &Bounds::default());
        let before = all.instances.iter().filter(|i| i.start < 1_325_376_000).count();
        assert_eq!(late.instances.len(), 22 - before, "{day}");
    }
}
