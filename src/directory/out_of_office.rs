//! The out-of-office message of an account: a setting that doors show and by which delivery answers.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Longest text of one message, in bytes.
pub const OUT_OF_OFFICE_TEXT_MAX: usize = 32 << 10;

/// What is answered while the owner is away.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OutOfOffice {
    /// Whether anything is answered.
    pub state: OutOfOfficeState,
    /// When the owner said so: each sender is answered anew in each such period.
    pub since: Millis,
    /// To senders of this server.
    pub internal: OutOfOfficeMessage,
    /// To others whom the owner knows.
    pub external_known: OutOfOfficeMessage,
    /// To all others.
    pub external_unknown: OutOfOfficeMessage,
}

/// When anything is answered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum OutOfOfficeState {
    /// Never.
    #[default]
    Off,
    /// From now on.
    On,
    /// From `start` until before `end`.
    Between {
        /// The first moment.
        start: Millis,
        /// The moment after the last.
        end: Millis,
    },
}

/// One of the messages.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OutOfOfficeMessage {
    /// Whether these senders get it.
    pub enabled: bool,
    /// The text, as the owner wrote it. HTML is not sanitised: it is sent as everything its owner writes is.
    pub text: String,
    /// Whether the text is HTML.
    pub is_html: bool,
}

impl OutOfOffice {
    /// The name of the setting.
    pub const SETTING: &str = "out-of-office";

    /// Takes over when anything is answered, as the owner says at `now`.
    pub fn set_state(&mut self, state: OutOfOfficeState, now: Millis) {
        if self.state != state {
            *self = Self { state, since: now, ..std::mem::take(self) };
        }
    }

    /// Whether the owner is away at `now`.
    pub fn is_away(&self, now: Millis) -> bool {
        match self.state {
            OutOfOfficeState::Off => false,
            OutOfOfficeState::On => true,
            OutOfOfficeState::Between { start, end } => (start..end).contains(&now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn away_between_two_times() {
        let mut away = OutOfOffice::default();
        assert!(!away.is_away(5));
        away.state = OutOfOfficeState::Between { start: 5, end: 7 };
        assert_eq!([4, 5, 6, 7].map(|now| away.is_away(now)), [false, true, true, false]);
        away.state = OutOfOfficeState::On;
        assert!(away.is_away(5));
        away.set_state(OutOfOfficeState::On, 9);
        assert_eq!(away.since, 0, "nothing new");
        away.set_state(OutOfOfficeState::Off, 9);
        assert_eq!((away.since, away.is_away(9)), (9, false));
        let text = serde_json::to_string(&away).unwrap();
        assert_eq!(serde_json::from_str::<OutOfOffice>(&text).unwrap(), away);
        assert_eq!(serde_json::from_str::<OutOfOffice>("{}").unwrap(), OutOfOffice::default());
    }
}
