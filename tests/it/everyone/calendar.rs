//! A calendar client that keeps what it was told by synchronisation. RFC 4791, RFC 6578.

use std::collections::BTreeMap;

use crate::dav_client::Dav;

/// A client with one calendar.
pub(super) struct Calendar {
    dav: Dav,
    home: String,
    token: String,
    /// What it has: by path, the ETag and the object.
    pub(super) objects: BTreeMap<String, (String, String)>,
}

impl Calendar {
    /// The calendar that every account has.
    pub(super) fn new(dav: Dav) -> Self {
        let home = dav.path("calendars", "calendar/");
        Self { dav, home, token: String::new(), objects: BTreeMap::new() }
    }

    /// Stores an object under a name, new or over what the client has.
    pub(super) async fn put(&self, name: &str, object: &str) {
        let path = format!("{}{name}", self.home);
        let known = self.objects.get(&path);
        let condition = known.map_or(("if-none-match", "*"), |(etag, _)| ("if-match", etag.as_str()));
        let expected = if known.is_some() { 204 } else { 201 };
        self.dav
            .ask("PUT", &path, &[condition, ("content-type", "text/calendar")], object)
            .await
            .is(expected);
    }

    /// Removes an object that the client has.
    pub(super) async fn delete(&self, path: &str) {
        self.dav.ask("DELETE", path, &[("if-match", &self.objects[path].0)], "").await.is(204);
    }

    /// Takes in what has changed since the last time.
    pub(super) async fn sync(&mut self) {
        let (answer, next) = self.dav.sync(&self.home, &self.token).await;
        self.token = next;
        for response in answer.between("<D:response>", "</D:response>") {
            let href = between(response, "<D:href>", "</D:href>").unwrap();
            if response.contains(" 404 ") {
                self.objects.remove(href);
                continue;
            }
            let object = self.dav.get(href).await.is(200);
            let etag = object.field("etag").unwrap().to_owned();
            let told = between(response, "<D:getetag>", "</D:getetag>").unwrap().replace("&quot;", "\"");
            assert_eq!(told, etag, "{href}");
            self.objects.insert(href.to_owned(), (etag, object.body));
        }
    }
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}
