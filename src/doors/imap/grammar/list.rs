//! What LIST, LSUB and STATUS ask for. RFC 9051 §6.3.9, §6.3.11; RFC 3501 §6.3.9.

use super::Refusal;
use super::input::{Input, Parsed};

/// Most patterns of one LIST.
const PATTERNS_MAX: usize = 32;
/// Most options of a list of options.
const OPTIONS_MAX: usize = 16;

/// LIST or LSUB.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::doors::imap) struct List {
    /// Whether LSUB is asked, which answers under its own name.
    pub(in crate::doors::imap) is_lsub: bool,
    /// What the patterns stand below.
    pub(in crate::doors::imap) reference: String,
    /// At least one.
    pub(in crate::doors::imap) patterns: Vec<String>,
    /// Only subscribed mailboxes.
    pub(in crate::doors::imap) only_subscribed: bool,
    /// Only mailboxes with a role.
    pub(in crate::doors::imap) only_special: bool,
    /// Also mailboxes that are not selected by the options, but have some below them that are. RFC 9051 §6.3.9.1.
    pub(in crate::doors::imap) recursive: bool,
    /// Whether the client's rights follow each mailbox. RFC 8440.
    pub(in crate::doors::imap) tell_rights: bool,
    /// Whether the answer says which are subscribed.
    pub(in crate::doors::imap) tell_subscribed: bool,
    /// STATUS items that follow each mailbox. RFC 9051 §6.3.9.8.
    pub(in crate::doors::imap) status: Vec<StatusItem>,
}

/// One `status-att`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum StatusItem {
    Messages,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    Size,
    /// Revision 1 only; nothing is ever recent here.
    Recent,
    /// RFC 7162 §3.1.7.
    HighestModSeq,
    /// RFC 8474 §4.2.
    MailboxId,
    /// Octets of what is marked deleted. RFC 9208 §4.1.4.
    DeletedStorage,
}

impl List {
    /// After `LIST`.
    pub(super) fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        let mut list = Self::default();
        input.space()?;
        if input.peek() == Some(b'(') {
            list.selection(input)?;
            input.space()?;
        }
        list.reference = input.mailbox()?;
        input.space()?;
        list.patterns = if input.peek() == Some(b'(') {
            input.list(PATTERNS_MAX, false, Input::list_mailbox)?
        } else {
            vec![input.list_mailbox()?]
        };
        if input.eat(b' ') {
            if !input.eat_word("RETURN") {
                return Err(Refusal::Syntax("expected RETURN"));
            }
            input.space()?;
            list.returns(input)?;
        }
        Ok(list)
    }

    /// After `LSUB`.
    pub(super) fn parse_lsub(input: &mut Input<'_>) -> Parsed<Self> {
        input.space()?;
        let reference = input.mailbox()?;
        input.space()?;
        let patterns = vec![input.list_mailbox()?];
        Ok(Self { is_lsub: true, reference, patterns, only_subscribed: true, ..Self::default() })
    }

    /// `list-select-opts`
    fn selection(&mut self, input: &mut Input<'_>) -> Parsed<()> {
        let options = input.list(OPTIONS_MAX, true, |input| input.keyword("expected a selection option"))?;
        for option in &options {
            match option.as_str() {
                "SUBSCRIBED" => self.only_subscribed = true,
                "SPECIAL-USE" => self.only_special = true,
                // There are none elsewhere.
                "REMOTE" => {}
                "RECURSIVEMATCH" => self.recursive = true,
                _ => return Err(Refusal::Syntax("unknown selection option")),
            }
        }
        // RFC 9051 §6.3.9.1: it needs an option that selects something.
        if self.recursive && !self.only_subscribed && !self.only_special {
            return Err(Refusal::Syntax("RECURSIVEMATCH needs another selection option"));
        }
        // RFC 9051 §6.3.9.1: SUBSCRIBED implies that it is told.
        self.tell_subscribed |= self.only_subscribed;
        Ok(())
    }

    /// `return-opts`
    fn returns(&mut self, input: &mut Input<'_>) -> Parsed<()> {
        let mut status = Vec::new();
        let options = input.list(OPTIONS_MAX, true, |input| {
            let option = input.keyword("expected a return option")?;
            if option == "STATUS" {
                input.space()?;
                status = StatusItem::parse_list(input)?;
            }
            Ok(option)
        })?;
        self.status = status;
        for option in &options {
            match option.as_str() {
                "SUBSCRIBED" => self.tell_subscribed = true,
                "MYRIGHTS" => self.tell_rights = true,
                // These are told without being asked for.
                "CHILDREN" | "SPECIAL-USE" | "STATUS" => {}
                _ => return Err(Refusal::Syntax("unknown return option")),
            }
        }
        Ok(())
    }
}

impl StatusItem {
    /// `"(" status-att *(SP status-att) ")"`
    pub(super) fn parse_list(input: &mut Input<'_>) -> Parsed<Vec<Self>> {
        let mut items: Vec<Self> = Vec::new();
        for item in input.list(OPTIONS_MAX, false, Self::parse)? {
            if !items.contains(&item) {
                items.push(item);
            }
        }
        Ok(items)
    }

    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        Ok(match input.keyword("expected a STATUS item")?.as_str() {
            "MESSAGES" => Self::Messages,
            "UIDNEXT" => Self::UidNext,
            "UIDVALIDITY" => Self::UidValidity,
            "UNSEEN" => Self::Unseen,
            "DELETED" => Self::Deleted,
            "SIZE" => Self::Size,
            "RECENT" => Self::Recent,
            "HIGHESTMODSEQ" => Self::HighestModSeq,
            "MAILBOXID" => Self::MailboxId,
            "DELETED-STORAGE" => Self::DeletedStorage,
            _ => return Err(Refusal::Syntax("unknown STATUS item")),
        })
    }
}
