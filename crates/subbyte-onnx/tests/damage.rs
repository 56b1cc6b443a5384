//! Damaged files are errors or other graphs, never panics, and take no time or memory beyond their size.

use std::path::PathBuf;

use subbyte_onnx::{ReadOptions, from_bytes};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// All fixtures.
fn files() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder()).expect("fixtures");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("a fixture"))
        })
        .collect();
    files.sort();
    files
}

fn read(bytes: &[u8]) -> bool {
    let options = ReadOptions {
        size: Some([8, 8]),
        ..ReadOptions::default()
    };
    from_bytes(bytes, Some(&folder()), &options).is_ok()
}

#[test]
fn truncated_files_never_panic() {
    for (_, bytes) in files() {
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 1000) {
            read(&bytes[..length]);
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    let mut seed = 1u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    let (mut kept, mut refused) = (0, 0);
    for (_, bytes) in files() {
        for _ in 0..3000 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random() % 3 {
                let at = random() % bytes.len();
                bytes[at] = match random() % 4 {
                    0 => random() as u8,
                    1 => bytes[at] ^ 1 << (random() % 8),
                    2 => 0xff,
                    _ => bytes[at].wrapping_add(1),
                };
            }
            match read(&bytes) {
                true => kept += 1,
                false => refused += 1,
            }
        }
    }
    // Weights can change, structure cannot: both kinds must have been met.
    assert!(kept > 1000 && refused > 1000, "{kept} {refused}");
}
