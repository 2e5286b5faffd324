//! One connection: commands are read, done one after the other and answered.
//!
//! Every command ends the same way: what changed in the selected mailbox is told as far as the command
//! allows it, then the tagged answer goes out.

use std::sync::Arc;

use super::Imap;
use super::cmd::{
    acl, append, capability, compress, enable, expunge, fetch, folder, idle, list, login, namespace, quota,
    search, select, sort, status, store, thread, transfer,
};
use super::deflate::Compressors;
use super::grammar::{self, Command, Refused, Request};
use super::out::Out;
use super::reply::{Answer, Code, Stop};
use super::room::Room;
use super::state::{Enabled, Selected, State, Updates, User};
use super::wire::{Accepts, Ended, Frame, Wire};
use crate::mailbox::{Error, Mailbox};
use crate::net::{Peer, Stream};
use crate::services::Services;

/// Longest command before a login, in bytes, literals included.
const COMMAND_MAX_BEFORE: usize = 8 << 10;
/// Longest command after it.
const COMMAND_MAX: usize = 64 << 10;
/// Bad commands in a row after which the connection is closed.
const BAD_MAX: u32 = 20;
/// Commands before a login after which the connection is closed.
const BEFORE_MAX: u32 = 50;

/// For how long a login is taken to be good, in milliseconds.
const CHECK_AFTER: u64 = 5_000;

/// Serves one connection to its end. IMAPS comes here already encrypted.
pub async fn serve(imap: Arc<Imap>, stream: Stream, peer: Peer) {
    let within = imap.services.config.limits.tls_handshake;
    let mut session = Session::new(&imap, stream, peer);
    let mut greets = true;
    loop {
        match session.run(greets).await {
            End::Closed => return session.wire.close().await,
            End::StartTls => {
                let Session { wire, peer, .. } = session;
                match wire.into_stream().starttls(&imap.tls.acceptor(peer.listener), within).await {
                    Ok(stream) => session = Session::new(&imap, stream, peer),
                    Err(e) => return tracing::debug!(error = %e, "no TLS after STARTTLS"),
                }
                // RFC 9051 §6.2.1: the client knows us, and asks for capabilities again.
                greets = false;
            }
        }
    }
}

/// One client, from its first byte or from its TLS handshake on.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) peer: Peer,
    pub(super) services: Arc<Services>,
    pub(super) room: Room,
    compressors: Compressors,
    pub(super) state: State,
    pub(super) enabled: Enabled,
    pub(super) refused_logins: u32,
    bad: u32,
    before_login: u32,
}

/// How a session ends.
enum End {
    Closed,
    StartTls,
}

/// What comes next.
enum Next {
    Go,
    End(End),
}

impl Session {
    fn new(imap: &Imap, stream: Stream, peer: Peer) -> Self {
        Self {
            wire: Wire::new(stream),
            peer,
            services: imap.services.clone(),
            room: imap.room.clone(),
            compressors: imap.compressors.clone(),
            state: State::NotAuthenticated,
            enabled: Enabled::default(),
            refused_logins: 0,
            bad: 0,
            before_login: 0,
        }
    }

    /// Whether passwords may be sent: under TLS, or where a setting trusts the loopback interface.
    pub(super) fn may_log_in(&self) -> bool {
        self.wire.stream().is_encrypted()
            || (self.services.config.auth.clear_text_on_loopback
                && self.peer.address.ip().to_canonical().is_loopback())
    }

    pub(super) fn may_start_tls(&self) -> bool {
        !self.wire.stream().is_encrypted()
    }

    async fn run(&mut self, greets: bool) -> End {
        if greets {
            let greeting = Answer::ok_with(Code::Capability(capability::list(self)), "Folkmoot is ready");
            if self.wire.write(format!("* {greeting}\r\n").as_bytes()).await.is_err() {
                return End::Closed;
            }
        }
        loop {
            // Boxed: what a parked connection keeps is the future of the wait, not of the work.
            let next = match self.next().await {
                Ok(frame) => Box::pin(self.frame(frame)).await,
                Err(stop) => Err(stop),
            };
            match next {
                Ok(Next::Go) => {}
                Ok(Next::End(end)) => return end,
                Err(Stop::Bye(why)) => {
                    // The client may be gone, and the connection ends anyway.
                    let _ = self.wire.write(format!("* BYE {why}\r\n").as_bytes()).await;
                    return End::Closed;
                }
                Err(Stop::Answer(_) | Stop::Gone) => return End::Closed,
            }
        }
    }

    /// Waits for the next command.
    async fn next(&mut self) -> Result<Frame, Stop> {
        let limits = &self.services.config.limits;
        let (accepts, wait) = match self.state {
            State::NotAuthenticated => {
                (Accepts { command: COMMAND_MAX_BEFORE, messages: false }, limits.imap_login)
            }
            _ => (Accepts { command: COMMAND_MAX, messages: true }, limits.imap_idle),
        };
        tokio::select! {
            frame = self.wire.command(accepts) => Ok(frame?),
            () = self.services.shutdown.begun() => Err(Stop::Bye("the server is going down")),
            () = tokio::time::sleep(wait) => Err(Stop::Bye("nothing was heard for too long")),
        }
    }

    async fn frame(&mut self, frame: Frame) -> Result<Next, Stop> {
        let request = match frame {
            Frame::Command(bytes) => grammar::parse(&bytes, self.enabled.form()),
            Frame::TooLarge { start } => {
                let answer = Answer::no(Code::TooBig, "the literal is too large");
                self.count(&answer)?;
                return self.answer(grammar::tag(&start).as_deref(), answer).await;
            }
            Frame::Append { start, literal } => {
                check_login(self).await?;
                let (tag, answer) = append::append(self, &start, literal).await?;
                return self.finish(tag.as_deref(), Updates::All, answer).await;
            }
            Frame::Flood => return Err(Stop::Bye("that is more than may be sent unasked")),
        };
        match request {
            Ok(request) => self.request(request).await,
            Err(Refused { tag, why }) => {
                let answer = why.into();
                self.count(&answer)?;
                self.answer(tag.as_deref(), answer).await
            }
        }
    }

    async fn request(&mut self, request: Request) -> Result<Next, Stop> {
        let Request { tag, command } = request;
        let updates = updates(&command);
        check_login(self).await?;
        let answer = match self.refusal(&command) {
            Some(answer) => answer,
            None => match command {
                Command::Logout => {
                    self.wire.write(b"* BYE until next time\r\n").await?;
                    self.answer(Some(&tag), Answer::ok("LOGOUT done")).await?;
                    return Ok(Next::End(End::Closed));
                }
                Command::StartTls => return self.start_tls(&tag).await,
                Command::Compress => {
                    let answer = compress::refusal(self)?;
                    let begins = answer.is_none();
                    self.answer(Some(&tag), answer.unwrap_or_else(compress::begun)).await?;
                    if begins {
                        self.wire.compress(self.compressors.clone());
                    }
                    return Ok(Next::Go);
                }
                command => match self.execute(&tag, command).await {
                    Ok(answer) | Err(Stop::Answer(answer)) => answer,
                    Err(stop) => return Err(stop),
                },
            },
        };
        self.finish(Some(&tag), updates, answer).await
    }

    /// Tells what changed, as far as the command allows it, and then how the command ended.
    async fn finish(&mut self, tag: Option<&str>, updates: Updates, answer: Answer) -> Result<Next, Stop> {
        self.count(&answer)?;
        tell(self, updates).await?;
        self.answer(tag, answer).await
    }

    /// Why a command cannot be done in this state. RFC 9051 §3.
    fn refusal(&self, command: &Command) -> Option<Answer> {
        let (logged_in, selected) = match self.state {
            State::NotAuthenticated => (false, false),
            State::Authenticated(_) => (true, false),
            State::Selected(..) => (true, true),
        };
        let (wants, text) = match command {
            Command::Capability | Command::Noop | Command::Logout | Command::Id(_) => return None,
            Command::StartTls | Command::Login(_) | Command::Authenticate(..) => {
                (!logged_in, "you are logged in already")
            }
            Command::Enable(_)
            | Command::Namespace
            | Command::List(_)
            | Command::Status { .. }
            | Command::Select(_)
            | Command::Idle
            | Command::Folder(_)
            | Command::Acl(_)
            | Command::Quota(_)
            | Command::Compress => (logged_in, "log in first"),
            Command::Close
            | Command::Unselect
            | Command::Check
            | Command::Fetch(_)
            | Command::Search(_)
            | Command::Sort(_)
            | Command::Thread(_)
            | Command::Store(_)
            | Command::Copy(_)
            | Command::Move(_)
            | Command::Expunge(_) => (selected, "no mailbox is selected"),
        };
        (!wants).then(|| Answer::bad(text))
    }

    async fn execute(&mut self, tag: &str, command: Command) -> Result<Answer, Stop> {
        match command {
            Command::Capability => capability::capability(self).await,
            Command::Noop | Command::Check => Ok(Answer::ok("done")),
            Command::Id(fields) => capability::id(self, fields).await,
            Command::Login(credentials) => Box::pin(login::login(self, credentials)).await,
            Command::Authenticate(mechanism, initial) => {
                let wait = self.services.config.limits.imap_login;
                let authenticated = Box::pin(login::authenticate(self, mechanism, initial));
                match tokio::time::timeout(wait, authenticated).await {
                    Ok(answer) => answer,
                    Err(_) => Err(Stop::Bye("nothing was heard for too long")),
                }
            }
            Command::Enable(extensions) => enable::enable(self, extensions).await,
            Command::Namespace => namespace::namespace(self).await,
            Command::List(asked) => Box::pin(list::list(self, asked)).await,
            Command::Status { name, items } => Box::pin(status::status(self, name, items)).await,
            Command::Select(asked) => Box::pin(select::select(self, asked)).await,
            Command::Close => Box::pin(expunge::close(self)).await,
            Command::Unselect => Ok(select::unselect(self)),
            Command::Idle => idle::idle(self).await,
            Command::Fetch(asked) => Box::pin(fetch::fetch(self, asked)).await,
            Command::Search(asked) => Box::pin(search::search(self, tag, asked)).await,
            Command::Sort(asked) => Box::pin(sort::sort(self, tag, asked)).await,
            Command::Thread(asked) => Box::pin(thread::thread(self, asked)).await,
            Command::Folder(asked) => Box::pin(folder::folder(self, asked)).await,
            Command::Acl(asked) => Box::pin(acl::acl(self, asked)).await,
            Command::Quota(asked) => Box::pin(quota::quota(self, asked)).await,
            Command::Store(asked) => Box::pin(store::store(self, asked)).await,
            Command::Copy(asked) => Box::pin(transfer::copy(self, asked)).await,
            Command::Move(asked) => Box::pin(transfer::transfer(self, asked)).await,
            Command::Expunge(set) => Box::pin(expunge::expunge(self, set)).await,
            // They end the session or change its stream, and are done where that is.
            Command::Logout | Command::StartTls | Command::Compress => Ok(Answer::bad("not here")),
        }
    }

    /// RFC 9051 §6.2.1.
    async fn start_tls(&mut self, tag: &str) -> Result<Next, Stop> {
        if !self.may_start_tls() {
            return self.answer(Some(tag), Answer::bad("TLS is in use already")).await;
        }
        if self.wire.has_input() {
            // Sent in clear, perhaps by somebody else, to be taken for what comes after the handshake.
            return Err(Stop::Bye("nothing may follow STARTTLS before the handshake"));
        }
        self.answer(Some(tag), Answer::ok("begin the handshake")).await?;
        Ok(Next::End(End::StartTls))
    }

    /// Counts what a client cannot do for ever.
    fn count(&mut self, answer: &Answer) -> Result<(), Stop> {
        self.bad = if answer.is_bad() { self.bad.saturating_add(1) } else { 0 };
        if self.bad >= BAD_MAX {
            return Err(Stop::Bye("too many bad commands"));
        }
        if matches!(self.state, State::NotAuthenticated) {
            self.before_login = self.before_login.saturating_add(1);
            if self.before_login >= BEFORE_MAX {
                return Err(Stop::Bye("too many commands without a login"));
            }
        }
        Ok(())
    }

    async fn answer(&mut self, tag: Option<&str>, answer: Answer) -> Result<Next, Stop> {
        // What has no tag is answered untagged.
        let tag = tag.unwrap_or("*");
        self.wire.write(format!("{tag} {answer}\r\n").as_bytes()).await?;
        Ok(Next::Go)
    }
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Self {
        Self::Gone
    }
}

/// What a client may be told at the end of a command. RFC 9051 §7.5.1.
fn updates(command: &Command) -> Updates {
    match command {
        Command::Logout
        | Command::StartTls
        | Command::Login(_)
        | Command::Authenticate(..)
        | Command::Select(_)
        | Command::Close
        | Command::Unselect => Updates::None,
        Command::Fetch(fetch) if !fetch.by_uid => Updates::Numbers,
        Command::Search(search) if !search.by_uid => Updates::Numbers,
        Command::Sort(sort) if !sort.by_uid => Updates::Numbers,
        Command::Thread(thread) if !thread.by_uid => Updates::Numbers,
        Command::Store(store) if !store.by_uid => Updates::Numbers,
        _ => Updates::All,
    }
}

/// Ends the session of somebody who may not be here any more: whose password was changed, whose account
/// was disabled or deleted.
pub(super) async fn check_login(session: &mut Session) -> Result<(), Stop> {
    let Some(user) = session.state.user_mut() else { return Ok(()) };
    let now = session.services.clock.now();
    if now.abs_diff(user.checked) < CHECK_AFTER {
        return Ok(());
    }
    user.checked = now;
    let (directory, login) = (session.services.directory.clone(), user.login.clone());
    match blocking(move || directory.is_current(&login)).await? {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::Bye("your login is not valid any more")),
        Err(e) => {
            tracing::error!(error = %e, "a login could not be checked again");
            Err(Stop::Bye("logins cannot be checked now"))
        }
    }
}

/// Tells what changed in the selected mailbox, piece by piece.
pub(super) async fn tell(session: &mut Session, updates: Updates) -> Result<(), Stop> {
    let enabled = session.enabled;
    while session.state.selected().is_some_and(|selected| selected.has_news(updates)) {
        let told = with_selected(&mut session.state, &session.services, move |selected, mailbox, user| {
            let mut out = Out::default();
            selected.tell(mailbox, &user.acting, updates, enabled, &mut out).map(|()| out)
        });
        match told.await? {
            Ok(out) => session.wire.send(out).await?,
            Err(Error::Missing | Error::Denied) => return Err(Stop::Bye("the selected mailbox is gone")),
            Err(e) => {
                tracing::error!(error = %e, "changes of a mailbox could not be told");
                return Err(Stop::Bye("the mail store cannot be read now"));
            }
        }
    }
    Ok(())
}

/// Runs what reads the store on a thread that may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Stop> {
    // It ends early only by a panic, which its own hook has reported, or with the whole runtime.
    tokio::task::spawn_blocking(f).await.map_err(|_| Stop::Bye("internal error"))
}

/// Runs what reads the store for the selected mailbox, which is away meanwhile.
pub(super) async fn with_selected<T: Send + 'static>(
    state: &mut State,
    services: &Services,
    f: impl FnOnce(&mut Selected, &Mailbox, &User) -> T + Send + 'static,
) -> Result<T, Stop> {
    let Some(mut selected) = state.unselect() else { return Err(Stop::Bye("no mailbox is selected")) };
    let Some(user) = state.user().cloned() else { return Err(Stop::Bye("nobody is logged in")) };
    let mailbox = services.mailbox.clone();
    let (selected, result) = blocking(move || {
        let result = f(&mut selected, &mailbox, &user);
        (selected, result)
    })
    .await?;
    state.select(selected);
    Ok(result)
}
