//! What a server that was given no settings starts with: a domain and two accounts to try it out.

use folkmoot::doors::admin::{Secret, found};
use folkmoot::services::Services;

use crate::cli::exit::{self, Failed};

const DOMAIN: &str = "example.test";
const NAMES: [(&str, &str); 2] = [("alice", "Alice Example"), ("bob", "Bob Example")];

/// Makes the demo accounts where there is no domain yet, and returns their addresses and passwords.
pub(super) async fn accounts(services: &Services) -> Result<Vec<(String, Secret)>, Failed> {
    let unusable = |why| Failed::new(exit::FAILED, format!("the demo accounts cannot be made: {why}"));
    if !services.directory.domains().map_err(|e| unusable(e.to_string()))?.is_empty() {
        return Ok(Vec::new());
    }
    found(services, DOMAIN, &NAMES).await.map_err(unusable)
}
