//! The ONNX reader on any bytes: it never panics, and what it accepts is a valid graph that can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use subbyte_onnx::{ReadOptions, from_bytes, write_qdq, write_qonnx};

fuzz_target!(|bytes: &[u8]| {
    let options = ReadOptions {
        size: Some([8, 8]),
        ..ReadOptions::default()
    };
    for options in [ReadOptions::default(), options] {
        match from_bytes(bytes, None, &options) {
            Ok(graph) => {
                assert_eq!(graph.validate(), Ok(()));
                let _ = write_qonnx(&graph);
                let _ = write_qdq(&graph);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
