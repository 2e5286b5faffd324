//! What each command does: the state of one connection, without its bytes. RFC 5321 §4.1.4.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::auth::{self, Exchange};
use super::codec::{Collector, Fault, Line};
use super::command::{Command, CommandError, Mail, Rcpt};
use super::reply::{self, Reply};
use super::{Mode, Smtp};
use crate::delivery::{
    self, Addressee, Answers, Envelope, Incoming, Place, Receipt, Recipient, Refusal, Submitter, Trace, Via,
};
use crate::directory::{AuthError, Login, PlainLogin};

/// What the connection is to do next.
pub(super) enum Step {
    /// Read the next line.
    Line,
    /// Read the text of a message, then call [`Session::text_read`].
    Text(Collector),
    /// Read a chunk, then call [`Session::chunk_read`].
    Chunk {
        /// Its octets.
        size: u64,
        /// Whether the message ends with it.
        last: bool,
        /// The message so far.
        into: Collector,
    },
    /// Read a chunk that belongs to nothing, then say this.
    Skip(u64, Reply),
    /// Check these, then call [`Session::checked`].
    Check(PlainLogin),
    /// Hand this over, then call [`Session::accepted`].
    Deliver(Box<Incoming>),
    /// Begin TLS, then call [`Session::secured`].
    StartTls,
    /// Send what there is to say and end.
    Close,
}

/// One connection's state.
pub(super) struct Session {
    smtp: Arc<Smtp>,
    mode: Mode,
    peer: IpAddr,
    tls: bool,
    hello: Option<Hello>,
    login: Option<Box<Login>>,
    exchange: Option<Exchange>,
    transaction: Option<Transaction>,
    errors: usize,
    /// Recipients refused in transactions since a message was accepted.
    refused: usize,
    idle_commands: usize,
    auth_failures: usize,
}

struct Hello {
    name: String,
    extended: bool,
}

/// From MAIL to the end of the message.
struct Transaction {
    envelope: Envelope,
    size: usize,
    recipients: Vec<Recipient>,
    /// Recipients that were refused.
    refused: usize,
    /// The message so far, once BDAT has begun.
    chunks: Option<Collector>,
}

impl Session {
    pub(super) fn new(smtp: Arc<Smtp>, mode: Mode, peer: IpAddr, tls: bool) -> Self {
        Self {
            smtp,
            mode,
            peer,
            tls,
            hello: None,
            login: None,
            exchange: None,
            transaction: None,
            errors: 0,
            refused: 0,
            idle_commands: 0,
            auth_failures: 0,
        }
    }

    /// The first words. RFC 5321 §4.2, §4.3.1.
    pub(super) fn greet(&self, out: &mut Vec<u8>) {
        let protocol = if self.mode == Mode::Lmtp { "LMTP" } else { "ESMTP" };
        reply::write_lines(out, 220, &[format!("{} {protocol} Folkmoot", self.smtp.delivery.host_name())]);
    }

    /// Longest line that may come next, in octets with its CRLF: RFC 5321 §4.5.3.1.4 with what the
    /// extensions add, RFC 4954 §4 within AUTH.
    pub(super) fn line_max(&self) -> usize {
        if self.exchange.is_some() { 12_288 } else { 4_096 }
    }

    /// Whether part of a message is held.
    pub(super) fn is_receiving(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.chunks.is_some())
    }

    /// Acts on a line.
    pub(super) fn line(&mut self, line: Line, out: &mut Vec<u8>) -> Step {
        let step = match line {
            Line::Bare => {
                reply::write(out, reply::BARE_LINE_END);
                return Step::Close;
            }
            Line::TooLong => {
                self.exchange = None;
                self.say(out, reply::LINE_TOO_LONG)
            }
            Line::Whole(line) => match self.exchange.take() {
                Some(exchange) => self.auth_step(auth::go_on(exchange, &line), out),
                None => match Command::parse(&line) {
                    Ok(command) => self.command(command, out),
                    Err(error) => self.say(out, reply::command_error(error)),
                },
            },
        };
        if matches!(step, Step::Close) {
            return step;
        }
        let limits = &self.smtp.limits;
        if self.errors > limits.errors {
            reply::write(out, reply::TOO_MANY_ERRORS);
            return Step::Close;
        }
        if self.idle_commands > limits.idle_commands {
            reply::write(out, reply::TOO_MANY_COMMANDS);
            return Step::Close;
        }
        step
    }

    fn say(&mut self, out: &mut Vec<u8>, reply: Reply) -> Step {
        if reply.code >= 500 {
            self.errors = self.errors.saturating_add(1);
        }
        reply::write(out, reply);
        Step::Line
    }

    /// As [`Session::say`], for a command that brings no message nearer.
    fn say_idle(&mut self, out: &mut Vec<u8>, reply: Reply) -> Step {
        self.idle_commands = self.idle_commands.saturating_add(1);
        self.say(out, reply)
    }

    fn command(&mut self, command: Command, out: &mut Vec<u8>) -> Step {
        match command {
            Command::Helo(name) => self.hello(name, Hi::Helo, out),
            Command::Ehlo(name) => self.hello(name, Hi::Ehlo, out),
            Command::Lhlo(name) => self.hello(name, Hi::Lhlo, out),
            Command::Mail(mail) => self.mail(mail, out),
            Command::Rcpt(to) => self.rcpt(to, out),
            Command::Data => self.data(out),
            Command::Bdat { size, last } => self.bdat(size, last),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref(), out),
            Command::StartTls => self.start_tls(out),
            Command::Rset => {
                self.transaction = None;
                self.say_idle(out, reply::OK)
            }
            Command::Noop => self.say_idle(out, reply::OK),
            Command::Vrfy => self.say_idle(out, reply::CANNOT_VERIFY),
            Command::Expn => self.say_idle(out, reply::NO_EXPN),
            Command::Help => self.say_idle(out, reply::HELP),
            Command::Quit => {
                reply::write(out, reply::BYE);
                Step::Close
            }
        }
    }

    /// HELO, EHLO and LHLO. RFC 5321 §4.1.1.1, RFC 2033 §4.1.
    fn hello(&mut self, name: String, hi: Hi, out: &mut Vec<u8>) -> Step {
        if (hi == Hi::Lhlo) != (self.mode == Mode::Lmtp) {
            return self.say_idle(out, reply::WRONG_HELLO);
        }
        self.idle_commands = self.idle_commands.saturating_add(1);
        self.transaction = None;
        let mut lines = vec![self.smtp.delivery.host_name().to_owned()];
        if hi != Hi::Helo {
            lines.extend(self.extensions());
        }
        self.hello = Some(Hello { name, extended: hi != Hi::Helo });
        reply::write_lines(out, 250, &lines);
        Step::Line
    }

    fn extensions(&self) -> Vec<String> {
        let mut lines = vec!["PIPELINING".to_owned(), format!("SIZE {}", self.smtp.limits.message)];
        if self.smtp.tls.is_some() && !self.tls {
            lines.push("STARTTLS".into());
        }
        if self.mode == Mode::Submission && self.may_authenticate() {
            lines.push("AUTH PLAIN LOGIN".into());
        }
        lines.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"].map(String::from));
        lines
    }

    /// Passwords travel under TLS, or within the machine when so set.
    fn may_authenticate(&self) -> bool {
        self.tls || self.smtp.limits.auth_on_loopback && self.peer.is_loopback()
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> Step {
        if self.tls {
            return self.say(out, reply::ALREADY_TLS);
        }
        if self.smtp.tls.is_none() {
            return self.say(out, reply::NO_TLS_HERE);
        }
        Step::StartTls
    }

    /// TLS is active: nothing said before counts. RFC 3207 §4.2.
    pub(super) fn secured(&mut self) {
        self.tls = true;
        self.hello = None;
        self.login = None;
        self.exchange = None;
        self.transaction = None;
    }

    /// AUTH. RFC 4954 §4.
    fn auth(&mut self, mechanism: &str, initial: Option<&str>, out: &mut Vec<u8>) -> Step {
        self.idle_commands = self.idle_commands.saturating_add(1);
        let refused = if self.mode != Mode::Submission {
            Some(reply::NO_AUTH_HERE)
        } else if self.hello.is_none() {
            Some(reply::HELLO_FIRST)
        } else if self.login.is_some() {
            Some(reply::ALREADY_AUTHENTICATED)
        } else if self.transaction.is_some() {
            Some(reply::NESTED_MAIL)
        } else if !self.may_authenticate() {
            Some(reply::TLS_FIRST)
        } else {
            None
        };
        match refused {
            Some(refused) => self.say(out, refused),
            None => self.auth_step(auth::begin(mechanism, initial), out),
        }
    }

    fn auth_step(&mut self, next: auth::Next, out: &mut Vec<u8>) -> Step {
        match next {
            auth::Next::Ask(question, exchange) => {
                self.exchange = Some(exchange);
                self.say(out, question)
            }
            auth::Next::Check(credentials) => Step::Check(credentials),
            auth::Next::Fail(failure) => self.say(out, failure),
        }
    }

    /// The credentials were checked.
    pub(super) fn checked(&mut self, login: Result<Login, AuthError>, out: &mut Vec<u8>) -> Step {
        let error = match login {
            Ok(login) => {
                self.login = Some(Box::new(login));
                return self.say(out, reply::AUTHENTICATED);
            }
            Err(error) => error,
        };
        self.smtp.metrics.auth_failure("smtp");
        self.auth_failures = self.auth_failures.saturating_add(1);
        let step = self.say(out, reply::auth_error(&error));
        if matches!(error, AuthError::TooMany { .. }) {
            return Step::Close;
        }
        if self.auth_failures >= self.smtp.limits.auth_failures {
            reply::write(out, reply::TOO_MANY_ERRORS);
            return Step::Close;
        }
        step
    }

    /// MAIL. RFC 5321 §4.1.1.2, RFC 1870 §6, RFC 6409 §6.1.
    fn mail(&mut self, mail: Mail, out: &mut Vec<u8>) -> Step {
        let max = self.smtp.limits.message;
        let size = mail.size.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let refused = if self.hello.is_none() {
            Some(reply::HELLO_FIRST)
        } else if self.transaction.is_some() {
            Some(reply::NESTED_MAIL)
        } else if self.mode == Mode::Submission && self.login.is_none() {
            Some(reply::AUTH_FIRST)
        } else if size > max {
            Some(reply::TOO_BIG)
        } else {
            None
        };
        if let Some(refused) = refused {
            return self.say(out, refused);
        }
        // A message to a list of stale addresses may have many; one such after the other tries them out.
        if self.refused >= self.smtp.limits.errors {
            reply::write(out, reply::TOO_MANY_ERRORS);
            return Step::Close;
        }
        match self.sender_is_allowed(&mail) {
            Ok(None) => {}
            Ok(Some(refused)) => return self.say(out, refused),
            Err(error) => return self.unavailable(&error, out),
        }
        self.transaction = Some(Transaction {
            envelope: mail.envelope,
            size,
            recipients: Vec::new(),
            refused: 0,
            chunks: None,
        });
        self.say(out, reply::SENDER_OK)
    }

    /// Why an authenticated client may not send with this envelope, if so. Anybody may send with the
    /// null sender: reading receipts have it.
    fn sender_is_allowed(&mut self, mail: &Mail) -> Result<Option<Reply>, delivery::Error> {
        let Some(login) = &self.login else { return Ok(None) };
        if !self.smtp.directory.is_current(login)? {
            self.login = None;
            return Ok(Some(reply::AUTH_FIRST));
        }
        let Some(sender) = &mail.envelope.sender else { return Ok(None) };
        let allowed = self.smtp.delivery.may_send_as(login.account.id.0, sender)?;
        Ok((!allowed).then_some(reply::SENDER_NOT_YOURS))
    }

    /// RCPT. RFC 5321 §4.1.1.3.
    fn rcpt(&mut self, to: Rcpt, out: &mut Vec<u8>) -> Step {
        let Some(transaction) = &self.transaction else { return self.say(out, reply::MAIL_FIRST) };
        if transaction.chunks.is_some() {
            return self.say(out, reply::CHUNKS_UNDER_WAY);
        }
        let limits = &self.smtp.limits;
        if transaction.recipients.len() >= limits.recipients || transaction.refused >= limits.errors {
            return self.say(out, reply::TOO_MANY_RECIPIENTS);
        }
        let (smtputf8, size) = (transaction.envelope.smtputf8, transaction.size);
        let addressee = match to {
            Rcpt::To(addressee) => addressee,
            Rcpt::Postmaster { notify, orcpt } => match self.smtp.delivery.postmaster() {
                Ok(Some(address)) => Addressee { address, notify, orcpt },
                Ok(None) => return self.refuse_recipient(reply::NO_SUCH_USER, out),
                Err(error) => return self.unavailable(&error, out),
            },
        };
        if !smtputf8 && !addressee.address.is_ascii() {
            return self.say(out, reply::command_error(CommandError::NeedsUtf8));
        }
        let place = match self.smtp.delivery.locate(&addressee.address) {
            Ok(Place::Remote) if self.mode != Mode::Submission => {
                return self.refuse_recipient(reply::RELAY_DENIED, out);
            }
            Ok(Place::Nowhere) => return self.refuse_recipient(reply::NO_SUCH_USER, out),
            Ok(place) => place,
            Err(error) => return self.unavailable(&error, out),
        };
        match self.smtp.delivery.has_room(place, size) {
            Ok(true) => {}
            Ok(false) => return self.say(out, reply::refusal(Refusal::OverQuota)),
            Err(error) => return self.unavailable(&error, out),
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(Recipient { addressee, place });
        }
        self.say(out, reply::RECIPIENT_OK)
    }

    /// Counted so that addresses cannot be tried out one by one, but not in a server of our own. The good
    /// recipients of the same message are not lost for that.
    fn refuse_recipient(&mut self, refused: Reply, out: &mut Vec<u8>) -> Step {
        if self.mode != Mode::Lmtp {
            self.refused = self.refused.saturating_add(1);
            if let Some(transaction) = &mut self.transaction {
                transaction.refused = transaction.refused.saturating_add(1);
            }
        }
        reply::write(out, refused);
        Step::Line
    }

    fn unavailable(&mut self, error: &delivery::Error, out: &mut Vec<u8>) -> Step {
        tracing::warn!(%error, "cannot answer a command");
        self.say(out, reply::delivery_error(error).unwrap_or(reply::TEMPORARY))
    }

    /// DATA. RFC 5321 §4.1.1.4, RFC 2033 §4.2.
    fn data(&mut self, out: &mut Vec<u8>) -> Step {
        let refused = match &self.transaction {
            None => reply::MAIL_FIRST,
            Some(transaction) if transaction.chunks.is_some() => reply::CHUNKS_UNDER_WAY,
            Some(transaction) if transaction.recipients.is_empty() => reply::NO_RECIPIENTS,
            Some(transaction) => {
                reply::write(out, reply::GO_AHEAD);
                return Step::Text(Collector::new(self.smtp.limits.message, transaction.size));
            }
        };
        self.say(out, refused)
    }

    /// The text was read to its end.
    pub(super) fn text_read(&mut self, text: Collector, out: &mut Vec<u8>) -> Step {
        self.message_read(text.finish(), out)
    }

    /// BDAT. RFC 3030 §2: the chunk comes whatever is answered.
    fn bdat(&mut self, size: u64, last: bool) -> Step {
        let max = self.smtp.limits.message;
        if size == 0 && !last {
            self.idle_commands = self.idle_commands.saturating_add(1);
        }
        let refused = match &mut self.transaction {
            None => reply::MAIL_FIRST,
            Some(transaction) if transaction.recipients.is_empty() => reply::NO_RECIPIENTS,
            Some(transaction) => {
                let mut into =
                    transaction.chunks.take().unwrap_or_else(|| Collector::new(max, transaction.size));
                if size > u64::try_from(max).unwrap_or(u64::MAX) {
                    into.fail(Fault::TooBig);
                }
                return Step::Chunk { size, last, into };
            }
        };
        self.errors = self.errors.saturating_add(1);
        Step::Skip(size, refused)
    }

    /// A chunk was read to its end.
    pub(super) fn chunk_read(&mut self, chunks: Collector, last: bool, out: &mut Vec<u8>) -> Step {
        if last {
            return self.message_read(chunks.finish(), out);
        }
        let fault = chunks.fault();
        if let Some(transaction) = &mut self.transaction {
            transaction.chunks = Some(chunks);
        }
        self.say(out, fault.map_or(reply::CHUNK_OK, reply::fault))
    }

    fn message_read(&mut self, message: Result<Bytes, Fault>, out: &mut Vec<u8>) -> Step {
        let Some(transaction) = self.transaction.take() else { return Step::Line };
        match message {
            Ok(body) => Step::Deliver(Box::new(self.incoming(transaction, body))),
            Err(fault) => {
                let replies = if self.mode == Mode::Lmtp { transaction.recipients.len() } else { 1 };
                for _ in 0..replies {
                    reply::write(out, reply::fault(fault));
                }
                self.errors = self.errors.saturating_add(1);
                Step::Line
            }
        }
    }

    fn incoming(&self, transaction: Transaction, body: Bytes) -> Incoming {
        let Transaction { envelope, recipients, .. } = transaction;
        let trace = Trace {
            via: Some(Via {
                name: self.hello.as_ref().map(|hello| hello.name.clone()).unwrap_or_default(),
                address: self.peer,
            }),
            with: self.transmission_type(envelope.smtputf8),
        };
        let answers = if self.mode == Mode::Lmtp { Answers::Each } else { Answers::One };
        let submitter = self
            .login
            .as_ref()
            .map(|login| Submitter { account: login.account.id.0, domain: login.account.domain.0 });
        Incoming { envelope, recipients, trace, submitter, answers, body }
    }

    /// The `with` of Received. RFC 3848, RFC 6531 §4.3.
    fn transmission_type(&self, smtputf8: bool) -> String {
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        let base = match (self.mode, smtputf8) {
            (Mode::Lmtp, false) => "LMTP",
            (Mode::Lmtp, true) => "UTF8LMTP",
            (_, true) => "UTF8SMTP",
            (_, false) if extended => "ESMTP",
            (_, false) => return "SMTP".into(),
        };
        let tls = if self.tls { "S" } else { "" };
        let auth = if self.login.is_some() { "A" } else { "" };
        format!("{base}{tls}{auth}")
    }

    /// The message was handed over, or not.
    pub(super) fn accepted(
        &mut self,
        recipients: usize,
        outcome: Result<Receipt, delivery::Error>,
        out: &mut Vec<u8>,
    ) -> Step {
        let receipt = match outcome {
            Ok(receipt) => receipt,
            Err(error) => {
                tracing::warn!(%error, "a message was not accepted");
                let Some(answer) = reply::delivery_error(&error) else { return Step::Close };
                let replies = if self.mode == Mode::Lmtp { recipients } else { 1 };
                for _ in 0..replies {
                    reply::write(out, answer);
                }
                return Step::Line;
            }
        };
        (self.errors, self.refused, self.idle_commands) = (0, 0, 0);
        if self.mode == Mode::Lmtp {
            for verdict in &receipt.verdicts {
                reply::write(out, verdict.map_or_else(reply::refusal, |()| reply::DELIVERED));
            }
        } else {
            // What some recipients did not get is returned to the sender by mail.
            match receipt.verdicts.iter().find_map(|v| v.err()).filter(|_| !receipt.accepted()) {
                Some(refusal) => reply::write(out, reply::refusal(refusal)),
                None => reply::write_accepted(out, &receipt.id),
            }
        }
        Step::Line
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hi {
    Helo,
    Ehlo,
    Lhlo,
}
