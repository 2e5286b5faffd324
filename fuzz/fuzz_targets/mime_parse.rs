//! Any octets are a message: its parts nest, its record is bounded and reads back, its bodies convert.

#![no_main]

use folkmoot::message::build::{Labels, Merge, Mode, without_bcc};
use folkmoot::message::{Flags, MailRecord, Tree, body, limits, parse, parse_path, thread};
use libfuzzer_sys::fuzz_target;

/// Longest input, in bytes. Within `-timeout` only what takes time in proportion to its length gets through.
const LONGEST: usize = 64 << 10;

fuzz_target!(|raw: &[u8]| {
    if raw.len() > LONGEST {
        return;
    }
    let message = parse(raw);
    for (index, part) in message.parts().iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= raw.len());
        if let Some(parent) = message.parts().get(part.parent).filter(|_| index > 0) {
            assert!(parent.body.start <= part.header.start && part.body.end <= parent.body.end);
        }
        let path = parse_path(&message.path(index)).expect("a path is written as it is read");
        assert!(message.find(&path).is_some());
    }
    let record = MailRecord::from_message(&message);
    let encoded = record.encode();
    assert!(encoded.len() <= limits::RECORD);
    let decoded = MailRecord::decode(&encoded).expect("its own encoding");
    assert!(decoded.flags.contains(Flags::TRUNCATED) || decoded == record);
    let _ = (record.subject(), record.display_to(), thread::keys(&record));
    let _ = MailRecord::decode(raw);
    let _ = (body::text(&message), body::html(&message));
    let _ = without_bcc(raw);
    let (new, original) = raw.split_at(raw.len() / 2);
    let _ = Merge { new, original, mode: Mode::Forward, labels: Labels::default(), unique: 1 }.build();
});
