//! The command line: what was asked, where it is done, and how the answer is shown.

mod args;
mod ask;
mod check;
mod exit;
mod print;
mod restored;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use args::{Action, Args, ConfigAction};
use exit::Failed;
use folkmoot::config::{Config, DEFAULTS};
use folkmoot::doors::admin::Command;

/// Does what the command line asks.
pub(crate) fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            // Help goes to standard output, slips to standard error; neither can be told elsewhere.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    match act(args) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(failed) => failed.report(),
    }
}

fn act(args: Args) -> Result<(), Failed> {
    let settings = Settings { file: args.config, data: args.data };
    match args.action.unwrap_or(Action::Serve) {
        Action::Serve => serve::run(&settings),
        Action::Verify { json } => command(&settings, Command::Verify {}, json),
        Action::Check => check::run(&settings),
        Action::Restored => restored::run(&settings),
        Action::Config { action: ConfigAction::Defaults } => print::plain(DEFAULTS),
        Action::Domain { action } => command(&settings, action.asked(), action.json()),
        Action::Account { action } => command(&settings, action.asked()?, action.json()),
        Action::Device { action } => command(&settings, action.asked(), action.json()),
        Action::Queue { action } => command(&settings, action.asked(), action.json()),
    }
}

fn command(settings: &Settings, command: Command, json: bool) -> Result<(), Failed> {
    print::answer(ask::answer(&settings.load()?, command)?, json)
}

/// Where the settings come from.
struct Settings {
    file: Option<std::path::PathBuf>,
    data: Option<std::path::PathBuf>,
}

impl Settings {
    /// The settings of the file, if one was named, with the data folder of the command line.
    fn load(&self) -> Result<Config, Failed> {
        let mut config = match &self.file {
            Some(file) => Config::load(file).map_err(|e| Failed::config(&e))?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// How to repeat these settings on a command line.
    fn as_options(&self) -> String {
        let mut options = String::new();
        for (name, path) in [("--config", &self.file), ("--data", &self.data)] {
            if let Some(path) = path {
                options.push_str(&format!(" {name} {}", path.display()));
            }
        }
        options
    }
}
