//! `folkmoot check`: what would stop a start is found beforehand.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::site::{Site, stop};

#[test]
fn check_tells_what_would_stop_a_start() {
    let site = Site::new();
    let before = site.ok(&["check"]);
    assert!(before.contains("will be made") && !site.path("data").exists(), "{before}");
    let serving = site.serve();
    assert!(site.ok(&["check"]).contains("in use by the server that runs now"));

    let taken = site.address("imap");
    let text =
        format!("[listen]\nimap = \"{taken}\"\nlmtp = \"0.0.0.0:0\"\n[tls]\ncert = \"a\"\nkey = \"b\"\n");
    fs::write(site.path("other.toml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_folkmoot"))
        .args(["check", "--config", "other.toml", "--data", "elsewhere"])
        .current_dir(&site.folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("BAD   imap         {taken}")), "{told}");
    assert!(told.contains("BAD   certificate  a: "), "{told}");
    assert!(told.contains("note  listen.lmtp"), "{told}");
    stop(serving);
}

/// Two listeners want one address, another process has one, the store is of another engine, the path is
/// too long for a socket: a start would fail at each.
#[test]
fn check_finds_what_a_start_would_stumble_over() {
    let site = Site::new();
    let check = |text: &str, data: &str| {
        fs::write(site.path("other.toml"), text).unwrap();
        let arguments = ["check", "--config", "other.toml", "--data", data];
        let output = site.bare(&arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, told) = check(&format!("[listen]\nimap = \"{free}\"\nhttp = \"{free}\"\n"), "data");
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains(&format!("BAD   http         {free} is wanted by imap too")), "{told}");

    let serving = site.serve();
    let another = TcpListener::bind("127.0.0.1:0").unwrap();
    let (own, others) = (site.address("imap"), another.local_addr().unwrap());
    let (code, told) = check(&format!("[listen]\nimap = \"{own}\"\nhttp = \"{others}\"\n"), "data");
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains(&format!("ok    imap         {own} is in use, as it should be")), "{told}");
    assert!(told.contains(&format!("BAD   http         {others} is in use by another process")), "{told}");
    stop(serving);

    let (code, told) = check("[listen]\nhttp = \"127.0.0.1:0\"\n", "data");
    assert!(code == Some(0) && told.contains("ok    data         data can be opened"), "{told}");
    let (code, told) = check("[listen]\nhttp = \"127.0.0.1:0\"\n[store]\nengine = \"sled\"\n", "data");
    assert!(code == Some(78) && told.contains("BAD   data         "), "{told}");
    assert!(!site.path("data/store/sled").exists(), "a check makes no store");
    let long = "a".repeat(110);
    let (code, told) = check("[listen]\nhttp = \"127.0.0.1:0\"\n", &long);
    assert!(code == Some(78) && told.contains("BAD   socket       "), "{told}");

    let expired = "[listen]\nhttp = \"127.0.0.1:0\"\n[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\n\
                   [smtp.smarthost]\naddress = \"a:25\"\nuser = \"a\"\npassword_file = \"none\"\n";
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(site.path("c.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(site.path("k.pem"), key.serialize_pem()).unwrap();
    let (code, told) = check(expired, "data");
    assert_eq!(code, Some(0), "a start would not fail: {told}");
    assert!(told.contains("note  certificate  c.pem ended on 2021-02-03"), "{told}");
    assert!(told.contains("note  smtp.smarthost.password_file none: "), "{told}");
}
