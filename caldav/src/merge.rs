//! A client's edit, taken over into what is stored.
//!
//! A client sees a rendering of an object, changes that, and sends it back. Only what differs between
//! what it was shown and what it sent is its will; everything else in the stored object stays, also what
//! was never shown: X- properties, parameters of attendees, alarms, time zones.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{Component, ContentLine, Object};

impl Object {
    /// Applies to this object, which is stored, what a client changed between what it was `shown` and
    /// what it `sent`.
    ///
    /// Components are the same by UID and RECURRENCE-ID, zones by TZID, alarms by UID or else by their
    /// order; properties by name and value, attendees by address. A property whose value changed keeps its
    /// place and the parameters the client did not change.
    ///
    /// ```
    /// use caldav::Object;
    ///
    /// let mut stored = Object::parse(b"BEGIN:VCARD\nFN:Ann\nX-SKIN:1\nTEL;PREF=1:1\nEND:VCARD\n")?;
    /// let shown = Object::parse(b"BEGIN:VCARD\nFN:Ann\nTEL:1\nEND:VCARD\n")?;
    /// let sent = Object::parse(b"BEGIN:VCARD\nTEL:2\nFN:Ann\nEND:VCARD\n")?;
    /// stored.merge(&shown, &sent);
    /// assert_eq!(stored.write(), b"BEGIN:VCARD\nFN:Ann\nX-SKIN:1\nTEL;PREF=1:2\nEND:VCARD\n");
    /// # Ok::<(), caldav::TooLarge>(())
    /// ```
    pub fn merge(&mut self, shown: &Self, sent: &Self) {
        self.root_mut().merge(shown.root(), sent.root());
    }
}

impl Component {
    /// As [`Object::merge`], for one component.
    pub fn merge(&mut self, shown: &Self, sent: &Self) {
        self.merge_lines(shown, sent);
        self.merge_components(shown, sent);
    }

    fn merge_lines(&mut self, shown: &Self, sent: &Self) {
        let changes = line_changes(shown, sent);
        let mut at: HashMap<String, VecDeque<usize>> = HashMap::new();
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (n, line) in self.lines().enumerate() {
            at.entry(key(line)).or_default().push_back(n);
            named.entry(line.name().to_ascii_uppercase()).or_default().push(n);
        }
        let mut times_shown: HashMap<String, usize> = HashMap::new();
        for line in shown.lines() {
            *times_shown.entry(line.name().to_ascii_uppercase()).or_default() += 1;
        }
        // The stored line that a shown one stands for: the same, or the only one of its name.
        // Of several equal ones each is taken once.
        let stored = |at: &mut HashMap<String, VecDeque<usize>>, line: &ContentLine| {
            let name = line.name().to_ascii_uppercase();
            let once = times_shown.get(&name) == Some(&1) && !is_by_address(line);
            let only = || named.get(&name).filter(|all| once && all.len() == 1)?.first().copied();
            at.get_mut(&key(line)).and_then(VecDeque::pop_front).or_else(only)
        };
        let mut edits: HashMap<usize, (&ContentLine, &ContentLine)> = HashMap::new();
        let mut gone: HashSet<usize> = HashSet::new();
        let mut new: Vec<&ContentLine> = Vec::new();
        for (before, after) in changes {
            match (before, after, before.and_then(|line| stored(&mut at, line))) {
                (Some(before), Some(after), Some(n)) => {
                    edits.insert(n, (before, after));
                }
                (Some(_), None, Some(n)) => {
                    gone.insert(n);
                }
                (Some(_), None, None) | (None, None, _) => {}
                (_, Some(after), _) => match at.get_mut(&key(after)).and_then(VecDeque::pop_front) {
                    // Somebody else added it, too.
                    Some(n) => drop(edits.insert(n, (after, after))),
                    None => new.push(after),
                },
            }
        }
        for (n, line) in self.lines_mut().enumerate() {
            if let Some((before, after)) = edits.get(&n) {
                apply(line, before, after);
            }
        }
        let mut n = 0;
        self.retain_lines(|_| {
            n += 1;
            !gone.contains(&(n - 1)) || edits.contains_key(&(n - 1))
        });
        new.into_iter().for_each(|line| self.push(line.clone()));
    }

    fn merge_components(&mut self, shown: &Self, sent: &Self) {
        let shown_ids = identities(shown);
        let sent_ids = identities(sent);
        let stored_ids = identities(self);
        let sent_by: HashMap<_, _> = sent_ids.iter().zip(sent.components()).collect();
        let shown_by: HashMap<_, _> = shown_ids.iter().zip(shown.components()).collect();
        let kept: HashSet<_> = stored_ids.iter().collect();
        for (id, component) in stored_ids.iter().zip(self.components_mut()) {
            if let (Some(shown), Some(sent)) = (shown_by.get(id), sent_by.get(id)) {
                component.merge(shown, sent);
            }
        }
        let mut ids = stored_ids.iter();
        self.retain_components(|_| {
            ids.next().is_none_or(|id| !shown_by.contains_key(id) || sent_by.contains_key(id))
        });
        for (id, component) in sent_ids.iter().zip(sent.components()) {
            if !shown_by.contains_key(id) && !kept.contains(id) {
                self.push_component(component.clone());
            }
        }
    }
}

/// What happened to each line: `(before, after)`, where one of them may be missing.
fn line_changes<'c>(
    shown: &'c Component,
    sent: &'c Component,
) -> Vec<(Option<&'c ContentLine>, Option<&'c ContentLine>)> {
    let mut left: HashMap<String, Vec<&ContentLine>> = HashMap::new();
    // Backwards, so that the first of several equal lines is taken first.
    shown.lines().rev().for_each(|line| left.entry(key(line)).or_default().push(line));
    let mut changes = Vec::new();
    let mut unmatched: Vec<&ContentLine> = Vec::new();
    for line in sent.lines() {
        match left.get_mut(&key(line)).and_then(Vec::pop) {
            Some(before) if before == line => {}
            Some(before) => changes.push((Some(before), Some(line))),
            None => unmatched.push(line),
        }
    }
    // Of those with another value the ones with the same parameters belong together, then the next ones.
    let mut removed: HashMap<String, Vec<&ContentLine>> = HashMap::new();
    let still: HashSet<*const ContentLine> =
        left.values().flatten().map(|line| std::ptr::from_ref(*line)).collect();
    let still = |line: &&ContentLine| still.contains(&std::ptr::from_ref(*line));
    for line in shown.lines().filter(still) {
        removed.entry(line.name().to_ascii_uppercase()).or_default().push(line);
    }
    for line in unmatched {
        let candidates = removed.get_mut(&line.name().to_ascii_uppercase()).filter(|_| !is_by_address(line));
        let before = candidates.and_then(|candidates| {
            // A bounded look: which of many equal ones it is matters little.
            let same = candidates.iter().take(64).position(|c| c.parameters() == line.parameters());
            (!candidates.is_empty()).then(|| candidates.remove(same.unwrap_or(0)))
        });
        changes.push((before, Some(line)));
    }
    changes.extend(removed.into_values().flatten().map(|line| (Some(line), None)));
    changes
}

/// Changes a stored line as a client changed the one that it was shown.
fn apply(line: &mut ContentLine, before: &ContentLine, after: &ContentLine) {
    if before.value() != after.value() || before.name() != line.name() {
        // What was read once may be written again; controls in it are left out then.
        let value: String = after.value().chars().filter(|c| !c.is_ascii_control() || *c == '\t').collect();
        let _ = line.set_value(value);
        // How a value is written comes with it.
        let names: Vec<String> = line.parameters().iter().map(|p| p.name().to_owned()).collect();
        for name in names.iter().filter(|name| crate::component::is_of_value(name)) {
            line.remove_parameter(name);
        }
        for parameter in after.parameters().iter().filter(|p| crate::component::is_of_value(p.name())) {
            line.set_parameter(parameter.clone());
        }
    }
    for parameter in before.parameters() {
        if !after.parameters().iter().any(|p| p.is(parameter.name())) {
            line.remove_parameter(parameter.name());
        }
    }
    for parameter in after.parameters() {
        if std::ptr::eq(before, after) || !before.parameters().contains(parameter) {
            line.set_parameter(parameter.clone());
        }
    }
}

/// What a line is told apart by.
fn key(line: &ContentLine) -> String {
    let name = line.name().to_ascii_uppercase();
    match is_by_address(line) {
        true => format!("{name}:{}", line.cal_address()),
        false => format!("{name}:{}", line.value()),
    }
}

/// Properties that stand for somebody: another value is another person.
fn is_by_address(line: &ContentLine) -> bool {
    line.is("ATTENDEE")
}

/// What the components within one are told apart by; none has the same as another.
fn identities(component: &Component) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let identity = |component: &Component| {
        let value = |name| component.line(name).map_or("", ContentLine::value);
        let id = match component.is("VTIMEZONE") {
            true => value("TZID").to_owned(),
            false => format!("{} {}", value("UID"), value("RECURRENCE-ID")),
        };
        let id = format!("{} {id}", component.name().to_ascii_uppercase());
        let count = seen.entry(id.clone()).or_default();
        *count += 1;
        format!("{id} {count}")
    };
    component.components().map(identity).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(stored: &str, shown: &str, sent: &str) -> String {
        let wrap = |text: &str| format!("BEGIN:VEVENT\n{text}END:VEVENT\n");
        let parse = |text: &str| Object::parse(wrap(text).as_bytes()).unwrap();
        let mut object = parse(stored);
        object.merge(&parse(shown), &parse(sent));
        let text = String::from_utf8(object.write()).unwrap();
        text.strip_prefix("BEGIN:VEVENT\n").and_then(|t| t.strip_suffix("END:VEVENT\n")).unwrap().to_owned()
    }

    #[test]
    fn what_a_client_cannot_say_survives() {
        let stored = "DTSTART;TZID=Europe/Berlin;X-P=1:20261124T100000\nATTENDEE;X-NUM=7;PARTSTAT=NEEDS-ACTION:\
                      mailto:a@x\nATTENDEE:mailto:b@x\nX-APPLE:1\nBEGIN:VALARM\nTRIGGER:-PT5M\nX-Q:2\nEND:VALARM\n";
        let shown =
            "DTSTART:20261124T090000Z\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:A@x\nATTENDEE:mailto:b@x\n";
        let sent = "DTSTART:20261124T093000Z\nATTENDEE;PARTSTAT=ACCEPTED:mailto:A@x\nATTENDEE:mailto:c@x\n";
        assert_eq!(
            merged(stored, shown, sent),
            "DTSTART;X-P=1:20261124T093000Z\nATTENDEE;X-NUM=7;PARTSTAT=ACCEPTED:mailto:a@x\nX-APPLE:1\n\
             ATTENDEE:mailto:c@x\nBEGIN:VALARM\nTRIGGER:-PT5M\nX-Q:2\nEND:VALARM\n"
        );
    }

    #[test]
    fn changes_of_others_in_between_survive() {
        let shown = "SUMMARY:a\nLOCATION:x\nATTENDEE:mailto:a@x\n";
        let stored = "SUMMARY:a\nLOCATION:y\nATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\nCOMMENT:new\n";
        assert_eq!(
            merged(stored, shown, "SUMMARY:b\nLOCATION:x\nATTENDEE:mailto:a@x\n"),
            stored.replace("SUMMARY:a", "SUMMARY:b")
        );
        assert_eq!(merged(stored, shown, ""), "COMMENT:new\n");
        assert_eq!(merged(stored, shown, &format!("{shown}COMMENT:new\n")), stored);
    }

    #[test]
    fn alarms_are_the_same_by_uid_or_by_order() {
        let alarm = |body: &str| format!("BEGIN:VALARM\n{body}END:VALARM\n");
        let stored = alarm("UID:1\nX-Q:1\n") + &alarm("TRIGGER:-PT5M\nX-Q:2\n");
        let shown = alarm("UID:1\n") + &alarm("TRIGGER:-PT5M\n");
        let sent = alarm("TRIGGER:-PT10M\n") + &alarm("TRIGGER:PT0S\n");
        assert_eq!(
            merged(&stored, &shown, &sent),
            alarm("TRIGGER:-PT10M\nX-Q:2\n") + &alarm("TRIGGER:PT0S\n")
        );
    }

    #[test]
    fn lists_change_line_by_line() {
        let shown = "TEL;TYPE=home:1\nTEL;TYPE=work:2\nX:1\nX:1\n";
        let stored = "TEL;TYPE=home;X-A=1:1\nTEL;TYPE=work;X-B=1:2\nX:1\nX:1\n";
        assert_eq!(
            merged(stored, shown, "TEL;TYPE=work:3\nTEL;TYPE=home:1\nX:1\nX:1\n"),
            stored.replace("X-B=1:2", "X-B=1:3")
        );
        assert_eq!(merged(stored, shown, "TEL;TYPE=work:2\nX:1\nX:1\n"), "TEL;TYPE=work;X-B=1:2\nX:1\nX:1\n");
        assert_eq!(merged("X:1\nX:1\nX:2\n", "X:1\nX:1\n", ""), "X:2\n");
        assert_eq!(merged("X:1\nX:1\nX:2\n", "X:1\nX:1\n", "X:1\n"), "X:1\nX:2\n");
    }

    #[test]
    fn many_changes_take_time_in_proportion() {
        let lines =
            |from: usize| (from..from + 9000).map(|n| format!("X-{}:{n}\n", n % 2)).collect::<String>();
        assert_eq!(merged(&lines(0), &lines(0), &lines(9000)), lines(9000));
        assert_eq!(merged(&lines(0), &lines(0), ""), "");
    }

    fn lines() -> impl Strategy<Value = String> {
        let line = "(SUMMARY|X|ATTENDEE|TEL)(;A=[12])?(;B=[12])?:[a-c]\n";
        prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
    }

    proptest! {
        /// Nothing changed by the client: nothing is.
        #[test]
        fn no_change_is_none(stored in lines(), shown in lines()) {
            prop_assert_eq!(merged(&stored, &shown, &shown), stored);
        }

        /// A client that saw everything, none of it twice, gets what it sent, but for the order.
        #[test]
        fn a_client_that_sees_all_changes_all(stored in lines(), sent in lines()) {
            let sorted = |text: &str, unique: bool| {
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.sort();
                if unique {
                    let value = |line: &String| {
                        let (head, value) = line.split_once(':').unwrap();
                        format!("{}:{value}", head.split(';').next().unwrap())
                    };
                    lines.dedup_by_key(|line| value(line));
                    let mut seen = HashSet::new();
                    lines.retain(|line| seen.insert(value(line)));
                }
                lines.iter().map(|line| format!("{line}\n")).collect::<String>()
            };
            let (stored, sent) = (sorted(&stored, true), sorted(&sent, true));
            let parameters_in_order = |text: &str| {
                let order = |line: &str| {
                    let (head, value) = line.split_once(':').unwrap();
                    let mut parts: Vec<_> = head.split(';').collect();
                    parts.get_mut(1..).unwrap().sort_unstable();
                    format!("{}:{value}\n", parts.join(";"))
                };
                text.lines().map(order).collect::<String>()
            };
            let got = sorted(&parameters_in_order(&merged(&stored, &stored, &sent)), false);
            prop_assert_eq!(got, sorted(&sent, false));
        }
    }
}
