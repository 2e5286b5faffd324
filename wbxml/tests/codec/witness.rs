//! Foreign witnesses: `wbxml2xml` and `xml2wbxml` of libwbxml (Debian: libwbxml2-utils), whose tables and
//! codec share nothing with ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use wbxml::{Element, ErrorKind, Limits, Tag, decode, encode};

use crate::golden::fixtures;
use crate::xml::Node;

/// What libwbxml 0.11.8 calls elements otherwise. The numbers are the same; the names of
/// MS-ASWBXML §2.1.2.1 count.
#[rustfmt::skip]
const OTHER_NAMES: &[(&str, &str)] = &[
    // The word "Address" left out, "Telephone" put in.
    ("Contacts:AssistantPhoneNumber", "AssistantTelephoneNumber"),
    ("Contacts:BusinessAddressCity", "BusinessCity"),
    ("Contacts:BusinessAddressCountry", "BusinessCountry"),
    ("Contacts:BusinessAddressPostalCode", "BusinessPostalCode"),
    ("Contacts:BusinessAddressState", "BusinessState"),
    ("Contacts:BusinessAddressStreet", "BusinessStreet"),
    ("Contacts:HomeAddressCity", "HomeCity"),
    ("Contacts:HomeAddressCountry", "HomeCountry"),
    ("Contacts:HomeAddressPostalCode", "HomePostalCode"),
    ("Contacts:HomeAddressState", "HomeState"),
    ("Contacts:HomeAddressStreet", "HomeStreet"),
    ("Contacts:OtherAddressCity", "OtherCity"),
    ("Contacts:OtherAddressCountry", "OtherCountry"),
    ("Contacts:OtherAddressPostalCode", "OtherPostalCode"),
    ("Contacts:OtherAddressState", "OtherState"),
    ("Contacts:OtherAddressStreet", "OtherStreet"),
    // The mail header's name.
    ("Email:ReplyTo", "Reply-To"),
    // Other capitals.
    ("Email:DtStamp", "DTStamp"),
    ("Calendar:DtStamp", "DTStamp"),
    ("Calendar:Timezone", "TimeZone"),
    ("Tasks:UtcDueDate", "UTCDueDate"),
    ("Tasks:UtcStartDate", "UTCStartDate"),
    ("Settings:SMTPAddress", "SmtpAddress"),
    ("ComposeMail:Mime", "MIME"),
    // The parent's name in front.
    ("Email:Type", "Recurrence_Type"),
    ("Email:Until", "Recurrence_Until"),
    ("Email:Occurrences", "Recurrence_Occurrences"),
    ("Email:Interval", "Recurrence_Interval"),
    ("Email:DayOfWeek", "Recurrence_DayOfWeek"),
    ("Email:DayOfMonth", "Recurrence_DayOfMonth"),
    ("Email:WeekOfMonth", "Recurrence_WeekOfMonth"),
    ("Email:MonthOfYear", "Recurrence_MonthOfYear"),
    ("Email:Status", "FlagStatus"),
    ("Calendar:Email", "Attendee_Email"),
    ("Calendar:Name", "Attendee_Name"),
    ("Calendar:AttendeeStatus", "Attendee_Status"),
    ("Calendar:AttendeeType", "Attendee_Type"),
    ("Calendar:Deleted", "Exception_Deleted"),
    ("Calendar:ExceptionStartTime", "Exception_StartTime"),
    ("Calendar:OrganizerEmail", "Organizer_Email"),
    ("Calendar:OrganizerName", "Organizer_Name"),
    ("Calendar:Type", "Recurrence_Type"),
    ("Calendar:Until", "Recurrence_Until"),
    ("Calendar:Occurrences", "Recurrence_Occurrences"),
    ("Calendar:Interval", "Recurrence_Interval"),
    ("Calendar:DayOfWeek", "Recurrence_DayOfWeek"),
    ("Calendar:DayOfMonth", "Recurrence_DayOfMonth"),
    ("Calendar:WeekOfMonth", "Recurrence_WeekOfMonth"),
    ("Calendar:MonthOfYear", "Recurrence_MonthOfYear"),
    ("Tasks:Type", "Recurrence_Type"),
    ("Tasks:Start", "Recurrence_Start"),
    ("Tasks:Until", "Recurrence_Until"),
    ("Tasks:Occurrences", "Recurrence_Occurrences"),
    ("Tasks:Interval", "Recurrence_Interval"),
    ("Tasks:DayOfMonth", "Recurrence_DayOfMonth"),
    ("Tasks:DayOfWeek", "Recurrence_DayOfWeek"),
    ("Tasks:WeekOfMonth", "Recurrence_WeekOfMonth"),
    ("Tasks:MonthOfYear", "Recurrence_MonthOfYear"),
    ("Tasks:Regenerate", "Recurrence_Regenerate"),
    ("Tasks:DeadOccur", "Recurrence_DeadOccur"),
    ("ComposeMail:Name", "ForwardeeName"),
    ("ComposeMail:Email", "ForwardeeEmail"),
    ("RightsManagement:Owner", "RMOwner"),
    // The name of protocol 12.0.
    ("Provision:RequireStorageCardEncryption", "DeviceEncryptionEnabled"),
    // Slips of libwbxml's table.
    ("Settings:RightsManagementInformation", "ihsManagementInformation"),
    ("RightsManagement:RemoveRightsManagementProtection", "RemoveRightsManagementDistribution"),
];

/// What libwbxml 0.11.8 lacks, beside the whole page Find: elements of protocol 16.x, newer than its
/// tables.
const UNKNOWN_TO_IT: [&str; 3] = [
    "MeetingResponse:ProposedStartTime",
    "MeetingResponse:ProposedEndTime",
    "Provision:AccountOnlyRemoteWipe",
];

fn knows(tag: Tag) -> bool {
    tag.namespace() != "Find" && !UNKNOWN_TO_IT.contains(&tag.to_string().as_str())
}

/// Namespace and name as libwbxml has them.
fn to_its_name(node: &mut Node) {
    let qualified = format!("{}:{}", node.namespace, node.name);
    if let Some((_, other)) = OTHER_NAMES.iter().find(|(ours, _)| *ours == qualified) {
        node.name = (*other).to_owned();
    }
    if node.namespace == "GAL" {
        node.namespace = "Gal".to_owned();
    }
}

fn its_view(tree: &Element<'_>) -> Node {
    let mut node = Node::of(tree);
    node.for_each(&mut to_its_name);
    node
}

/// Every element of every page, put through wbxml2xml in one document, has the same name there save for
/// the exceptions listed; and no exception is listed that is none.
#[test]
fn every_token_has_the_same_name() {
    let root = Element::new(wbxml::airsync::SYNC);
    let tree = root.with_all(Tag::all().map(|tag| Element::leaf(tag, "x")));
    let seen = wbxml2xml(&encode(&tree));
    assert_eq!(seen.children.len(), 586);
    let mut unknown = Vec::new();
    for (tag, theirs) in Tag::all().zip(&seen.children) {
        let ours = its_view(&Element::leaf(tag, "x"));
        if knows(tag) {
            assert_eq!((&theirs.namespace, &theirs.name), (&ours.namespace, &ours.name), "{tag}");
        } else {
            assert_eq!(theirs.name, "unknown", "{tag}");
            unknown.push(tag);
        }
    }
    assert_eq!(unknown.len(), UNKNOWN_TO_IT.len() + Tag::all().filter(|t| t.namespace() == "Find").count());
    for (ours, other) in OTHER_NAMES {
        let tag = Tag::lookup(ours).unwrap_or_else(|| panic!("no element {ours}"));
        assert_ne!(tag.name(), *other);
    }
}

/// And the other way: the name in XML gives the token.
#[test]
fn every_name_has_the_same_token() {
    let known = Tag::all().filter(|&tag| knows(tag));
    let tree = Element::new(wbxml::airsync::SYNC).with_all(known.map(Element::new));
    let document = xml2wbxml(&its_view(&tree).to_xml(""), &["-a", "-n", "-k"]);
    assert_eq!(decode(&document, &Limits::default()), Ok(tree));
}

#[test]
fn fixtures_read_the_same() {
    for (name, path) in fixtures() {
        let document = fs::read(&path).expect("a fixture");
        let tree = decode(&document, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        if tree.descendants().all(|el| knows(el.tag())) {
            assert_eq!(wbxml2xml(&document), its_view(&tree), "{name}");
        } else {
            assert_eq!(tree.tag().namespace(), "Find", "{name}");
        }
    }
}

/// xml2wbxml, given a fixture's XML, writes the octets that we write.
#[test]
fn fixtures_are_written_the_same() {
    for (name, path) in fixtures() {
        let document = fs::read(&path).expect("a fixture");
        let tree = decode(&document, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        if tree.descendants().all(|el| knows(el.tag())) {
            let written = xml2wbxml(&its_view(&tree).to_xml(""), &["-a", "-n", "-k"]);
            assert_eq!(written, encode(&tree), "{name}");
        }
    }
}

/// Left to itself it names its document type in the string table, which no ActiveSync client does.
#[test]
fn a_spelt_out_document_type_is_refused() {
    let document = xml2wbxml("<Sync xmlns=\"AirSync:\"/>", &[]);
    let error = decode(&document, &Limits::default()).expect_err("not the identifier of ActiveSync");
    assert_eq!(error.kind, ErrorKind::PublicId(0));
}

fn wbxml2xml(document: &[u8]) -> Node {
    let xml = run("wbxml2xml", document, &["-l", "ACTIVESYNC", "-m", "0", "-k"]);
    Node::parse(&String::from_utf8(xml).expect("UTF-8"))
}

fn xml2wbxml(root: &str, options: &[&str]) -> Vec<u8> {
    let head = "<?xml version=\"1.0\"?><!DOCTYPE ActiveSync PUBLIC \"-//MICROSOFT//DTD ActiveSync//EN\" \
                \"http://www.microsoft.com/\">";
    run("xml2wbxml", format!("{head}{root}").as_bytes(), options)
}

/// Runs one of the tools on files of our own, as they write no binary to a pipe.
fn run(tool: &str, input: &[u8], options: &[&str]) -> Vec<u8> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = |kind| folder.join(format!("witness-{}-{number}.{kind}", std::process::id()));
    let (from, to) = (file("in"), file("out"));
    fs::write(&from, input).expect("a writable folder");
    let ran = Command::new(tool).args(options).arg("-o").arg(&to).arg(&from).output();
    let ran = ran.unwrap_or_else(|e| panic!("{tool} (Debian: libwbxml2-utils) does not run: {e}"));
    assert!(ran.status.success(), "{tool}: {}", String::from_utf8_lossy(&ran.stderr));
    let output = fs::read(&to).expect("the tool's output");
    for path in [from, to] {
        fs::remove_file(path).expect("a file just made");
    }
    output
}
