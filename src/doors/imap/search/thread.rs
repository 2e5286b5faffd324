//! Threads of what was found, from the records. RFC 5256 §3, "REFERENCES" and "ORDEREDSUBJECT".

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use xxhash_rust::xxh3::xxh3_128;

use super::sort::sent;
use crate::mailbox::Item;
use crate::message::MailRecord;
use crate::message::thread::{base_subject, message_id, message_ids};

/// Deepest thread. What would stand deeper begins a thread of its own, so that finding out whether a message is
/// its own ancestor takes bounded time.
const DEPTH_MAX: usize = 500;

/// What is kept of a message to thread it by.
#[derive(Debug)]
pub(super) struct Row {
    uid: u32,
    sent: i64,
    /// Digest of the Message-ID.
    id: Option<u128>,
    /// Digests of the ids it refers to, the nearest last.
    references: Box<[u128]>,
    /// Digest of the base subject; `None` if that is empty.
    subject: Option<u128>,
    is_reply: bool,
}

impl Row {
    pub(super) fn new(item: &Item, record: &MailRecord<'_>) -> Self {
        let envelope = &record.envelope;
        let digest = |id: &str| xxh3_128(id.as_bytes());
        let mut references: Vec<u128> = record.references.iter().map(|id| digest(id)).collect();
        if references.is_empty() {
            let in_reply_to = envelope.in_reply_to.as_ref().map(|text| message_ids(text.as_bytes()));
            references.extend(in_reply_to.unwrap_or_default().first().map(|id| digest(id)));
        }
        let id = envelope.message_id.as_ref().and_then(|text| message_id(text.as_bytes()));
        let (subject, is_reply) = base_subject(&record.subject());
        Self {
            uid: item.uid.0,
            sent: sent(item, record),
            id: id.map(|id| digest(&id)),
            references: references.into(),
            subject: (!subject.is_empty()).then(|| digest(&subject.to_uppercase())),
            is_reply,
        }
    }

    /// About how much memory it takes, in bytes, with its share of the tree.
    pub(super) fn bytes(&self) -> usize {
        (self.references.len() + 1) * size_of::<(u128, Node)>() + size_of::<Self>()
    }
}

/// Threads: a forest of messages, and of places where a message is missing.
#[derive(Debug, Default)]
pub(in crate::doors::imap) struct Forest {
    nodes: Vec<Node>,
    /// The threads in order.
    pub(in crate::doors::imap) roots: Vec<usize>,
}

#[derive(Debug, Default)]
struct Node {
    parent: Option<usize>,
    children: Vec<usize>,
    /// `None` where a message is missing.
    message: Option<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    uid: u32,
    sent: i64,
    subject: Option<u128>,
    is_reply: bool,
}

impl Forest {
    /// The message of a node, if there is one, by its UID.
    pub(in crate::doors::imap) fn uid(&self, node: usize) -> Option<u32> {
        Some(self.nodes.get(node)?.message?.uid)
    }

    /// The answers to a node, in order.
    pub(in crate::doors::imap) fn children(&self, node: usize) -> &[usize] {
        self.nodes.get(node).map(|node| node.children.as_slice()).unwrap_or_default()
    }

    /// One thread for each base subject: the oldest message, and the others as answers to it.
    pub(super) fn by_subject(rows: &[Row]) -> Self {
        let mut forest = Self::default();
        let mut order: Vec<&Row> = rows.iter().collect();
        order.sort_by_key(|row| row.sent);
        let mut threads: HashMap<Option<u128>, usize> = HashMap::new();
        for row in order {
            let node = forest.add(Some(row));
            match threads.entry(row.subject) {
                Entry::Occupied(root) => forest.attach(node, *root.get()),
                Entry::Vacant(place) => {
                    place.insert(node);
                    forest.roots.push(node);
                }
            }
        }
        forest
    }

    /// Threads by what messages refer to, then by subject.
    pub(super) fn by_references(rows: &[Row]) -> Self {
        let mut forest = Self::default();
        forest.link(rows);
        forest.roots = (0..forest.nodes.len()).filter(|node| forest.parent(*node).is_none()).collect();
        forest.prune();
        forest.sort_roots();
        forest.join_subjects();
        forest.sort_all();
        forest
    }

    fn add(&mut self, row: Option<&Row>) -> usize {
        let message = row.map(|row| Message {
            uid: row.uid,
            sent: row.sent,
            subject: row.subject,
            is_reply: row.is_reply,
        });
        self.nodes.push(Node { message, ..Node::default() });
        self.nodes.len() - 1
    }

    fn parent(&self, node: usize) -> Option<usize> {
        self.nodes.get(node)?.parent
    }

    fn message(&self, node: usize) -> Option<Message> {
        self.nodes.get(node)?.message
    }

    fn attach(&mut self, child: usize, parent: usize) {
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.push(child);
        }
        if let Some(node) = self.nodes.get_mut(child) {
            node.parent = Some(parent);
        }
    }

    fn take_children(&mut self, node: usize) -> Vec<usize> {
        self.nodes.get_mut(node).map(|node| std::mem::take(&mut node.children)).unwrap_or_default()
    }

    /// Steps 1 and 2: each message below the last one that it refers to. Children are attached only at the end,
    /// when no parent changes any more.
    fn link(&mut self, rows: &[Row]) {
        let mut by_id: HashMap<u128, usize> = HashMap::with_capacity(rows.len());
        let mut own = Vec::with_capacity(rows.len());
        for row in rows {
            let node = self.add(Some(row));
            own.push(node);
            // Of several messages with one id only the first is meant by it.
            if let Some(id) = row.id {
                by_id.entry(id).or_insert(node);
            }
        }
        for (row, own) in rows.iter().zip(own) {
            let mut above = None;
            for id in &row.references {
                let node = *by_id.entry(*id).or_insert_with(|| {
                    self.nodes.push(Node::default());
                    self.nodes.len() - 1
                });
                if let Some(above) = above
                    && self.parent(node).is_none()
                {
                    self.set_parent(node, above);
                }
                above = Some(node);
            }
            if let Some(above) = above {
                // It knows best what it answers, whatever others say.
                self.set_parent(own, above);
            }
        }
        for node in 0..self.nodes.len() {
            if let Some(parent) = self.parent(node) {
                self.attach(node, parent);
            }
        }
    }

    /// Sets a node's parent unless it is the parent's own ancestor.
    fn set_parent(&mut self, child: usize, parent: usize) {
        let mut at = Some(parent);
        for _ in 0..DEPTH_MAX {
            match at {
                None => {
                    if let Some(node) = self.nodes.get_mut(child) {
                        node.parent = Some(parent);
                    }
                    return;
                }
                Some(node) if node == child => return,
                Some(node) => at = self.parent(node),
            }
        }
    }

    /// Step 3: missing messages stand only where they hold several threads together.
    fn prune(&mut self) {
        // Children first.
        let mut order = self.roots.clone();
        let mut next = 0;
        while let Some(node) = order.get(next).copied() {
            order.extend(self.children(node));
            next += 1;
        }
        for node in order.into_iter().rev() {
            let mut children = Vec::new();
            for child in self.take_children(node) {
                match self.message(child) {
                    Some(_) => children.push(child),
                    None => children.extend(self.take_children(child)),
                }
            }
            for child in &children {
                if let Some(child) = self.nodes.get_mut(*child) {
                    child.parent = Some(node);
                }
            }
            if let Some(node) = self.nodes.get_mut(node) {
                node.children = children;
            }
        }
        let mut roots = Vec::with_capacity(self.roots.len());
        for root in std::mem::take(&mut self.roots) {
            match (self.message(root), self.children(root)) {
                (None, []) => {}
                (None, [only]) => roots.push(*only),
                _ => roots.push(root),
            }
        }
        self.roots = roots;
        for root in self.roots.clone() {
            if let Some(root) = self.nodes.get_mut(root) {
                root.parent = None;
            }
        }
    }

    /// By what a node counts: its own date, or that of the first message below it. Nodes were made in the order of
    /// the mailbox.
    fn age(&self, node: usize) -> (i64, u32) {
        let first = || self.children(node).iter().filter_map(|child| self.message(*child));
        let message =
            self.message(node).or_else(|| first().min_by_key(|message| (message.sent, message.uid)));
        message.map_or((i64::MAX, u32::MAX), |message| (message.sent, message.uid))
    }

    /// Step 4.
    fn sort_roots(&mut self) {
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_cached_key(|root| self.age(*root));
        self.roots = roots;
    }

    /// Step 6.
    fn sort_all(&mut self) {
        for node in 0..self.nodes.len() {
            let mut children = self.take_children(node);
            children.sort_by_cached_key(|child| self.age(*child));
            if let Some(node) = self.nodes.get_mut(node) {
                node.children = children;
            }
        }
        self.sort_roots();
    }

    /// The message whose subject is a thread's.
    fn head(&self, root: usize) -> Option<Message> {
        self.message(root).or_else(|| {
            let children = self.children(root).iter();
            children.min_by_key(|child| self.age(**child)).and_then(|child| self.message(*child))
        })
    }

    /// Step 5: threads with the same subject become one.
    fn join_subjects(&mut self) {
        // For each subject the thread that others join.
        let mut table: HashMap<u128, usize> = HashMap::new();
        for root in &self.roots {
            let Some(head) = self.head(*root) else { continue };
            let Some(subject) = head.subject else { continue };
            match table.entry(subject) {
                Entry::Vacant(place) => {
                    place.insert(*root);
                }
                Entry::Occupied(mut place) => {
                    let there = *place.get();
                    let becomes_empty = self.message(*root).is_none() && self.message(there).is_some();
                    let is_original = self.message(there).is_some_and(|message| message.is_reply)
                        && self.message(*root).is_some_and(|message| !message.is_reply);
                    if becomes_empty || is_original {
                        place.insert(*root);
                    }
                }
            }
        }
        let mut roots = Vec::with_capacity(self.roots.len());
        let mut replaced: HashMap<usize, usize> = HashMap::new();
        for root in std::mem::take(&mut self.roots) {
            let subject = self.head(root).and_then(|head| head.subject);
            match subject.and_then(|subject| table.get_mut(&subject)) {
                Some(there) if *there != root => {
                    let joined = self.join(root, *there);
                    if joined != *there {
                        replaced.insert(*there, joined);
                        *there = joined;
                    }
                }
                _ => roots.push(root),
            }
        }
        // What was joined under a new node is represented by that.
        self.roots = roots.into_iter().map(|root| replaced.get(&root).copied().unwrap_or(root)).collect();
    }

    /// Joins a thread to another one and returns what holds both.
    fn join(&mut self, root: usize, there: usize) -> usize {
        match (self.message(root), self.message(there)) {
            (None, None) => {
                for child in self.take_children(root) {
                    self.attach(child, there);
                }
                there
            }
            (Some(message), Some(original)) if !message.is_reply || original.is_reply => {
                let both = self.add(None);
                self.attach(there, both);
                self.attach(root, both);
                both
            }
            _ => {
                self.attach(root, there);
                there
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message: its id, what it refers to, its subject, whether that is a reply's, when it was sent.
    fn row(uid: u32, id: &str, references: &[&str], subject: &str, is_reply: bool, sent: i64) -> Row {
        let digest = |text: &&str| xxh3_128(text.as_bytes());
        Row {
            uid,
            sent,
            id: (!id.is_empty()).then(|| digest(&id)),
            references: references.iter().map(digest).collect(),
            subject: (!subject.is_empty()).then(|| digest(&subject)),
            is_reply,
        }
    }

    /// As THREAD answers, every branch in parentheses.
    fn shown(forest: &Forest) -> String {
        fn node(forest: &Forest, at: usize, out: &mut String) {
            out.push('(');
            out.push_str(&forest.uid(at).map_or("-".into(), |uid| uid.to_string()));
            forest.children(at).iter().for_each(|child| node(forest, *child, out));
            out.push(')');
        }
        let mut out = String::new();
        forest.roots.iter().for_each(|root| node(forest, *root, &mut out));
        out
    }

    fn threads(rows: &[Row]) -> String {
        shown(&Forest::by_references(rows))
    }

    #[test]
    fn references() {
        let rows = [
            row(1, "a", &[], "x", false, 1),
            row(2, "b", &["a"], "x", true, 2),
            row(3, "c", &["a", "b"], "x", true, 3),
            row(4, "d", &["a"], "x", true, 4),
            row(5, "e", &[], "y", false, 0),
        ];
        assert_eq!(threads(&rows), "(5)(1(2(3))(4))");
    }

    #[test]
    fn missing_messages() {
        // One missing parent with two answers stays, one with a single answer does not.
        let two = [row(1, "b", &["a"], "x", false, 1), row(2, "c", &["a"], "y", false, 2)];
        assert_eq!(threads(&two), "(-(1)(2))");
        assert_eq!(threads(&two[..1]), "(1)");
        // In the middle of a thread none stays.
        let middle = [
            row(1, "a", &[], "x", false, 1),
            row(2, "c", &["a", "b"], "x", false, 2),
            row(3, "d", &["a", "b"], "x", false, 3),
        ];
        assert_eq!(threads(&middle), "(1(2)(3))");
    }

    #[test]
    fn loops_and_doubles() {
        let rows = [
            row(1, "a", &["b"], "", false, 1),
            row(2, "b", &["a"], "", false, 2),
            row(3, "c", &["c"], "", false, 3),
            row(4, "a", &["a"], "", false, 4),
            row(5, "", &["a"], "", false, 5),
        ];
        assert_eq!(threads(&rows), "(2(1(4)(5)))(3)");
    }

    #[test]
    fn subjects() {
        // A reply joins the original, whichever came first.
        let reply = [row(1, "a", &[], "x", true, 1), row(2, "b", &[], "x", false, 2)];
        assert_eq!(threads(&reply), "(2(1))");
        // Two originals stand side by side.
        let both = [row(1, "a", &[], "x", false, 1), row(2, "b", &[], "x", false, 2)];
        assert_eq!(threads(&both), "(-(1)(2))");
        let three = [&both[..], &[row(3, "c", &[], "x", false, 3)]].map(|rows| {
            rows.iter().map(|r| Row { references: r.references.clone(), ..*r }).collect::<Vec<_>>()
        });
        assert_eq!(threads(&three.concat_rows()), "(-(1)(2)(3))");
        // Two missing parents with the same subject below become one.
        let missing = [
            row(1, "b", &["a"], "x", false, 1),
            row(2, "c", &["a"], "x", false, 2),
            row(3, "e", &["d"], "x", false, 3),
            row(4, "f", &["d"], "x", false, 4),
        ];
        assert_eq!(threads(&missing), "(-(1)(2)(3)(4))");
    }

    trait Concat {
        fn concat_rows(self) -> Vec<Row>;
    }

    impl Concat for [Vec<Row>; 2] {
        fn concat_rows(self) -> Vec<Row> {
            self.into_iter().flatten().collect()
        }
    }

    #[test]
    fn ordered_subject() {
        let rows = [
            row(1, "a", &[], "x", true, 5),
            row(2, "b", &[], "y", false, 2),
            row(3, "c", &[], "x", false, 1),
            row(4, "d", &[], "x", false, 3),
        ];
        assert_eq!(shown(&Forest::by_subject(&rows)), "(3(4)(1))(2)");
    }

    #[test]
    fn long_chains_take_little_time() {
        let ids: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
        let rows: Vec<Row> =
            (1..50_000).map(|n| row(n as u32, &ids[n], &[&ids[n - 1]], "", false, n as i64)).collect();
        let forest = Forest::by_references(&rows);
        assert!(forest.roots.len() > 50);
    }

    proptest! {
        #[test]
        fn every_message_stands_once(
            messages in prop::collection::vec((0_u8..12, prop::collection::vec(0_u8..14, 0..4), 0_u8..4, any::<bool>(), 0_i64..5), 0..24),
        ) {
            let rows: Vec<Row> = messages
                .iter()
                .enumerate()
                .map(|(n, (id, references, subject, is_reply, sent))| {
                    let references: Vec<String> = references.iter().map(u8::to_string).collect();
                    let references: Vec<&str> = references.iter().map(String::as_str).collect();
                    let subject = if *subject == 0 { String::new() } else { subject.to_string() };
                    row(n as u32 + 1, &id.to_string(), &references, &subject, *is_reply, *sent)
                })
                .collect();
            for forest in [Forest::by_references(&rows), Forest::by_subject(&rows)] {
                let mut uids = Vec::new();
                let mut left: Vec<(usize, usize)> = forest.roots.iter().map(|root| (*root, 0)).collect();
                while let Some((node, depth)) = left.pop() {
                    uids.extend(forest.uid(node));
                    // A missing message holds several together, and only at the top.
                    prop_assert!(forest.uid(node).is_some() || (depth == 0 && forest.children(node).len() > 1));
                    left.extend(forest.children(node).iter().map(|child| (*child, depth + 1)));
                }
                uids.sort_unstable();
                prop_assert_eq!(uids, (1..=rows.len() as u32).collect::<Vec<_>>());
            }
        }
    }
}
