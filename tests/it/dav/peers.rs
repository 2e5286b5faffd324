//! Foreign programs against the door: litmus, curl and vdirsyncer, as Debian has them.

use std::fs;
use std::process::{Command, Output};

use folkmoot::net::Listener;

use super::{ANN, ann, event, sound};
use crate::support::TestServer;

const PASSWORD: &str = "correct horse battery";

/// Runs a program off the runtime's threads.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn url(server: &TestServer, path: &str) -> String {
    format!("http://{}{path}", server.address(Listener::Http))
}

#[tokio::test(flavor = "multi_thread")]
async fn litmus_passes() {
    let (server, ann) = ann().await;
    let mut command = Command::new("litmus");
    command.args([&url(&server, &ann.path("files", "")), ANN, PASSWORD]);
    let folder = tempfile::tempdir().unwrap();
    command.env("TESTS", "basic copymove props http").current_dir(&folder);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for suite in ["basic", "copymove", "props", "http"] {
        let line = text.lines().find(|line| line.contains(&format!("summary for `{suite}'")));
        assert!(line.is_some_and(|line| line.contains(" 0 failed")), "{suite}: {text}");
    }
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_follows_from_the_well_known_place() {
    let (server, _ann) = ann().await;
    let mut command = Command::new("curl");
    command.args(["-sS", "-L", "-X", "PROPFIND", "-H", "Depth: 0", "-u", &format!("{ANN}:{PASSWORD}")]);
    command.arg(url(&server, "/.well-known/caldav"));
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("<D:multistatus"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vdirsyncer_keeps_calendars_and_address_books_both_ways() {
    let (server, ann) = ann().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pair = |name: &str, collection: &str, kind: &str, ending: &str| {
        fs::create_dir_all(at(name).join(collection)).unwrap();
        format!(
            "[pair {name}]\na = \"{name}_here\"\nb = \"{name}_there\"\ncollections = [\"{collection}\"]\n\
             conflict_resolution = \"a wins\"\n\
             [storage {name}_here]\ntype = \"filesystem\"\npath = \"{}\"\nfileext = \"{ending}\"\n\
             [storage {name}_there]\ntype = \"{kind}\"\nurl = \"{}\"\nusername = \"{ANN}\"\npassword = \"{PASSWORD}\"\n",
            at(name).display(),
            url(&server, "/")
        )
    };
    let config = format!(
        "[general]\nstatus_path = \"{}\"\n{}{}",
        at("status").display(),
        pair("calendars", "calendar", "caldav", ".ics"),
        pair("books", "contacts", "carddav", ".vcf")
    );
    fs::write(at("config"), config).unwrap();
    let sync = async |arguments: &[&str]| {
        let mut command = Command::new("vdirsyncer");
        command.arg("-c").arg(at("config")).args(arguments).env("HOME", folder.path());
        let output = run(command).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
    };
    let calendar = ann.path("calendars", "calendar/");
    ann.put(&format!("{calendar}one.ics"), &event("one", "DTSTART:20270101T100000Z\r\nSUMMARY:There"))
        .await
        .is(201);
    sync(&["discover", "--no-list"]).await;
    sync(&["sync"]).await;
    let here = fs::read_dir(at("calendars").join("calendar")).unwrap().count();
    assert_eq!(here, 1);
    let own = event("two", "DTSTART:20270102T100000Z\r\nSUMMARY:Here");
    fs::write(at("calendars").join("calendar/two.ics"), own).unwrap();
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c\r\nFN:Zoë\r\nN:Zoë;;;;\r\nEND:VCARD\r\n";
    fs::write(at("books").join("contacts/c.vcf"), card).unwrap();
    sync(&["sync"]).await;
    let (all, token) = ann.sync(&calendar, "").await;
    assert_eq!(all.hrefs().len(), 2);
    let book = ann.path("contacts", "contacts/");
    assert_eq!(ann.sync(&book, "").await.0.hrefs().len(), 1);
    // Removed on one side, changed on the other.
    ann.delete(&format!("{calendar}one.ics")).await.is(204);
    let two = ann.sync(&calendar, "").await.0.hrefs().first().unwrap().to_string();
    ann.put(&two, &event("two", "DTSTART:20270102T100000Z\r\nSUMMARY:Changed")).await.is(204);
    sync(&["sync"]).await;
    let files: Vec<_> = fs::read_dir(at("calendars").join("calendar")).unwrap().collect();
    assert_eq!(files.len(), 1);
    let text = fs::read_to_string(files.into_iter().next().unwrap().unwrap().path()).unwrap();
    assert!(text.contains("Changed"), "{text}");
    let (_, after) = ann.sync(&calendar, &token).await;
    assert_ne!(after, token);
    sound(&server);
}
