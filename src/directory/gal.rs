//! The global address list: accounts found by the beginnings of words of their names and addresses.
//!
//! Each word of a listed name is a row of its own, so that a search reads what it finds and not the
//! whole domain.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use icu_normalizer::DecomposingNormalizerBorrowed;

use super::Error;
use super::account::{self, Account, AccountId, Kind, Profile};
use super::address::{Address, fold_domain, fold_local};
use super::domain::{self, DomainId};
use crate::store::keys::{Key, Table};
use crate::store::{Order, Read, Tx};

/// Most rows that one search reads, whatever it finds.
const VISITS_MAX: usize = 5000;
/// Longest query that is looked at, in bytes.
const QUERY_MAX: usize = 256;
/// Most words of a query that are looked at.
const QUERY_WORDS_MAX: usize = 8;
/// Longest word that is kept, in bytes.
const WORD_MAX: usize = 64;

/// An account as others find it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GalEntry {
    /// The account.
    pub account: AccountId,
    /// The name shown to people.
    pub display_name: String,
    /// Its primary address.
    pub address: Address,
    /// What it stands for.
    pub kind: Kind,
    /// What else is known.
    pub profile: Profile,
}

/// Finds listed accounts of `domains` where every word of `query` begins a word of the display name, the
/// first or last name, or the local part of an address; case and accents do not matter. A query with an
/// `@` is an address; its domain may be cut short. At most `limit` entries, by display name. An empty query finds
/// nothing: the list is for looking somebody up, not for taking home.
pub fn search_gal(
    read: &impl Read,
    domains: &[DomainId],
    query: &str,
    limit: usize,
) -> Result<Vec<GalEntry>, Error> {
    let query = cut(query, QUERY_MAX);
    let mut found = Vec::new();
    for id in domains {
        let Some(domain) = domain::domain(read, *id)? else { continue };
        let left = limit.saturating_sub(found.len());
        if left == 0 {
            break;
        }
        let mut seen = BTreeSet::new();
        let mut take = |account: Account| {
            if account.domain == domain.id && account.is_listed(&domain) && seen.insert(account.id) {
                found.push(entry(account));
            }
            seen.len() < left
        };
        match query.rsplit_once('@') {
            Some((local, rest)) => by_address(read, &domain.name, local, rest, &mut take)?,
            None => by_words(read, domain.id, query, &mut take)?,
        }
    }
    found.sort_by_cached_key(|e| (fold(&e.display_name), e.account));
    Ok(found)
}

/// Replaces an account's words in the index.
pub(super) fn replace_words(tx: &mut Tx<'_>, before: Option<&Account>, after: Option<&Account>) {
    let old = before.map(words_of).unwrap_or_default();
    let new = after.map(words_of).unwrap_or_default();
    if let Some(account) = before {
        old.difference(&new).for_each(|word| tx.delete(word_key(account, word)));
    }
    if let Some(account) = after {
        new.difference(&old).for_each(|word| tx.put(word_key(account, word), Vec::new()));
    }
}

fn entry(account: Account) -> GalEntry {
    GalEntry {
        account: account.id,
        display_name: account.display_name,
        address: account.address,
        kind: account.kind,
        profile: account.profile,
    }
}

/// Calls `take` for each account that matches, until it says no.
fn by_words(
    read: &impl Read,
    domain: DomainId,
    query: &str,
    take: &mut impl FnMut(Account) -> bool,
) -> Result<(), Error> {
    let words: Vec<String> = words(query).take(QUERY_WORDS_MAX).collect();
    // The longest word leaves the fewest to look at.
    let Some(longest) = words.iter().max_by_key(|w| w.len()) else { return Ok(()) };
    for id in candidates(read, domain, longest)? {
        let Some(account) = account::account(read, id)? else { continue };
        let own = words_of(&account);
        let fits = words.iter().all(|word| own.iter().any(|o| o.starts_with(word.as_str())));
        if fits && !take(account) {
            break;
        }
    }
    Ok(())
}

/// The accounts with a word that begins with `prefix`, each once, in the order of the words.
fn candidates(read: &impl Read, domain: DomainId, prefix: &str) -> Result<Vec<AccountId>, Error> {
    let mut seen = BTreeSet::new();
    let mut ids = Vec::new();
    let mut visits = 0;
    let range = Key::of(Table::DirectoryWord).u64(domain.0).raw(prefix.as_bytes()).range();
    read.scan(&range, Order::Forward, &mut |key, _| {
        if let Some((_, id)) = key.split_last_chunk::<8>() {
            let id = AccountId(u64::from_be_bytes(*id));
            if seen.insert(id) {
                ids.push(id);
            }
        }
        visits += 1;
        if visits < VISITS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(ids)
}

fn by_address(
    read: &impl Read,
    domain: &str,
    local: &str,
    rest: &str,
    take: &mut impl FnMut(Account) -> bool,
) -> Result<(), Error> {
    let rest = fold_domain(rest).unwrap_or_else(|_| rest.to_lowercase());
    if local.is_empty() || !domain.starts_with(&rest) {
        return Ok(());
    }
    if let Some(account) = account::holder(read, &fold_local(local), domain)? {
        take(account);
    }
    Ok(())
}

/// The words an account is found by.
fn words_of(account: &Account) -> BTreeSet<String> {
    let names = [
        Some(&account.display_name),
        account.profile.first_name.as_ref(),
        account.profile.last_name.as_ref(),
    ];
    let texts = names.into_iter().flatten().map(String::as_str);
    texts.chain(account.addresses().map(Address::local)).flat_map(words).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let folded: Vec<String> = fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| cut(word, WORD_MAX).to_owned())
        .collect();
    folded.into_iter()
}

/// Compatibility forms, case and accents taken away: `Müller` and `MULLER` are one.
fn fold(text: &str) -> String {
    DecomposingNormalizerBorrowed::new_nfkd()
        .normalize(text)
        .chars()
        .filter(|c| !matches!(c, '\u{300}'..='\u{36F}'))
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .collect()
}

/// The longest beginning of `text` of at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

fn word_key(account: &Account, word: &str) -> Vec<u8> {
    Key::of(Table::DirectoryWord).u64(account.domain.0).raw(word.as_bytes()).u8(0).u64(account.id.0).done()
}
