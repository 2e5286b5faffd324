//! The DAV door over the wire.

mod bad;
mod contacts;
mod meetings;
mod objects;
mod peers;
mod queries;
mod tree;

use folkmoot::mailbox;
use folkmoot::net::Listener;

use crate::dav_client::Dav;
use crate::support::TestServer;

const ANN: &str = "ann@example.test";
const BOB: &str = "bob@example.test";

/// A server with Ann.
async fn ann() -> (TestServer, Dav) {
    let server = TestServer::start().await;
    let ann = user(&server, ANN).await;
    (server, ann)
}

async fn user(server: &TestServer, address: &str) -> Dav {
    server.account(address, "correct horse battery").await;
    Dav::new(server.address(Listener::Http), address, "correct horse battery")
}

fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// All that is derived from the items is as it should be.
fn sound(server: &TestServer) {
    let services = server.running.services();
    let view = services.mailbox.view(mailbox::Acting::System).unwrap();
    assert_eq!(mailbox::verify(view.reader()).unwrap(), []);
    assert_eq!(folkmoot::objects::verify(&view).unwrap(), [""; 0]);
}
