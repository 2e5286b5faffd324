//! `folkmoot restored`: what must be done between copying a backup back and starting the server.

use std::os::unix::net::UnixStream;

use folkmoot::clock::Clock;
use folkmoot::doors::admin;
use folkmoot::services::Services;

use super::exit::{self, Failed};
use super::{Settings, ask, print};

pub(super) fn run(settings: &Settings) -> Result<(), Failed> {
    let config = settings.load()?;
    if UnixStream::connect(admin::socket(&config.data)).is_ok() {
        return Err(Failed::new(
            exit::FAILED,
            "a server runs on this data folder\nStop it, copy the backup back, then run this before it starts",
        ));
    }
    ask::must_exist(&config.data)?;
    ask::must_be_ours(&config.data)?;
    let services = Services::open(config, Clock::system()).map_err(|e| Failed::new(exit::of_open(&e), e))?;
    let done = services.mailbox.restored();
    services.store.stop();
    let done =
        done.map_err(|e| Failed::new(exit::TEMPORARY, format!("{e}\nRun this again before the server")))?;
    print::plain(&format!(
        "{} folders of {} owners begin anew (epoch {}); every client synchronises from the start.\n",
        done.folders, done.owners, done.epoch
    ))?;
    match done.damaged {
        0 => Ok(()),
        n => Err(Failed::new(
            exit::FAILED,
            format!("{n} damaged rows were left as they are; see `folkmoot verify`"),
        )),
    }
}
