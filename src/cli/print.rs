//! How answers are shown: tables for people, one JSON document for programs.

use std::io::{ErrorKind, Write};

use folkmoot::doors::admin::{Answer, DeviceLine, QueueLine};
use serde::Serialize;

use super::exit::{self, Failed};

/// Writes text to standard output.
pub(super) fn plain(text: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `folkmoot config defaults | head` has seen enough.
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failed::new(exit::FAILED, e)),
        _ => Ok(()),
    }
}

/// Shows an answer; a refusal is the error of the command.
pub(super) fn answer(answer: Answer, json: bool) -> Result<(), Failed> {
    match answer {
        Answer::Done { text } => plain(&format!("{text}\n")),
        Answer::Password { address, password } => {
            plain(&format!("{address}\npassword: {} (shown this once)\n", password.expose()))
        }
        Answer::RecoveryPassword { device, password } => {
            plain(&format!("{}\nrecovery password: {}\n", printable(&device), printable(password.expose())))
        }
        Answer::Aliases { aliases } if json => document(&aliases),
        Answer::Aliases { aliases } => plain(&table(["ALIAS"], aliases.into_iter().map(|alias| [alias]))),
        Answer::AppPasswords { app_passwords } if json => document(&app_passwords),
        Answer::AppPasswords { app_passwords } => {
            let rows = app_passwords
                .into_iter()
                .map(|a| [a.id.to_string(), a.label, a.created, a.services.join(" ")]);
            plain(&table(["ID", "LABEL", "CREATED", "SERVICES"], rows))
        }
        Answer::Domains { domains } if json => document(&domains),
        Answer::Domains { domains } => {
            let rows = domains
                .into_iter()
                .map(|d| [d.name, d.accounts.to_string(), if d.primary { "primary" } else { "" }.to_owned()]);
            plain(&table(["DOMAIN", "ACCOUNTS", ""], rows))
        }
        Answer::Accounts { accounts } if json => document(&accounts),
        Answer::Accounts { accounts } => {
            let rows = accounts.into_iter().map(|a| {
                let state = if a.enabled { "" } else { "disabled" };
                [a.address, a.name, a.aliases.join(" "), state.to_owned()]
            });
            plain(&table(["ACCOUNT", "NAME", "ALIASES", ""], rows))
        }
        Answer::Quota { quota } if json => document(&quota),
        Answer::Quota { quota } => {
            let limit = quota.quota.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
            let row = [
                quota.address,
                limit,
                quota.used.to_string(),
                quota.items.to_string(),
                quota.expunged.to_string(),
            ];
            plain(&table(["ACCOUNT", "QUOTA", "USED", "ITEMS", "EXPUNGED"], std::iter::once(row)))
        }
        Answer::Devices { devices } if json => document(&devices),
        Answer::Devices { devices } => {
            let head = ["ACCOUNT", "DEVICE", "TYPE", "MODEL", "VERSION", "LAST SEEN", "STATE"];
            plain(&table(head, devices.into_iter().map(device)))
        }
        Answer::Queue { messages } if json => document(&messages),
        Answer::Queue { messages } => plain(&queue(messages)),
        Answer::QueuedMessage { message, header } if json => {
            document(&serde_json::json!({ "message": message, "header": header }))
        }
        Answer::QueuedMessage { message, header } => plain(&queued(&message, &header)),
        Answer::Verified { found, ref problems, .. } if json => {
            document(&answer)?;
            sound(found, problems.len())
        }
        Answer::Verified { bodies, body_bytes, found, problems } => {
            let told: String = problems.iter().map(|p| format!("{}\n", printable(p))).collect();
            plain(&format!("{told}{bodies} bodies with {body_bytes} bytes read, {found} problems found\n"))?;
            sound(found, problems.len())
        }
        Answer::Refused { why, hint } if hint.is_empty() => Err(Failed::new(exit::FAILED, why)),
        Answer::Refused { why, hint } => Err(Failed::new(exit::FAILED, format!("{why}\nTry: {hint}"))),
    }
}

fn device(d: DeviceLine) -> [String; 7] {
    let what = |only: bool| if only { "account wipe" } else { "wipe" };
    let state = match d.wipe {
        Some(wipe) => format!("{} {} {}", what(wipe.account_only), wipe.state, wipe.since),
        None if d.blocked => "blocked".to_owned(),
        None if d.provisioned => String::new(),
        None => "not provisioned".to_owned(),
    };
    [d.account, d.id, d.device_type, d.model.unwrap_or_default(), d.version, d.last_seen, state]
}

fn queue(messages: Vec<QueueLine>) -> String {
    let rows = messages.into_iter().map(|m| {
        let pending = m.recipients.iter().filter(|r| r.status == "pending").count().to_string();
        let sender = if m.sender.is_empty() { "<>".to_owned() } else { m.sender };
        let (size, attempts) = (m.size.to_string(), m.attempts.to_string());
        [m.id, sender, m.destination, pending, size, attempts, m.next_attempt]
    });
    table(["ID", "SENDER", "DESTINATION", "RECIPIENTS", "BYTES", "ATTEMPTS", "NEXT ATTEMPT"], rows)
}

fn queued(message: &QueueLine, header: &str) -> String {
    let rows = message
        .recipients
        .iter()
        .map(|r| [r.address.clone(), r.status.clone(), r.last_failure.clone().unwrap_or_default()]);
    let recipients = table(["RECIPIENT", "STATUS", "LAST FAILURE"], rows);
    let header: Vec<String> = header.lines().map(printable).collect();
    format!(
        "{} from <{}> to {}, {} bytes\ntaken over {}, attempts {}, next {}\n\n{recipients}\n{}\n",
        message.id,
        printable(&message.sender),
        printable(&message.destination),
        message.size,
        message.created,
        message.attempts,
        message.next_attempt,
        header.join("\n")
    )
}

/// A store with problems is a failure of the command.
fn sound(found: u64, told: usize) -> Result<(), Failed> {
    match found {
        0 => Ok(()),
        _ => Err(Failed::new(
            exit::FAILED,
            format!(
                "the store is damaged; {told} of {found} problems are shown\nA damaged item is unreadable \
                 alone and all else goes on. Keep a copy of the data folder before anything else"
            ),
        )),
    }
}

fn document(lines: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(lines).map_err(|e| Failed::new(exit::FAILED, e))?;
    plain(&format!("{text}\n"))
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut all = vec![head.map(str::to_owned)];
    all.extend(rows.map(|row| row.map(|cell| printable(&cell))));
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &all {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Names come from outside; none may command the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_commands_the_terminal() {
        let rows = [["a".to_owned(), "12".to_owned()], ["\x1b[2Jlong".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "N"], rows.into_iter()), "NAME      N\na         12\n\u{fffd}[2Jlong\n");
    }
}
