//! The `.sbm` reader on any bytes: it never panics, and what it accepts is what would be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use subbyte_model::testing::repair_checksums;
use subbyte_model::{itemise, read, sections, write};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Once more with good checksums, so that the code behind them is reached.
    let mut repaired = bytes.to_vec();
    repair_checksums(&mut repaired);
    check(&repaired);
});

fn check(bytes: &[u8]) {
    match read(bytes) {
        Ok(model) => {
            assert_eq!(write(&model).as_deref(), Ok(bytes));
            let items = itemise(bytes).expect("the file reads");
            let sum: usize = items.iter().map(|item| item.bytes).sum();
            assert_eq!(sum, bytes.len());
        }
        Err(error) => {
            let _ = sections(bytes);
            assert!(!error.to_string().is_empty());
        }
    }
}
