//! Random histories: an organizer and attendees who change, answer and delete, with messages that get lost,
//! come twice and out of order. Nobody hears twice of one change, nobody goes back to what is older, and
//! once messages get through again all see the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::meeting::{self, Meeting};
use super::*;
use crate::{Bounds, ContentLine, Moment, Series, Zone};

const ORGANIZER: &str = "org@a.test";
const PEOPLE: [&str; 3] = ["p0@b.test", "p1@b.test", "p2@b.test"];
const START: i64 = 1_796_119_200;
const WEEK: i64 = 7 * 86_400;

#[derive(Clone, Debug)]
enum Step {
    /// The organizer moves all of it, by minutes.
    MoveAll(u8),
    Place(u8),
    MoveOne(u8, u8),
    CancelOne(u8),
    Invite(u8),
    Disinvite(u8),
    Answer(u8, bool, Option<u8>),
    AttendeeMeddles(u8),
    /// Delivers one of all messages there ever were.
    Deliver(u16),
    /// The organizer's client stores what is stored already.
    Again,
}

struct World {
    now: i64,
    organizer: Object,
    people: BTreeMap<&'static str, Object>,
    mail: Vec<(String, String, Object)>,
    seen: BTreeMap<&'static str, (i32, i64)>,
}

fn calendar_of(event: Component) -> Object {
    let mut calendar = Component::new("VCALENDAR").unwrap();
    calendar.push(ContentLine::new("VERSION", "2.0").unwrap());
    calendar.push_component(event);
    Object::from(calendar)
}

fn utc(at: i64) -> Moment {
    Moment::At(crate::DateTime::Utc(crate::recur::local_of(at)))
}

fn first() -> Object {
    let mut event = Component::new("VEVENT").unwrap();
    for (name, value) in [("UID", "h"), ("RRULE", "FREQ=WEEKLY;COUNT=5"), ("DURATION", "PT30M")] {
        event.push(ContentLine::new(name, value).unwrap());
    }
    event.push(utc(START).line("DTSTART").unwrap());
    event.push(ContentLine::new("ORGANIZER", format!("mailto:{ORGANIZER}")).unwrap());
    for person in [ORGANIZER, PEOPLE[0], PEOPLE[1]] {
        event.push(ContentLine::new("ATTENDEE", format!("mailto:{person}")).unwrap());
    }
    calendar_of(event)
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: 1_795_514_400,
            organizer: first(),
            people: BTreeMap::new(),
            mail: Vec::new(),
            seen: BTreeMap::new(),
        };
        let by = Change { own: &[ORGANIZER], now: world.now, quiet: false };
        let outcome = change(None, Some(&world.organizer), &by).unwrap();
        world.post(&outcome.messages);
        world.organizer = outcome.object.unwrap();
        world
    }

    fn post(&mut self, messages: &[Outgoing]) {
        let mut told = BTreeSet::new();
        for message in messages {
            for to in &message.to {
                assert!(told.insert(to.clone()), "{to} is told twice of one change");
                self.mail.push((message.from.clone(), to.clone(), message.object.clone()));
            }
        }
    }

    /// The organizer's client changes the object.
    fn edit(&mut self, edit: impl FnOnce(&mut Object)) {
        let mut new = self.organizer.clone();
        edit(&mut new);
        let by = Change { own: &[ORGANIZER], now: self.now, quiet: false };
        let outcome = change(Some(&self.organizer), Some(&new), &by).unwrap();
        self.post(&outcome.messages);
        let stored = outcome.object.unwrap();
        let again = change(Some(&stored), Some(&stored), &by).unwrap();
        assert_eq!(again.messages, [], "what is stored is told");
        self.organizer = stored;
    }

    fn instance(&self, n: u8) -> i64 {
        let meeting = Meeting::of(&self.organizer).unwrap();
        let start = meeting.master.unwrap().line("DTSTART").unwrap().moment().unwrap();
        meeting.zones.instant(&start, &Zone::utc()) + i64::from(n % 5) * WEEK
    }

    fn step(&mut self, step: &Step) {
        self.now += 7;
        match *step {
            Step::MoveAll(by) => self.edit(|object| {
                for part in object.calendar_mut().unwrap().components_mut() {
                    if part.line("RECURRENCE-ID").is_none() {
                        part.replace(utc(START + i64::from(by) * 60).line("DTSTART").unwrap());
                        part.remove("EXDATE");
                    }
                }
                // As clients do when a series moves.
                object.calendar_mut().unwrap().retain_components(|c| c.line("RECURRENCE-ID").is_none());
            }),
            Step::Place(place) => self.edit(|object| place_at(object, &format!("room {place}"))),
            Step::MoveOne(n, by) => {
                let id = self.instance(n);
                self.edit(|object| {
                    let copy = object.clone();
                    let meeting = Meeting::of(&copy).unwrap();
                    if !meeting.overrides.contains_key(&id) && !super::timing::has_instance(&copy, id) {
                        return;
                    }
                    let mut part = match meeting.overrides.get(&id) {
                        Some(part) => (*part).clone(),
                        None => {
                            super::timing::occurrence(meeting.master.unwrap(), id, &meeting.zones).unwrap()
                        }
                    };
                    part.replace(utc(id + i64::from(by) * 60).line("DTSTART").unwrap());
                    let calendar = object.calendar_mut().unwrap();
                    calendar.retain_components(|c| meeting::recurrence_id(c, &meeting.zones) != Ok(Some(id)));
                    calendar.push_component(part);
                });
            }
            Step::CancelOne(n) => {
                let id = self.instance(n);
                self.edit(|object| super::attendee::leave_out(object, id, &Default::default()).unwrap());
            }
            Step::Invite(n) => {
                let person = PEOPLE[usize::from(n) % 3];
                self.edit(|object| {
                    for part in object.calendar_mut().unwrap().components_mut() {
                        if meeting::attendee(part, person).is_none() {
                            part.push(ContentLine::new("ATTENDEE", format!("mailto:{person}")).unwrap());
                        }
                    }
                });
            }
            Step::Disinvite(n) => {
                let person = PEOPLE[usize::from(n) % 3];
                self.edit(|object| {
                    for part in object.calendar_mut().unwrap().components_mut() {
                        part.retain_lines(|line| !line.is("ATTENDEE") || line.cal_address() != person);
                    }
                });
            }
            Step::Answer(n, yes, instance) => {
                let person = PEOPLE[usize::from(n) % 3];
                let Some(object) = self.people.get(person) else { return };
                let with = if yes { PartStat::Accepted } else { PartStat::Declined };
                let instance = instance.map(|n| utc(self.instance(n)));
                let answer = Answer { with, instance, comment: None, proposed: None };
                let by = Change { own: &[person], now: self.now, quiet: false };
                let Ok(outcome) = respond(object, &answer, &by) else { return };
                self.post(&outcome.messages);
                self.people.insert(person, outcome.object.unwrap());
            }
            Step::AttendeeMeddles(n) => {
                let person = PEOPLE[usize::from(n) % 3];
                let Some(object) = self.people.get(person) else { return };
                let mut new = object.clone();
                place_at(&mut new, "mine");
                let by = Change { own: &[person], now: self.now, quiet: false };
                let outcome = change(Some(object), Some(&new), &by).unwrap();
                assert_eq!(outcome.messages, []);
                assert_eq!(outcome.object.as_ref().unwrap().write(), object.write());
            }
            Step::Deliver(n) => {
                if !self.mail.is_empty() {
                    self.deliver(usize::from(n) % self.mail.len());
                }
            }
            Step::Again => self.edit(|_| {}),
        }
    }

    fn deliver(&mut self, n: usize) {
        let (from, to, message) = self.mail[n].clone();
        if to == ORGANIZER {
            let heard = receive(Some(&self.organizer), &message, &[ORGANIZER], &[from.as_str()], self.now);
            if let Arrival::Store(object) = heard {
                self.organizer = *object;
                let again =
                    receive(Some(&self.organizer), &message, &[ORGANIZER], &[from.as_str()], self.now);
                assert!(matches!(again, Arrival::Ignored(_)), "an answer counts twice");
            }
            return;
        }
        let person = PEOPLE.into_iter().find(|person| **person == to).unwrap();
        let heard = receive(self.people.get(person), &message, &[person], &[from.as_str()], self.now);
        if let Arrival::Store(object) = heard {
            let again = receive(Some(&object), &message, &[person], &[from.as_str()], self.now);
            assert!(matches!(again, Arrival::Ignored(_)), "a message counts twice: {again:?}");
            if let Some(master) = Meeting::of(&object).unwrap().master {
                let version = meeting::version(master);
                let before = self.seen.insert(person, version);
                assert!(before.is_none_or(|before| before <= version), "{person} goes back");
            }
            self.people.insert(person, *object);
        }
    }
}

fn place_at(object: &mut Object, place: &str) {
    for part in object.calendar_mut().unwrap().components_mut() {
        part.set(ContentLine::text("LOCATION", place).unwrap());
    }
}

/// What somebody sees: start, end and place of each instance that is on.
fn seen(object: &Object, person: &str) -> Vec<(i64, i64, String)> {
    let calendar = object.calendar().unwrap();
    let parts: Vec<&Component> = calendar.components().collect();
    let mut found = Vec::new();
    for series in Series::all(calendar).into_iter().map(Result::unwrap) {
        for instance in series.expand(0..i64::MAX, &Zone::utc(), &Bounds::default()).instances {
            let part = parts[instance.component];
            if !meeting::is_cancelled(part) && meeting::attendee(part, person).is_some() {
                let place = part.line("LOCATION").map(|line| line.to_text()).unwrap_or_default();
                found.push((instance.start, instance.end, place));
            }
        }
    }
    found
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => any::<u8>().prop_map(Step::MoveAll),
        1 => any::<u8>().prop_map(Step::Place),
        2 => (0..5_u8, any::<u8>()).prop_map(|(n, by)| Step::MoveOne(n, by)),
        1 => (0..5_u8).prop_map(Step::CancelOne),
        1 => (0..3_u8).prop_map(Step::Invite),
        1 => (0..3_u8).prop_map(Step::Disinvite),
        3 => (0..3_u8, any::<bool>(), prop::option::of(0..5_u8)).prop_map(|(p, yes, n)| Step::Answer(p, yes, n)),
        1 => (0..3_u8).prop_map(Step::AttendeeMeddles),
        9 => any::<u16>().prop_map(Step::Deliver),
        1 => Just(Step::Again),
    ];
    prop::collection::vec(step, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn all_see_the_same_in_the_end(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // From now on everything gets through.
        world.now += 7;
        let from = world.mail.len();
        world.edit(|object| place_at(object, "the last room"));
        for n in from..world.mail.len() {
            world.deliver(n);
        }
        let invited = Meeting::of(&world.organizer).unwrap().attendees();
        for person in PEOPLE.into_iter().filter(|person| invited.contains(*person)) {
            prop_assert_eq!(seen(&world.people[person], person), seen(&world.organizer, person), "{}", person);
        }
        world.now += 7;
        let from = world.mail.len();
        for n in 0..3 {
            world.step(&Step::Answer(n, true, None));
            world.step(&Step::Answer(n, false, None));
        }
        for n in from..world.mail.len() {
            world.deliver(n);
        }
        for person in PEOPLE.into_iter().filter(|person| invited.contains(*person)) {
            let theirs = Meeting::of(&world.people[person]).unwrap();
            let ours = Meeting::of(&world.organizer).unwrap();
            for (id, part) in theirs.parts().filter(|(_, part)| !meeting::is_cancelled(part)) {
                let Some(known) = ours.part(id) else { continue };
                let answer = |part| meeting::attendee(part, person).map(meeting::answer);
                prop_assert_eq!(answer(known), answer(part), "{} {:?}", person, id);
            }
        }
    }
}
