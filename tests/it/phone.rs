//! A phone: an ActiveSync client that keeps what it was told and holds the server to its word. It
//! panics when an answer makes no sense to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use wbxml::{
    Element, Limits, airsync, airsyncbase, decode, encode, folderhierarchy, moveitems, ping, provision,
};

/// What a server answers over HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The document in it.
    pub(crate) fn document(&self) -> Option<Element<'static>> {
        assert_eq!(self.status, 200, "{:?}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() {
            return None;
        }
        Some(decode(&self.body, &Limits::default()).unwrap().into_owned())
    }
}

/// A folder as the phone knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: u8,
}

/// What the phone has of a folder: by ServerId, the fields of each item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collection {
    pub(crate) key: String,
    pub(crate) items: BTreeMap<String, BTreeMap<String, String>>,
}

/// What one Sync brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Brought {
    pub(crate) status: u8,
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) deleted: Vec<String>,
    pub(crate) responses: Vec<(String, u16)>,
    pub(crate) more: bool,
    pub(crate) empty: bool,
}

/// How much of itself a Sync says. MS-ASCMD §2.2.1.21.1, §2.2.3.131.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Everything.
    Whole,
    /// The collections named; the others are as in the last request.
    Partial,
    /// Nothing: all is as in the last request.
    Empty,
}

/// What a Sync asks.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) window: u32,
    pub(crate) filter: u8,
    pub(crate) commands: Vec<Element<'static>>,
    /// Seconds to wait for a change; 0 does not wait.
    pub(crate) wait: u32,
    /// Deleted items are not to go to Trash.
    pub(crate) for_good: bool,
    /// The answer is thrown away, as if it had got lost.
    pub(crate) lost: bool,
    pub(crate) form: Form,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            window: 100,
            filter: 0,
            commands: Vec::new(),
            wait: 0,
            for_good: false,
            lost: false,
            form: Form::Whole,
        }
    }
}

/// A phone with one account.
pub(crate) struct Phone {
    server: SocketAddr,
    user: String,
    password: String,
    device: String,
    version: &'static str,
    policy_key: Option<String>,
    hierarchy: String,
    /// One connection for all its requests, if it keeps one.
    line: Option<Mutex<Option<BufReader<TcpStream>>>>,
    /// Header lines of its own.
    pub(crate) headers: &'static str,
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) collections: BTreeMap<String, Collection>,
}

impl Phone {
    pub(crate) fn new(server: SocketAddr, user: &str, password: &str, device: &str) -> Self {
        Self {
            server,
            user: user.into(),
            password: password.into(),
            device: device.into(),
            version: "16.1",
            policy_key: None,
            hierarchy: "0".into(),
            line: None,
            headers: "",
            folders: BTreeMap::new(),
            collections: BTreeMap::new(),
        }
    }

    /// Speaks another version.
    pub(crate) fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Sends all that follows on one connection.
    pub(crate) fn keep_line(&mut self) {
        self.line = Some(Mutex::new(None));
    }

    /// Finds the server elsewhere, after a restart.
    pub(crate) fn moved(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// Sends one request, on a connection of its own unless it keeps one.
    pub(crate) async fn request(&self, command: &str, body: &[u8]) -> std::io::Result<Answer> {
        let path = format!(
            "/Microsoft-Server-ActiveSync?Cmd={command}&User={}&DeviceId={}&DeviceType=TestPhone",
            self.user, self.device
        );
        let login = STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\
             MS-ASProtocolVersion: {}\r\nUser-Agent: Test/1\r\n{}",
            self.version, self.headers
        );
        if self.line.is_none() {
            head.push_str("Connection: close\r\n");
        }
        if let Some(key) = &self.policy_key {
            head.push_str(&format!("X-MS-PolicyKey: {key}\r\n"));
        }
        if !body.is_empty() {
            head.push_str("Content-Type: application/vnd.ms-sync.wbxml\r\n");
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let request = [head.as_bytes(), body].concat();
        let own = Mutex::new(None);
        let mut line = self.line.as_ref().unwrap_or(&own).lock().await;
        let mut stream = match line.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.server).await?),
        };
        stream.write_all(&request).await?;
        let answer = read_answer(&mut stream).await?;
        *line = Some(stream);
        Ok(answer)
    }

    /// Sends a document and reads the one in the answer.
    pub(crate) async fn post(&self, command: &str, body: &Element<'_>) -> Option<Element<'static>> {
        self.request(command, &encode(body)).await.unwrap().document()
    }

    /// Gets its policy, in both phases.
    pub(crate) async fn provision(&mut self) {
        let first = self.try_provision().await.unwrap();
        assert!(first, "the server gives a policy key");
    }

    /// As [`Phone::provision`], for a server that may be gone.
    pub(crate) async fn try_provision(&mut self) -> std::io::Result<bool> {
        self.policy_key = Some("0".into());
        let policy =
            || Element::new(provision::POLICY).with_text(provision::POLICY_TYPE, "MS-EAS-Provisioning-WBXML");
        for acknowledges in [false, true] {
            let mut policy = policy();
            if acknowledges {
                let key = self.policy_key.clone().unwrap_or_default();
                policy = policy.with_text(provision::POLICY_KEY, key).with_number(provision::STATUS, 1);
            }
            let body =
                Element::new(provision::PROVISION).with(Element::new(provision::POLICIES).with(policy));
            let answer = self.request("Provision", &encode(&body)).await?;
            let Some(document) = answer.document() else { return Ok(false) };
            let path = [provision::POLICIES, provision::POLICY, provision::POLICY_KEY];
            let Some(key) = document.at(&path).and_then(Element::text) else { return Ok(false) };
            self.policy_key = Some(key.to_owned());
        }
        Ok(true)
    }

    /// Synchronises the folders.
    pub(crate) async fn folder_sync(&mut self) {
        assert!(self.try_folder_sync().await, "the server has it start again");
    }

    /// As [`Phone::folder_sync`]. False when the server had the phone start again, which forgets all folders.
    pub(crate) async fn try_folder_sync(&mut self) -> bool {
        let body = Element::new(folderhierarchy::FOLDER_SYNC)
            .with_text(folderhierarchy::SYNC_KEY, self.hierarchy.clone());
        let answer = self.post("FolderSync", &body).await.unwrap();
        if answer.text_of(folderhierarchy::STATUS) == Some("9") {
            self.hierarchy = "0".into();
            self.folders.clear();
            return false;
        }
        assert_eq!(answer.text_of(folderhierarchy::STATUS), Some("1"), "{answer}");
        self.hierarchy = answer.text_of(folderhierarchy::SYNC_KEY).unwrap().to_owned();
        for change in answer.child(folderhierarchy::CHANGES).into_iter().flat_map(Element::children) {
            let text = |tag| change.text_of(tag).unwrap_or_default().to_owned();
            let id = text(folderhierarchy::SERVER_ID);
            if change.tag() == folderhierarchy::DELETE {
                assert!(self.folders.remove(&id).is_some(), "Delete of a folder that it lacks");
            } else if change.tag() != folderhierarchy::COUNT {
                let kind = text(folderhierarchy::TYPE).parse().unwrap();
                let folder = Folder { id: id.clone(), name: text(folderhierarchy::DISPLAY_NAME), kind };
                let before = self.folders.insert(id, folder);
                assert_eq!(before.is_some(), change.tag() == folderhierarchy::UPDATE, "{change}");
            }
        }
        true
    }

    /// Makes a folder for mail at the top; its id. MS-ASCMD §2.2.1.3.
    pub(crate) async fn folder_create(&mut self, name: &str) -> String {
        let body = Element::new(folderhierarchy::FOLDER_CREATE)
            .with_text(folderhierarchy::SYNC_KEY, self.hierarchy.clone())
            .with_text(folderhierarchy::PARENT_ID, "0")
            .with_text(folderhierarchy::DISPLAY_NAME, name.to_owned())
            .with_number(folderhierarchy::TYPE, 12);
        let answer = self.post("FolderCreate", &body).await.unwrap();
        assert_eq!(answer.text_of(folderhierarchy::STATUS), Some("1"), "{answer}");
        self.hierarchy = answer.text_of(folderhierarchy::SYNC_KEY).unwrap().to_owned();
        let id = answer.text_of(folderhierarchy::SERVER_ID).unwrap().to_owned();
        self.folders.insert(id.clone(), Folder { id: id.clone(), name: name.to_owned(), kind: 12 });
        id
    }

    /// Removes a folder. MS-ASCMD §2.2.1.4.
    pub(crate) async fn folder_delete(&mut self, id: &str) {
        let body = Element::new(folderhierarchy::FOLDER_DELETE)
            .with_text(folderhierarchy::SYNC_KEY, self.hierarchy.clone())
            .with_text(folderhierarchy::SERVER_ID, id.to_owned());
        let answer = self.post("FolderDelete", &body).await.unwrap();
        assert_eq!(answer.text_of(folderhierarchy::STATUS), Some("1"), "{answer}");
        self.hierarchy = answer.text_of(folderhierarchy::SYNC_KEY).unwrap().to_owned();
        self.folders.remove(id);
    }

    /// The folder of a type. MS-ASCMD §2.2.3.186.3.
    pub(crate) fn folder(&self, kind: u8) -> String {
        self.folders.values().find(|f| f.kind == kind).unwrap().id.clone()
    }

    /// What it has of a folder.
    pub(crate) fn collection(&mut self, id: &str) -> &mut Collection {
        self.collections
            .entry(id.to_owned())
            .or_insert_with(|| Collection { key: "0".into(), items: BTreeMap::new() })
    }

    /// One Sync of one folder.
    pub(crate) async fn sync(&mut self, id: &str, ask: &Ask) -> Brought {
        self.try_sync(id, ask).await.unwrap()
    }

    /// As [`Phone::sync`], for a server that may be gone.
    pub(crate) async fn try_sync(&mut self, id: &str, ask: &Ask) -> std::io::Result<Brought> {
        let key = self.collection(id).key.clone();
        let mut brought = self.try_sync_many(&[id], ask).await?;
        if ask.lost {
            return Ok(Brought { status: 1, ..Brought::default() });
        }
        if brought.is_empty() {
            assert_ne!(key, "0", "an empty answer to key 0");
            return Ok(Brought { status: 1, empty: true, ..Brought::default() });
        }
        let whole = brought.remove("");
        Ok(whole.or_else(|| brought.remove(id)).expect("an answer for the folder that was asked"))
    }

    /// One Sync of several folders with the same wishes; what it brought by folder, and under an empty name
    /// a status of the request as a whole.
    pub(crate) async fn sync_many(&mut self, ids: &[&str], ask: &Ask) -> BTreeMap<String, Brought> {
        self.try_sync_many(ids, ask).await.unwrap()
    }

    async fn try_sync_many(&mut self, ids: &[&str], ask: &Ask) -> std::io::Result<BTreeMap<String, Brought>> {
        let keys: Vec<_> = ids.iter().map(|id| (*id, self.collection(id).key.clone())).collect();
        let body = match ask.form {
            Form::Empty => Vec::new(),
            _ => encode(&sync_body(self.version, &keys, ask)),
        };
        let answer = self.request("Sync", &body).await?;
        if ask.lost {
            return Ok(BTreeMap::new());
        }
        let Some(document) = answer.document() else { return Ok(BTreeMap::new()) };
        let Some(collections) = document.child(airsync::COLLECTIONS) else {
            let status = document.parse_of(airsync::STATUS).unwrap().unwrap();
            return Ok(BTreeMap::from([(String::new(), Brought { status, ..Brought::default() })]));
        };
        let mut brought = BTreeMap::new();
        for told in collections.children() {
            let id = told.text_of(airsync::COLLECTION_ID).unwrap();
            let collection = self.collection(id);
            // What the phone did came first: where the server says otherwise, the server is right.
            if told.text_of(airsync::STATUS) == Some("1") {
                ask.commands.iter().for_each(|command| collection.did(command));
            }
            let key = collection.key.clone();
            brought.insert(id.to_owned(), collection.take(&key, told));
        }
        Ok(brought)
    }

    /// Synchronises a folder from where it is until nothing more comes. False when the server had the
    /// phone start again.
    pub(crate) async fn sync_all(&mut self, id: &str, ask: &Ask) -> bool {
        self.try_sync_all(id, ask).await.unwrap()
    }

    /// As [`Phone::sync_all`], for a server that may be gone.
    pub(crate) async fn try_sync_all(&mut self, id: &str, ask: &Ask) -> std::io::Result<bool> {
        for _ in 0..2_000 {
            let primed = self.collection(id).key != "0";
            let brought = self.try_sync(id, ask).await?;
            match brought.status {
                3 => {
                    *self.collection(id) = Collection { key: "0".into(), items: BTreeMap::new() };
                    return Ok(false);
                }
                // Something else happened at the same time.
                16 => continue,
                status => assert_eq!(status, 1),
            }
            if primed && !brought.more && brought.added.is_empty() && brought.changed.is_empty() {
                return Ok(true);
            }
        }
        panic!("synchronising never ends");
    }

    /// Moves an item; gives the status and the item's new id. MS-ASCMD §2.2.1.12.
    pub(crate) async fn move_item(&mut self, item: &str, from: &str, to: &str) -> (u8, Option<String>) {
        let asked = Element::new(moveitems::MOVE)
            .with_text(moveitems::SRC_MSG_ID, item.to_owned())
            .with_text(moveitems::SRC_FLD_ID, from.to_owned())
            .with_text(moveitems::DST_FLD_ID, to.to_owned());
        let answer = self.post("MoveItems", &Element::new(moveitems::MOVE_ITEMS).with(asked)).await.unwrap();
        let told = answer.child(moveitems::RESPONSE).unwrap();
        assert_eq!(told.text_of(moveitems::SRC_MSG_ID), Some(item));
        let status = told.parse_of(moveitems::STATUS).unwrap().unwrap();
        (status, told.text_of(moveitems::DST_MSG_ID).map(str::to_owned))
    }

    /// Waits for changes; gives the status and the folders named.
    pub(crate) async fn ping(&self, folders: &[String], heartbeat: u32) -> (u8, Vec<String>) {
        let watched = folders.iter().map(|id| {
            Element::new(ping::FOLDER).with_text(ping::ID, id.clone()).with_text(ping::CLASS, "Email")
        });
        let body = Element::new(ping::PING)
            .with_number(ping::HEARTBEAT_INTERVAL, heartbeat)
            .with(Element::new(ping::FOLDERS).with_all(watched));
        let answer = self.post("Ping", &body).await.unwrap();
        let named = answer.child(ping::FOLDERS).into_iter().flat_map(Element::children);
        let named = named.filter_map(Element::text).map(str::to_owned).collect();
        (answer.parse_of(ping::STATUS).unwrap().unwrap(), named)
    }
}

fn sync_body(version: &str, keys: &[(&str, String)], ask: &Ask) -> Element<'static> {
    let collections = keys.iter().map(|(id, key)| collection_body(version, id, key, ask));
    let sync = Element::new(airsync::SYNC);
    let sync = match keys {
        [] => sync,
        _ => sync.with(Element::new(airsync::COLLECTIONS).with_all(collections)),
    };
    let sync = match ask.wait {
        0 => sync,
        // 12.1 has no other unit than minutes.
        secs if version == "12.1" => sync.with_number(airsync::WAIT, secs / 60),
        secs => sync.with_number(airsync::HEARTBEAT_INTERVAL, secs),
    };
    match ask.form {
        Form::Partial => sync.with_number(airsync::WINDOW_SIZE, ask.window).with_empty(airsync::PARTIAL),
        _ => sync,
    }
}

fn collection_body(version: &str, id: &str, key: &str, ask: &Ask) -> Element<'static> {
    let mut collection = Element::new(airsync::COLLECTION);
    if version == "12.1" {
        collection.push(Element::leaf(airsync::CLASS, "Email"));
    }
    collection = collection
        .with_text(airsync::SYNC_KEY, key.to_owned())
        .with_text(airsync::COLLECTION_ID, id.to_owned());
    if key == "0" {
        return collection;
    }
    let preference = Element::new(airsyncbase::BODY_PREFERENCE)
        .with_number(airsyncbase::TYPE, 1)
        .with_number(airsyncbase::TRUNCATION_SIZE, 512);
    let options =
        Element::new(airsync::OPTIONS).with_number(airsync::FILTER_TYPE, ask.filter).with(preference);
    if ask.for_good {
        collection.push(Element::number(airsync::DELETES_AS_MOVES, 0));
    }
    collection = collection.with_number(airsync::WINDOW_SIZE, ask.window).with(options);
    if !ask.commands.is_empty() {
        collection.push(Element::new(airsync::COMMANDS).with_all(ask.commands.clone()));
    }
    collection
}

impl Collection {
    /// Does to the phone's copy what its user did.
    fn did(&mut self, command: &Element<'_>) {
        let id = command.text_of(airsync::SERVER_ID).unwrap_or_default();
        match command.child(airsync::APPLICATION_DATA) {
            Some(data) => {
                if let Some(item) = self.items.get_mut(id) {
                    item.extend(fields(data));
                }
            }
            None => drop(self.items.remove(id)),
        }
    }

    /// Takes an answer in.
    fn take(&mut self, key: &str, told: &Element<'_>) -> Brought {
        let status = told.parse_of(airsync::STATUS).unwrap().unwrap_or(1);
        let mut brought = Brought { status, more: told.has(airsync::MORE_AVAILABLE), ..Brought::default() };
        if status != 1 {
            return brought;
        }
        let next = told.text_of(airsync::SYNC_KEY).unwrap();
        assert_ne!(next, "0");
        let mut named = BTreeSet::new();
        for command in told.child(airsync::COMMANDS).into_iter().flat_map(Element::children) {
            assert_ne!(key, "0", "commands in answer to key 0");
            let id = command.text_of(airsync::SERVER_ID).unwrap().to_owned();
            assert!(named.insert(id.clone()), "{id} twice in one answer");
            let fields = command.child(airsync::APPLICATION_DATA).map(fields);
            match command.tag() {
                airsync::ADD => {
                    let before = self.items.insert(id.clone(), fields.unwrap());
                    assert!(before.is_none(), "Add of {id}, which the phone has");
                    brought.added.push(id);
                }
                airsync::CHANGE => {
                    let item = self.items.get_mut(&id);
                    item.unwrap_or_else(|| panic!("Change of {id}, which it lacks: {told}"))
                        .extend(fields.unwrap());
                    brought.changed.push(id);
                }
                _ => {
                    self.items.remove(&id);
                    brought.deleted.push(id);
                }
            }
        }
        assert!(named.is_empty() || next != key, "changes under the same key");
        for response in told.child(airsync::RESPONSES).into_iter().flat_map(Element::children) {
            let id = response.text_of(airsync::SERVER_ID).or(response.text_of(airsync::CLIENT_ID));
            let status = response.parse_of(airsync::STATUS).unwrap().unwrap();
            brought.responses.push((id.unwrap_or_default().to_owned(), status));
        }
        next.clone_into(&mut self.key);
        brought
    }
}

/// An item's fields that are plain text, by name.
fn fields(data: &Element<'_>) -> BTreeMap<String, String> {
    let plain = data.children().iter().filter_map(|e| Some((e.tag().to_string(), e.text()?.to_owned())));
    plain.collect()
}

/// Reads a whole answer, framed by Content-Length, in chunks or by the end.
async fn read_answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<Answer> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let Some(status) = line.split(' ').nth(1).and_then(|s| s.parse().ok()) else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await?;
    } else if headers.get("transfer-encoding").is_some_and(|t| t == "chunked") {
        read_chunks(stream, &mut body).await?;
    } else {
        stream.read_to_end(&mut body).await?;
    }
    Ok(Answer { status, body })
}

async fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim(), 16)
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
        let start = body.len();
        body.resize(start + length, 0);
        stream.read_exact(&mut body[start..]).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        if length == 0 {
            return Ok(());
        }
    }
}
