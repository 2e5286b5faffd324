//! Any octets are refused or give a tree; the tree's encoding gives the same tree, and is the only one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wbxml::{Limits, decode, encode};

fuzz_target!(|document: &[u8]| {
    match decode(document, &Limits::default()) {
        Err(error) => assert!(error.offset <= document.len(), "{error}"),
        Ok(tree) => {
            let encoded = encode(&tree);
            let again = decode(&encoded, &Limits::default()).expect("its own encoding");
            assert!(again == tree, "{tree}\n{again}");
            assert!(encode(&again) == encoded);
            assert!(tree.to_string().lines().count() <= 1001);
        }
    }
});
