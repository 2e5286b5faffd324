//! The words of scheduling: methods and answers. RFC 5546, RFC 5545 §3.2.12.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;
use crate::line::is_token;

/// What a scheduling message asks or tells. RFC 5546 §1.4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// An event is made known; no answer is wanted.
    Publish,
    /// An invitation, or a newer version of one.
    Request,
    /// An attendee's answer.
    Reply,
    /// More instances of a recurring event.
    Add,
    /// An event, or some of its instances, is called off.
    Cancel,
    /// An attendee asks for the latest version.
    Refresh,
    /// An attendee proposes something else.
    Counter,
    /// The organizer turns that down.
    DeclineCounter,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Publish,
        Self::Request,
        Self::Reply,
        Self::Add,
        Self::Cancel,
        Self::Refresh,
        Self::Counter,
        Self::DeclineCounter,
    ];

    /// The value of METHOD.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Request => "REQUEST",
            Self::Reply => "REPLY",
            Self::Add => "ADD",
            Self::Cancel => "CANCEL",
            Self::Refresh => "REFRESH",
            Self::Counter => "COUNTER",
            Self::DeclineCounter => "DECLINECOUNTER",
        }
    }

    /// True for what an organizer sends to attendees, false for what an attendee sends to the organizer.
    /// RFC 5546 §1.4.
    pub fn is_of_organizer(self) -> bool {
        match self {
            Self::Publish | Self::Request | Self::Add | Self::Cancel | Self::DeclineCounter => true,
            Self::Reply | Self::Refresh | Self::Counter => false,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Invalid;

    /// Reads a value of METHOD; case does not count.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text));
        found.ok_or(Invalid("no method of RFC 5546"))
    }
}

/// Whether an attendee takes part. RFC 5545 §3.2.12.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub enum PartStat {
    /// No answer yet; what stands for an absent parameter.
    #[default]
    NeedsAction,
    /// Yes.
    Accepted,
    /// No.
    Declined,
    /// Perhaps.
    Tentative,
    /// Somebody else in one's place.
    Delegated,
    /// A to-do is done.
    Completed,
    /// A to-do is being done.
    InProcess,
    /// A word of others, in upper case; it counts as [`PartStat::NeedsAction`].
    Other(String),
}

impl PartStat {
    /// The value of PARTSTAT.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NeedsAction => "NEEDS-ACTION",
            Self::Accepted => "ACCEPTED",
            Self::Declined => "DECLINED",
            Self::Tentative => "TENTATIVE",
            Self::Delegated => "DELEGATED",
            Self::Completed => "COMPLETED",
            Self::InProcess => "IN-PROCESS",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for PartStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PartStat {
    type Err = Invalid;

    /// Reads a value of PARTSTAT; case does not count.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !is_token(text) {
            return Err(Invalid("a PARTSTAT is made of letters, digits and hyphens"));
        }
        let word = text.to_ascii_uppercase();
        Ok(match word.as_str() {
            "NEEDS-ACTION" => Self::NeedsAction,
            "ACCEPTED" => Self::Accepted,
            "DECLINED" => Self::Declined,
            "TENTATIVE" => Self::Tentative,
            "DELEGATED" => Self::Delegated,
            "COMPLETED" => Self::Completed,
            "IN-PROCESS" => Self::InProcess,
            _ => Self::Other(word),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_back_in_any_case() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
            assert_eq!(method.as_str().to_lowercase().parse(), Ok(method));
        }
        for bad in ["", "REQUESTS", " REQUEST", "X-REQUEST"] {
            assert!(bad.parse::<Method>().is_err(), "{bad}");
        }
        let of_attendees: Vec<_> = Method::ALL.into_iter().filter(|m| !m.is_of_organizer()).collect();
        assert_eq!(of_attendees, [Method::Reply, Method::Refresh, Method::Counter]);
    }

    #[test]
    fn answers_read_back_and_others_are_kept() {
        for word in
            ["NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED", "COMPLETED", "IN-PROCESS"]
        {
            let read: PartStat = word.to_lowercase().parse().unwrap();
            assert_eq!(read.to_string(), word);
            assert!(!matches!(read, PartStat::Other(_)));
        }
        assert_eq!("x-maybe".parse(), Ok(PartStat::Other("X-MAYBE".into())));
        assert!("a;b".parse::<PartStat>().is_err() && "".parse::<PartStat>().is_err());
        assert_eq!(PartStat::default(), PartStat::NeedsAction);
    }
}
