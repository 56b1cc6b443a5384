//! Header, section table, alignment and checksums; nothing of what the sections hold.

use alloc::{vec, vec::Vec};

use super::error::{ReadError, ReadErrorKind};

/// Version that is written, and the latest that is read.
pub(super) const VERSION: u32 = 1;
/// Part of the file before the first section, as errors and [`super::itemise`] name it.
pub(super) const HEADER: &str = "HEADER";

/// Like PNG's: a byte beyond ASCII, both line ends and an end-of-file mark show files that were sent as text.
pub const MAGIC: [u8; 8] = *b"\x89SBM\r\n\x1a\n";
const HEADER_BYTES: usize = 28;
const ENTRY_BYTES: usize = 32;
const NAME_BYTES: usize = 12;
const ALIGNMENT: usize = 64;

/// Names of the sections in the order in which they lie in a file.
pub(super) const NAMES: [&str; 6] = [
    "NODES",
    "WEIGHTS",
    "TABLES",
    "NAMES",
    "PROVENANCE",
    "VECTORS",
];

/// Where a section lies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionInfo {
    /// Its name.
    pub name: &'static str,
    /// First byte, from the start of the file; a multiple of 64.
    pub offset: usize,
    /// Length, at least 1.
    pub bytes: usize,
}

/// Bytes of the header with a table of so many sections.
pub(super) const fn header_bytes(sections: usize) -> usize {
    HEADER_BYTES + ENTRY_BYTES * sections
}

/// A file of the sections, in the order of [`NAMES`]; empty ones are left out.
pub(super) fn pack(sections: [Vec<u8>; NAMES.len()]) -> Vec<u8> {
    let present: Vec<(&str, Vec<u8>)> = NAMES
        .into_iter()
        .zip(sections)
        .filter(|(_, s)| !s.is_empty())
        .collect();
    let mut file = vec![0; header_bytes(present.len())];
    for (i, (name, section)) in present.iter().enumerate() {
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        let offset = file.len() as u64;
        file.extend_from_slice(section);
        let entry = &mut file[HEADER_BYTES + ENTRY_BYTES * i..][..ENTRY_BYTES];
        entry[..name.len()].copy_from_slice(name.as_bytes());
        entry[12..20].copy_from_slice(&offset.to_le_bytes());
        entry[20..28].copy_from_slice(&(section.len() as u64).to_le_bytes());
        entry[28..].copy_from_slice(&crc32fast::hash(section).to_le_bytes());
    }
    let bytes = file.len() as u64;
    file[..8].copy_from_slice(&MAGIC);
    file[8..12].copy_from_slice(&VERSION.to_le_bytes());
    file[12..16].copy_from_slice(&(present.len() as u32).to_le_bytes());
    file[16..24].copy_from_slice(&bytes.to_le_bytes());
    let crc = header_crc(&file, present.len());
    file[24..28].copy_from_slice(&crc.to_le_bytes());
    file
}

/// The sections of a file whose header, table, padding and checksums have all been checked.
pub(super) fn unpack(file: &[u8]) -> Result<Vec<SectionInfo>, ReadError> {
    let count = check_header(file)?;
    let mut end = header_bytes(count);
    let mut known = NAMES.into_iter();
    let mut sections = Vec::with_capacity(count);
    for i in 0..count {
        let at = HEADER_BYTES + ENTRY_BYTES * i;
        let entry = &file[at..][..ENTRY_BYTES];
        let name = known
            .find(|name| padded(name) == entry[..NAME_BYTES])
            .ok_or(malformed(at, "a section that is unknown or out of order"))?;
        let offset = end.next_multiple_of(ALIGNMENT);
        if u64_at(entry, 12) != offset as u64 {
            return Err(malformed(
                at + 12,
                "a section that does not begin where the one before it ends",
            ));
        }
        let rest = file.len().saturating_sub(offset);
        let bytes = match usize::try_from(u64_at(entry, 20)) {
            Ok(bytes) if (1..=rest).contains(&bytes) => bytes,
            _ => {
                return Err(malformed(
                    at + 20,
                    "a section that is empty or longer than the file",
                ));
            }
        };
        if let Some(set) = file[end..offset].iter().position(|&b| b != 0) {
            return Err(malformed(end + set, "padding that is not zero"));
        }
        if crc32fast::hash(&file[offset..offset + bytes]) != u32_at(entry, 28) {
            return Err(failed(ReadErrorKind::Checksum, name, offset));
        }
        sections.push(SectionInfo {
            name,
            offset,
            bytes,
        });
        end = offset + bytes;
    }
    if end == file.len() {
        Ok(sections)
    } else {
        Err(malformed(end, "bytes after the last section"))
    }
}

/// Number of sections, once the header and the table are known to be whole.
fn check_header(file: &[u8]) -> Result<usize, ReadError> {
    let found = file.len() as u64;
    let short = |expected: usize| {
        let expected = expected as u64;
        failed(
            ReadErrorKind::Length { expected, found },
            HEADER,
            file.len(),
        )
    };
    if !file.starts_with(&MAGIC[..file.len().min(MAGIC.len())]) || file.is_empty() {
        return Err(failed(ReadErrorKind::NotAModel, HEADER, 0));
    }
    if file.len() < HEADER_BYTES {
        return Err(short(HEADER_BYTES));
    }
    let version = u32_at(file, 8);
    if version != VERSION {
        return Err(failed(ReadErrorKind::Version(version), HEADER, 8));
    }
    let count = u32_at(file, 12) as usize;
    if count > NAMES.len() {
        return Err(malformed(12, "more sections than there are kinds"));
    }
    let table_end = header_bytes(count);
    if file.len() < table_end {
        return Err(short(table_end));
    }
    if header_crc(file, count) != u32_at(file, 24) {
        return Err(failed(ReadErrorKind::Checksum, HEADER, 24));
    }
    let expected = u64_at(file, 16);
    if expected != found {
        return Err(failed(
            ReadErrorKind::Length { expected, found },
            HEADER,
            16,
        ));
    }
    Ok(count)
}

/// Checksum of the header before its own place, and of the table.
fn header_crc(file: &[u8], sections: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file[..24]);
    hasher.update(&file[HEADER_BYTES..][..ENTRY_BYTES * sections]);
    hasher.finalize()
}

fn padded(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn malformed(offset: usize, text: &'static str) -> ReadError {
    failed(ReadErrorKind::Malformed(text), HEADER, offset)
}

fn failed(kind: ReadErrorKind, section: &'static str, offset: usize) -> ReadError {
    ReadError {
        kind,
        section,
        offset,
    }
}
