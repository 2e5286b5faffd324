//! What a server that was given no settings starts with: a domain and two accounts to try it out.

use folkmoot::doors::admin::{Answer, Command, Secret, execute};
use folkmoot::services::Services;

use crate::cli::exit::{self, Failed};

const DOMAIN: &str = "example.test";
const NAMES: [(&str, &str); 2] = [("alice", "Alice Example"), ("bob", "Bob Example")];

/// Makes the demo accounts where there is no account and no other domain yet, and returns their
/// addresses and passwords.
pub(super) async fn accounts(services: &Services) -> Result<Vec<(String, Secret)>, Failed> {
    match execute(services, Command::DomainList {}).await {
        Answer::Domains { domains } if domains.is_empty() => {
            done(execute(services, Command::DomainAdd { name: DOMAIN.into() }).await)?;
        }
        // A first start that was interrupted goes on where it was.
        Answer::Domains { domains } if domains.iter().all(|d| d.name == DOMAIN && d.accounts == 0) => {}
        Answer::Domains { .. } => return Ok(Vec::new()),
        other => return done(other).map(|_| Vec::new()),
    }
    let mut made = Vec::new();
    for (local, name) in NAMES {
        let address = format!("{local}@{DOMAIN}");
        let add = Command::AccountAdd { address, name: Some(name.into()), password: None };
        made.extend(done(execute(services, add).await)?);
    }
    Ok(made)
}

fn done(answer: Answer) -> Result<Option<(String, Secret)>, Failed> {
    match answer {
        Answer::Password { address, password } => Ok(Some((address, password))),
        Answer::Refused { why, .. } => {
            Err(Failed::new(exit::FAILED, format!("the demo accounts cannot be made: {why}")))
        }
        _ => Ok(None),
    }
}
