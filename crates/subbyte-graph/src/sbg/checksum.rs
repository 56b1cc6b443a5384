//! One checksum over the whole file.
//!
//! It stands in the graph's description as eight hexadecimal digits and is taken over all bytes of the file with these digits
//! zero, so a changed bit anywhere shows, in the header as in the tensors.

use std::ops::Range;

/// In front of the digits, as the description stands in the header: JSON within a JSON string. The description begins with it.
const LABEL: &[u8] = br#"{\"checksum\":\""#;

/// The digits before the checksum is known.
pub(super) const UNKNOWN: &str = "00000000";

/// Writes the checksum into a finished file.
pub(super) fn seal(file: &mut [u8]) {
    if let Some(digits) = place(file) {
        file[digits.clone()].copy_from_slice(UNKNOWN.as_bytes());
        let checksum = format!("{:08x}", crc32fast::hash(file));
        file[digits].copy_from_slice(checksum.as_bytes());
    }
}

/// Whether the file is as [`seal`] left it.
pub(super) fn is_sealed(file: &[u8]) -> bool {
    let Some(digits) = place(file) else {
        return false;
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file[..digits.start]);
    hasher.update(UNKNOWN.as_bytes());
    hasher.update(&file[digits.end..]);
    file[digits] == *format!("{:08x}", hasher.finalize()).as_bytes()
}

/// Where the digits are.
fn place(file: &[u8]) -> Option<Range<usize>> {
    let label = file.windows(LABEL.len()).position(|w| w == LABEL)?;
    let start = label + LABEL.len();
    let digits = start..start + UNKNOWN.len();
    (digits.end <= file.len()).then_some(digits)
}
