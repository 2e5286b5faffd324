//! Dialogues that are compressed. RFC 4978.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::*;

/// The client's side of a compressed connection.
struct Squeezed {
    client: Client,
    compress: Compress,
    decompress: Decompress,
}

impl Squeezed {
    async fn new(mut client: Client) -> Self {
        assert!(client.say("CAPABILITY").await.contains(" COMPRESS=DEFLATE"));
        assert_eq!(client.hear("COMPRESS DEFLATE").await, "OK DEFLATE begins\r\n");
        let compress = Compress::new(Compression::default(), false);
        Self { client, compress, decompress: Decompress::new(false) }
    }

    async fn send(&mut self, text: &[u8]) {
        let mut bytes = Vec::with_capacity(text.len() + 1_024);
        self.compress.compress_vec(text, &mut bytes, FlushCompress::Sync).unwrap();
        self.client.send(&bytes).await;
    }

    async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains(end) {
            let mut bytes = vec![0; 4_096];
            let read = self.client.io.read(&mut bytes).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&all));
            let mut rest = &bytes[..read];
            while !rest.is_empty() {
                all.reserve(8_192);
                let was = self.decompress.total_in();
                self.decompress.decompress_vec(rest, &mut all, FlushDecompress::None).unwrap();
                rest = &rest[(self.decompress.total_in() - was) as usize..];
            }
        }
        String::from_utf8(all).unwrap()
    }
}

#[tokio::test]
async fn a_compressed_dialogue() {
    let house = House::new().await;
    let text = [b"Subject: x\r\n\r\n".as_slice(), &b"many lines are alike\r\n".repeat(20_000)].concat();
    house.deliver(&text).await;
    let mut client = Squeezed::new(house.alice().await).await;
    client.send(b"a SELECT INBOX\r\nb COMPRESS DEFLATE\r\n").await;
    assert!(client.until("b NO").await.contains("* 1 EXISTS\r\n"));
    client.send(b"c FETCH 1 BODY.PEEK[TEXT]\r\n").await;
    let fetched = client.until("c OK FETCH done\r\n").await;
    assert_eq!(fetched.matches("many lines are alike\r\n").count(), 20_000);
    client.send(b"d CAPABILITY\r\n").await;
    assert!(!client.until("d OK").await.contains("COMPRESS"));
    client.send(b"e LOGOUT\r\n").await;
    client.until("e OK").await;
}

#[tokio::test]
async fn a_bomb_is_no_more_than_a_long_line() {
    let house = House::new().await;
    let mut client = Squeezed::new(house.alice().await).await;
    let mut bomb = Vec::with_capacity(1 << 20);
    client.compress.compress_vec(&vec![b'('; 50 << 20], &mut bomb, FlushCompress::Sync).unwrap();
    // The connection may be gone before all of it is sent.
    let _ = client.client.io.write_all(&bomb).await;
    assert!(client.until("\r\n").await.contains("* BYE that is more than may be sent unasked\r\n"));
}

#[tokio::test]
async fn only_after_a_login_and_nothing_behind_it() {
    let house = House::new().await;
    let mut client = house.client().await;
    assert_eq!(client.hear("COMPRESS DEFLATE").await, "BAD log in first\r\n");
    let mut client = house.alice().await;
    assert_eq!(client.hear("COMPRESS LZMA").await, "BAD only DEFLATE is known\r\n");
    client.send(b"x COMPRESS DEFLATE\r\ny NOOP\r\n").await;
    let rest = client.rest().await;
    assert!(rest.starts_with("* BYE ") && !rest.contains("OK"), "{rest}");
}
