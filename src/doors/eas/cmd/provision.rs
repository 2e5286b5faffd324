//! Provision: the policy in two phases, and wipes. MS-ASPROV §3.2.5.1.

use wbxml::{BadValue, Element, provision, settings};

use super::super::reply::{Failure, Reply, Status};
use super::super::request::Version;
use super::super::session::Session;
use super::super::{information, policy};
use crate::clock::{Millis, random};
use crate::directory;
use crate::directory::device::{self, Device, PolicyDigest, PolicyState, WipeState};

/// The only PolicyType from 12.0 on. MS-ASPROV §2.2.2.43.
const POLICY_TYPE: &str = "MS-EAS-Provisioning-WBXML";

/// What a device asks or acknowledges.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Asked {
    /// DeviceInformation's Set.
    information: Option<Element<'static>>,
    policy: Option<AskedPolicy>,
    wiped: Option<Wiped>,
}

/// A Policy element.
#[derive(Clone, PartialEq, Eq, Debug)]
struct AskedPolicy {
    policy_type: String,
    key: Option<u32>,
    /// Present in an acknowledgement. MS-ASPROV §2.2.2.54.1.
    status: Option<u8>,
}

/// The acknowledgement of a wipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wiped {
    account_only: bool,
    succeeded: bool,
}

/// What a request comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
    /// Root Status 2. MS-ASPROV §2.2.2.54.2.
    Protocol,
    /// Nothing but information or an acknowledgement, taken.
    Taken,
    /// The device must wipe itself.
    Wipe { account_only: bool },
    /// Policy Status 3: an unknown PolicyType.
    UnknownType,
    /// The policy, under a temporary key.
    Offer(u32),
    /// The policy is applied; the final key.
    Final(u32),
    /// Policy Status 5: the acknowledged key is not the temporary one.
    WrongKey,
    /// The whole request fails.
    Refused(Status),
}

/// What a decision needs besides the device and its question.
#[derive(Clone, Copy)]
struct Given {
    now: Millis,
    today: PolicyDigest,
    /// A device must have applied the whole policy.
    strict: bool,
    /// Two keys that were never given, for whichever phase it is.
    fresh: [u32; 2],
}

/// Handles Provision.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let asked = request.map(parse).transpose().unwrap_or_default().flatten();
    let Some(asked) = asked else { return Ok(told(session, false, &Outcome::Protocol)) };
    let informed = asked.information.is_some() && session.at_least(Version::V14_1);
    let config = &session.eas.config.eas;
    let given = Given {
        now: session.eas.mailbox.clock().now(),
        today: session.eas.policy,
        strict: config.require_provisioning && !policy::asks_nothing(&config.policy),
        fresh: fresh_keys()?,
    };
    let outcome =
        if session.is_probe() { probe(&asked, &given) } else { decided(session, asked, given).await? };
    match outcome {
        Outcome::Refused(status) => Err(status.into()),
        outcome => Ok(told(session, informed, &outcome)),
    }
}

/// Decides over the device's present row and stores what follows before anyone hears of it.
async fn decided(session: &Session, asked: Asked, given: Given) -> Result<Outcome, Failure> {
    let (account, id) = (session.login.account.id, session.registered.id.clone());
    let write = session.eas.mailbox.store().shrink_async(move |tx| {
        device::update(tx, account, &id, |device| Ok::<_, directory::Error>(decide(device, &asked, &given)))
    });
    let outcome = write.await?;
    match &outcome {
        Outcome::Wipe { account_only } => tracing::warn!(account_only, "told the device to wipe itself"),
        Outcome::Taken if session.registered.wipe_due().is_some() => {
            tracing::warn!("the device answered the request to wipe itself");
        }
        _ => {}
    }
    Ok(outcome)
}

fn fresh_keys() -> Result<[u32; 2], Failure> {
    loop {
        let [a, b, c, d, e, f, g, h] = random()?;
        let keys = [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])];
        // Zero means "none" (MS-ASPROV §2.2.2.42); the final key must not be the temporary one.
        if keys[0] != keys[1] && !keys.contains(&0) {
            return Ok(keys);
        }
    }
}

/// `None` for what is not of the protocol.
fn parse(request: &Element<'_>) -> Result<Option<Asked>, BadValue> {
    let said = match request.child(settings::DEVICE_INFORMATION) {
        None => None,
        Some(device) => {
            let Some(set) = device.child(settings::SET) else { return Ok(None) };
            Some(set.clone().into_owned())
        }
    };
    let policy = match request.child(provision::POLICIES).map(Element::children) {
        None => None,
        Some([policy]) if policy.tag() == provision::POLICY => {
            let Some(policy_type) = policy.text_of(provision::POLICY_TYPE) else { return Ok(None) };
            Some(AskedPolicy {
                policy_type: policy_type.to_owned(),
                key: policy.parse_of(provision::POLICY_KEY)?,
                status: policy.parse_of(provision::STATUS)?,
            })
        }
        Some(_) => return Ok(None),
    };
    let mut wiped = None;
    for (tag, account_only) in [(provision::REMOTE_WIPE, false), (provision::ACCOUNT_ONLY_REMOTE_WIPE, true)]
    {
        let Some(acknowledged) = request.child(tag) else { continue };
        let succeeded = match acknowledged.parse_of::<u8>(provision::STATUS)? {
            Some(1) => true,
            Some(2) => false,
            _ => return Ok(None),
        };
        wiped = Some(Wiped { account_only, succeeded });
    }
    Ok(Some(Asked { information: said, policy, wiped }))
}

fn decide(device: &mut Device, asked: &Asked, given: &Given) -> Outcome {
    if let Some(outcome) = wipe(device, asked, given.now) {
        return outcome;
    }
    if let Some(set) = &asked.information {
        information::take(&mut device.information, set);
    }
    match &asked.policy {
        // A first request that is empty asks whether there is a wipe: there is none.
        None => Outcome::Taken,
        Some(policy) if policy.policy_type != POLICY_TYPE => Outcome::UnknownType,
        Some(AskedPolicy { status: None, .. }) => offer(&mut device.policy, given),
        Some(AskedPolicy { status: Some(status), key, .. }) => {
            acknowledge(&mut device.policy, *status, *key, given)
        }
    }
}

/// `None` when there is no wipe to speak of.
fn wipe(device: &mut Device, asked: &Asked, now: Millis) -> Option<Outcome> {
    let Some(wipe) = &mut device.wipe else {
        // Nobody asked for that: it has no effect.
        return asked.wiped.map(|_| Outcome::Protocol);
    };
    let answers = asked.wiped.filter(|wiped| wiped.account_only == wipe.account_only);
    match (wipe.state, answers) {
        (WipeState::Acknowledged, Some(Wiped { succeeded: true, .. })) => Some(Outcome::Taken),
        (WipeState::Acknowledged, _) => Some(Outcome::Refused(Status::DeviceIsBlockedForThisUser)),
        (WipeState::Sent | WipeState::Failed, Some(Wiped { succeeded, .. })) => {
            wipe.state = if succeeded { WipeState::Acknowledged } else { WipeState::Failed };
            wipe.at = now;
            if succeeded {
                device.blocked = true;
                device.policy = PolicyState::default();
            }
            Some(Outcome::Taken)
        }
        (WipeState::Requested | WipeState::Sent | WipeState::Failed, _) => {
            if wipe.state != WipeState::Sent {
                wipe.state = WipeState::Sent;
                wipe.at = now;
            }
            Some(Outcome::Wipe { account_only: wipe.account_only })
        }
    }
}

fn offer(state: &mut PolicyState, given: &Given) -> Outcome {
    let [fresh, other] = given.fresh;
    let key = if state.key == Some(fresh) { other } else { fresh };
    state.offered = Some((key, given.today));
    state.acknowledged = false;
    Outcome::Offer(key)
}

fn acknowledge(state: &mut PolicyState, status: u8, key: Option<u32>, given: &Given) -> Outcome {
    let Some((offered, what)) = state.offered.filter(|(offered, _)| key == Some(*offered)) else {
        return Outcome::WrongKey;
    };
    match status {
        1 => {}
        2 | 3 if given.strict => return Outcome::Refused(Status::DeviceNotFullyProvisionable),
        4 if given.strict => return Outcome::Refused(Status::ExternallyManagedDevicesNotAllowed),
        2..=4 => {}
        _ => return Outcome::Protocol,
    }
    // The answer to an earlier acknowledgement of the same key may have got lost.
    if let (true, Some(key)) = (state.acknowledged, state.key) {
        return Outcome::Final(key);
    }
    let [fresh, other] = given.fresh;
    let key = if fresh == offered { other } else { fresh };
    *state = PolicyState { key: Some(key), applied: Some(what), acknowledged: true, ..*state };
    Outcome::Final(key)
}

/// Android looks at the policy before it sets an account up; nothing is kept of that.
fn probe(asked: &Asked, given: &Given) -> Outcome {
    let [temporary, final_key] = given.fresh;
    match &asked.policy {
        None => Outcome::Taken,
        Some(policy) if policy.policy_type != POLICY_TYPE => Outcome::UnknownType,
        Some(AskedPolicy { status: None, .. }) => Outcome::Offer(temporary),
        Some(_) => Outcome::Final(final_key),
    }
}

fn told(session: &Session, informed: bool, outcome: &Outcome) -> Reply {
    let information =
        informed.then(|| Element::new(settings::DEVICE_INFORMATION).with_number(settings::STATUS, 1));
    let status: u8 = if *outcome == Outcome::Protocol { 2 } else { 1 };
    let answer =
        Element::new(provision::PROVISION).with_all(information).with_number(provision::STATUS, status);
    let policy = |status: u8, key: Option<u32>| {
        let policy = Element::new(provision::POLICY)
            .with_text(provision::POLICY_TYPE, POLICY_TYPE)
            .with_number(provision::STATUS, status);
        policy.with_all(key.map(|key| Element::number(provision::POLICY_KEY, key)))
    };
    let policies = |policy| Element::new(provision::POLICIES).with(policy);
    Reply::Document(match outcome {
        Outcome::Protocol | Outcome::Taken | Outcome::Refused(_) => answer,
        Outcome::Wipe { account_only: false } => answer.with_empty(provision::REMOTE_WIPE),
        Outcome::Wipe { account_only: true } => answer.with_empty(provision::ACCOUNT_ONLY_REMOTE_WIPE),
        Outcome::UnknownType => answer.with(policies(policy(3, None))),
        Outcome::WrongKey => answer.with(policies(policy(5, None))),
        Outcome::Final(key) => answer.with(policies(policy(1, Some(*key)))),
        Outcome::Offer(key) => {
            let document = policy::document(&session.eas.config.eas.policy, session.version);
            let data = Element::new(provision::DATA).with(document);
            answer.with(policies(policy(1, Some(*key)).with(data)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;
    use crate::directory::device::{Came, Wipe};
    use crate::doors::eas::policy::digest_of;

    fn device() -> Device {
        Device::new(&Came { id: "A", device_type: "Phone", user_agent: "", version: "16.1" }, 0)
    }

    fn given(first: u32) -> Given {
        let today = digest_of(&Policy::default());
        Given { now: 50, today, strict: true, fresh: [first, first + 1] }
    }

    fn first_phase() -> Asked {
        let policy = AskedPolicy { policy_type: POLICY_TYPE.into(), key: None, status: None };
        Asked { policy: Some(policy), ..Asked::default() }
    }

    fn second_phase(key: u32, status: u8) -> Asked {
        let policy = AskedPolicy { policy_type: POLICY_TYPE.into(), key: Some(key), status: Some(status) };
        Asked { policy: Some(policy), ..Asked::default() }
    }

    fn wiped(account_only: bool, succeeded: bool) -> Asked {
        Asked { wiped: Some(Wiped { account_only, succeeded }), ..Asked::default() }
    }

    #[test]
    fn two_phases_and_a_lost_answer() {
        let mut device = device();
        assert_eq!(decide(&mut device, &first_phase(), &given(10)), Outcome::Offer(10));
        assert_eq!(device.policy.key, None, "the temporary key opens nothing");
        assert_eq!(decide(&mut device, &second_phase(11, 1), &given(20)), Outcome::WrongKey);
        assert_eq!(decide(&mut device, &second_phase(10, 1), &given(20)), Outcome::Final(20));
        assert_eq!(device.policy.applied, Some(given(0).today));
        assert_eq!(decide(&mut device, &second_phase(10, 1), &given(30)), Outcome::Final(20), "asked again");
        assert_eq!(decide(&mut device, &first_phase(), &given(20)), Outcome::Offer(21));
        assert_eq!(device.policy.key, Some(20), "the key in use stays until the next is acknowledged");
        assert_eq!(decide(&mut device, &second_phase(10, 1), &given(40)), Outcome::WrongKey);
    }

    #[test]
    fn a_device_that_does_not_apply_all_of_it() {
        for (status, why) in [
            (2, Status::DeviceNotFullyProvisionable),
            (3, Status::DeviceNotFullyProvisionable),
            (4, Status::ExternallyManagedDevicesNotAllowed),
        ] {
            let mut device = device();
            decide(&mut device, &first_phase(), &given(10));
            assert_eq!(decide(&mut device, &second_phase(10, status), &given(20)), Outcome::Refused(why));
            assert_eq!(device.policy.key, None);
            let lenient = Given { strict: false, ..given(20) };
            assert_eq!(decide(&mut device, &second_phase(10, status), &lenient), Outcome::Final(20));
        }
        let mut device = device();
        decide(&mut device, &first_phase(), &given(10));
        assert_eq!(decide(&mut device, &second_phase(10, 9), &given(20)), Outcome::Protocol);
    }

    #[test]
    fn a_wipe_comes_before_all_else_and_shuts_the_device_out() {
        let mut device = device();
        device.wipe = Some(Wipe { account_only: false, state: WipeState::Requested, at: 1 });
        let told = Outcome::Wipe { account_only: false };
        assert_eq!(decide(&mut device, &wiped(false, true), &given(10)), told, "it was not even told");
        assert_eq!(decide(&mut device, &first_phase(), &given(10)), told);
        assert_eq!(device.wipe.unwrap().state, WipeState::Sent);
        assert_eq!(decide(&mut device, &wiped(true, true), &given(10)), told, "that was not asked");
        assert_eq!(decide(&mut device, &wiped(false, false), &given(10)), Outcome::Taken);
        assert_eq!(device.wipe.unwrap().state, WipeState::Failed);
        assert!(!device.blocked);
        assert_eq!(decide(&mut device, &Asked::default(), &given(10)), told, "told again");
        assert_eq!(decide(&mut device, &wiped(false, true), &given(10)), Outcome::Taken);
        let done = Wipe { account_only: false, state: WipeState::Acknowledged, at: 50 };
        assert_eq!((device.wipe, device.blocked), (Some(done), true));
        assert_eq!(decide(&mut device, &wiped(false, true), &given(10)), Outcome::Taken, "asked again");
        let out = Outcome::Refused(Status::DeviceIsBlockedForThisUser);
        assert_eq!(decide(&mut device, &first_phase(), &given(10)), out);
    }

    #[test]
    fn nobody_else_acknowledges_a_wipe() {
        let mut device = device();
        let before = device.clone();
        assert_eq!(decide(&mut device, &wiped(false, true), &given(10)), Outcome::Protocol);
        assert_eq!(device, before);
    }

    #[test]
    fn requests_are_read_strictly() {
        let policy = |children: Element<'static>| {
            Element::new(provision::PROVISION).with(Element::new(provision::POLICIES).with(children))
        };
        let typed = || Element::new(provision::POLICY).with_text(provision::POLICY_TYPE, POLICY_TYPE);
        assert_eq!(parse(&policy(typed())), Ok(Some(first_phase())));
        let acknowledgement =
            typed().with_number(provision::POLICY_KEY, 10).with_number(provision::STATUS, 1);
        assert_eq!(parse(&policy(acknowledgement)), Ok(Some(second_phase(10, 1))));
        assert_eq!(parse(&policy(Element::new(provision::POLICY))), Ok(None));
        assert_eq!(parse(&policy(typed()).with_empty(provision::POLICIES)), Ok(Some(first_phase())));
        for key in ["-1", "4294967296", "x", ""] {
            assert!(parse(&policy(typed().with_text(provision::POLICY_KEY, key))).is_err(), "{key}");
        }
        let wipe = |status: i128| {
            Element::new(provision::PROVISION)
                .with(Element::new(provision::REMOTE_WIPE).with_number(provision::STATUS, status))
        };
        assert_eq!(parse(&wipe(1)), Ok(Some(wiped(false, true))));
        assert_eq!(parse(&wipe(3)), Ok(None));
    }
}
