//! Python's imaplib as a client that makes mailboxes, shares and sorts.

use folkmoot::net::Listener;

use crate::support::TestServer;

const PASSWORD: &str = "correct horse battery";

/// Prints one line for each answer: its status, and what was told.
const SCRIPT: &str = r#"
import imaplib, sys
host, port, password = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def login(user):
    session = imaplib.IMAP4(host, port)
    session.login(user + '@example.test', password)
    return session

def told(name, answer):
    status, data = answer
    flat = []
    for line in data:
        flat.extend(line if isinstance(line, list) else [line])
    print(name, status, *[line.decode() for line in flat if line])

anna = login('anna')
told('create', anna.create('Projects/Spring'))
for subject in ('Plan', 'Agenda', 'Re: Plan'):
    text = f'From: bob@example.org\r\nSubject: {subject}\r\n\r\n{subject}\r\n'
    anna.append('Projects/Spring', None, None, text.encode())
told('namespace', anna.namespace())
told('unsubscribe', anna.unsubscribe('Junk'))
told('lsub', anna.lsub('""', 'Ju*'))
told('setacl', anna.setacl('Projects', 'ben@example.test', 'lrs'))
told('getacl', anna.getacl('Projects'))
told('getquotaroot', anna.getquotaroot('INBOX'))
anna.select('Projects/Spring')
told('sort', anna.sort('SUBJECT', 'UTF-8', 'ALL'))
told('thread', anna.thread('REFERENCES', 'UTF-8', 'ALL'))
told('search', anna.search(None, 'TEXT', 'agenda'))

ben = login('ben')
shared = '"Other users/anna@example.test/Projects/Spring"'
told('list', ben.list('""', '"Other users/*"'))
told('myrights', ben.myrights(shared))
told('select', ben.select(shared, readonly=True))
status, data = ben.fetch('2', '(BODY.PEEK[TEXT])')
print('fetch', status, data[0][1])

told('rename', anna.rename('Projects', 'Old'))
anna.unselect()
told('delete', anna.delete('Old/Spring'))
"#;

/// What it prints, but for the first line.
const TOLD: &str = r#"namespace OK (("" "/")) (("Other users/" "/")) NIL
unsubscribe OK unsubscribed
lsub OK
setacl OK the rights are set
getacl OK "Projects" "anna@example.test" lrswipkxtea0cd "ben@example.test" lrs
getquotaroot OK "INBOX" "" "" ()
sort OK 2 1 3
thread OK (1 3)(2)
search OK 2
list OK (\HasChildren \Noselect) "/" "Other users/anna@example.test" (\HasChildren) "/" "Other users/anna@example.test/Projects" (\HasNoChildren) "/" "Other users/anna@example.test/Projects/Spring"
myrights OK "Other users/anna@example.test/Projects/Spring" lrs
select OK 3
fetch OK b'Agenda\r\n'
rename OK renamed
delete OK deleted
"#;

#[tokio::test(flavor = "multi_thread")]
async fn imaplib_makes_shares_and_sorts_mailboxes() {
    let server = TestServer::start().await;
    for name in ["anna@example.test", "ben@example.test"] {
        server.account(name, PASSWORD).await;
    }
    let imap = server.address(Listener::Imap);
    let run = move || {
        std::process::Command::new("python3")
            .args(["-c", SCRIPT, &imap.ip().to_string(), &imap.port().to_string(), PASSWORD])
            .output()
            .expect("python3 is installed by ./test")
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (created, rest) = said.split_once('\n').unwrap();
    assert!(created.starts_with("create OK [MAILBOXID (F"), "{said}");
    assert_eq!(rest, TOLD);
}
