//! What the queue's worker has at hand: due messages by destination, who sends them, and whose turn it is.

use std::collections::{HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::entry::{Destination, QueueId};

/// Most due messages held for one destination; what is due beyond waits in the schedule.
pub(super) const HELD_PER_DESTINATION: usize = 200;
/// Most due messages held.
pub(super) const HELD: usize = 100_000;

/// What is being worked on.
#[derive(Default)]
pub(super) struct Work {
    state: Mutex<State>,
    pub(super) notify: Notify,
}

#[derive(Default)]
struct State {
    /// Due messages by destination.
    ready: HashMap<Destination, VecDeque<QueueId>>,
    /// The destinations of `ready`, the one whose turn is next in front.
    turns: VecDeque<Destination>,
    /// All that are due or being tried: what the schedule has and the worker need not take again.
    taken: HashSet<QueueId>,
    /// Who sends, by destination.
    runners: HashMap<Destination, Runners>,
    /// Destinations of which the schedule has more that is due.
    more: HashSet<Destination>,
    /// Destinations that could not be reached at the latest attempt.
    failing: HashSet<Destination>,
    /// A destination waits for a runner, and there may be no more runners.
    crowded: bool,
}

#[derive(Default)]
struct Runners {
    running: usize,
    /// Those that have a message.
    busy: usize,
    /// The destination refused a connection while it had others: it gets no more beside them.
    narrow: bool,
}

/// What became of an offered message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Offered {
    /// It is at hand, or was before, or its destination has enough.
    Noted,
    /// Nothing more can be taken at all.
    Full,
}

impl Work {
    /// Has the worker look at the schedule.
    pub(super) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Takes a due message, if it is new and there is room.
    pub(super) fn offer(&self, id: QueueId, destination: Destination) -> Offered {
        let mut state = self.state.lock();
        if state.taken.contains(&id) {
            return Offered::Noted;
        }
        if state.taken.len() >= HELD {
            return Offered::Full;
        }
        let State { ready, turns, taken, more, .. } = &mut *state;
        let queue = ready.entry(destination.clone()).or_insert_with(|| {
            turns.push_back(destination.clone());
            VecDeque::new()
        });
        if queue.len() < HELD_PER_DESTINATION {
            queue.push_back(id);
            taken.insert(id);
        } else {
            more.insert(destination);
        }
        Offered::Noted
    }

    /// Leaves a message alone as long as this process lives.
    pub(super) fn set_aside(&self, id: QueueId) {
        self.state.lock().taken.insert(id);
    }

    /// Whether the message is at hand.
    pub(super) fn has(&self, id: QueueId) -> bool {
        self.state.lock().taken.contains(&id)
    }

    /// Destinations that get a runner each, which is counted as running. Round by round, so that nobody has
    /// a second one while another has none.
    pub(super) fn start(&self, per_destination: usize, all: usize) -> Vec<Destination> {
        let mut state = self.state.lock();
        let State { ready, turns, runners, crowded, .. } = &mut *state;
        ready.retain(|_, queue| !queue.is_empty());
        turns.retain(|destination| ready.contains_key(destination));
        runners.retain(|_, runners| runners.running > 0);
        let mut total: usize = runners.values().map(|runners| runners.running).sum();
        let mut started = Vec::new();
        *crowded = false;
        for round in 1..=per_destination {
            for _ in 0..turns.len() {
                let Some(destination) = turns.pop_front() else { break };
                let waiting = ready.get(&destination).map_or(0, VecDeque::len);
                let its = runners.entry(destination.clone()).or_default();
                let idle = its.running.saturating_sub(its.busy);
                if its.running >= round || idle >= waiting || its.narrow && its.running > 0 {
                    turns.push_back(destination);
                    continue;
                }
                if total >= all {
                    *crowded |= its.running == 0;
                    turns.push_front(destination);
                    return started;
                }
                (its.running, total) = (its.running.saturating_add(1), total.saturating_add(1));
                started.push(destination.clone());
                turns.push_back(destination);
            }
        }
        started
    }

    /// The next message for a runner of `destination`, which is busy until [`Work::release`].
    pub(super) fn take_next(&self, destination: &Destination) -> Option<QueueId> {
        let mut state = self.state.lock();
        let queue = state.ready.get_mut(destination)?;
        let id = queue.pop_front()?;
        let low = queue.len() < HELD_PER_DESTINATION / 2;
        if let Some(its) = state.runners.get_mut(destination) {
            its.busy = its.busy.saturating_add(1);
        }
        if low && state.more.remove(destination) {
            self.wake();
        }
        Some(id)
    }

    /// All that is at hand for `destination`; give it back with [`Work::forget`].
    pub(super) fn take_rest(&self, destination: &Destination) -> Vec<QueueId> {
        let mut state = self.state.lock();
        let rest = state.ready.get_mut(destination).map(std::mem::take).unwrap_or_default();
        if state.more.remove(destination) {
            self.wake();
        }
        rest.into()
    }

    /// The runner of `destination` is done with `id`, which can be taken again unless `keep` says not.
    pub(super) fn release(&self, destination: &Destination, id: QueueId, keep: bool) {
        let mut state = self.state.lock();
        if !keep {
            state.taken.remove(&id);
        }
        if let Some(its) = state.runners.get_mut(destination) {
            its.busy = its.busy.saturating_sub(1);
        }
    }

    /// These can be taken again.
    pub(super) fn forget(&self, ids: &[QueueId]) {
        let mut state = self.state.lock();
        for id in ids {
            state.taken.remove(id);
        }
    }

    /// A runner of `destination` has ended.
    pub(super) fn ended(&self, destination: &Destination) {
        let mut state = self.state.lock();
        if let Some(its) = state.runners.get_mut(destination) {
            its.running = its.running.saturating_sub(1);
            its.narrow &= its.running > 0;
        }
    }

    /// Whether a destination waits for the place of some runner.
    pub(super) fn is_crowded(&self) -> bool {
        self.state.lock().crowded
    }

    /// Notes that a runner of `destination` could not connect. True when the destination is as good as
    /// down; false when others are connected to it, so that it only wants no more of them.
    pub(super) fn unreachable(&self, destination: &Destination) -> bool {
        let mut state = self.state.lock();
        match state.runners.get_mut(destination) {
            Some(its) if its.running > 1 => {
                its.narrow = true;
                false
            }
            _ => {
                state.failing.insert(destination.clone());
                true
            }
        }
    }

    /// These could not be reached before the server was started.
    pub(super) fn remember_failing(&self, destinations: HashSet<Destination>) {
        self.state.lock().failing.extend(destinations);
    }

    /// Notes that a destination takes mail; true when it could not be reached before.
    pub(super) fn revived(&self, destination: &Destination) -> bool {
        self.state.lock().failing.remove(destination)
    }

    /// Whether nothing is being sent.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.taken.is_empty() && state.runners.values().all(|its| its.running == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Domain;
    use super::*;

    fn to(name: &str) -> Destination {
        Destination::Domain(Domain::Name(name.into()))
    }

    #[test]
    fn a_thousand_messages_for_one_place_leave_room_for_others() {
        let work = Work::default();
        for n in 0..1_000 {
            assert_eq!(work.offer(QueueId(n), to("tar.test")), Offered::Noted);
        }
        work.offer(QueueId(5_000), to("quick.test"));
        assert_eq!(work.start(4, 20).iter().filter(|d| **d == to("quick.test")).count(), 1);
        assert_eq!(work.take_next(&to("quick.test")), Some(QueueId(5_000)));
        // What was passed over is asked for once half of what is held has gone.
        for n in 0..200 {
            assert!(work.has(QueueId(n)) && !work.has(QueueId(n + 200)));
            assert_eq!(work.take_next(&to("tar.test")), Some(QueueId(n)));
        }
        assert!(work.state.lock().more.is_empty());
    }

    #[test]
    fn nobody_has_a_second_connection_while_another_has_none() {
        let work = Work::default();
        for n in 0..100 {
            work.offer(QueueId(n), to(&format!("tar{}.test", n % 5)));
        }
        let started = work.start(4, 8);
        assert_eq!(started.len(), 8);
        for n in 0..5 {
            let its = started.iter().filter(|d| **d == to(&format!("tar{n}.test"))).count();
            assert!((1..=2).contains(&its));
        }
        assert!(!work.is_crowded());
        started.iter().for_each(|d| assert!(work.take_next(d).is_some()));
        work.offer(QueueId(500), to("quick.test"));
        assert!(work.start(4, 8).is_empty());
        assert!(work.is_crowded(), "somebody is to make way");
        work.ended(&started[0]);
        assert_eq!(work.start(4, 8), [to("quick.test")]);
    }

    #[test]
    fn a_refused_connection_beside_others_is_no_failure_of_the_place() {
        let work = Work::default();
        for n in 0..9 {
            work.offer(QueueId(n), to("busy.test"));
        }
        assert_eq!(work.start(2, 9).len(), 2);
        assert!(!work.unreachable(&to("busy.test")));
        work.ended(&to("busy.test"));
        assert!(work.start(2, 9).is_empty(), "the one that works goes on alone");
        assert!(!work.revived(&to("busy.test")));
        assert!(work.unreachable(&to("busy.test")));
        work.ended(&to("busy.test"));
        assert!(work.revived(&to("busy.test")));
        assert_eq!(work.start(2, 9).len(), 2);
    }
}
