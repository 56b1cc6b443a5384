/// Makes the checksums of a damaged `.sbm` file match again as far as its table still makes sense, so that a test reaches the
/// code behind them. Written from the format's specification, not from the reader.
pub fn repair_checksums(file: &mut [u8]) {
    let word = |file: &[u8], at: usize| {
        file.get(at..at + 8)
            .map(|b| b.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b)))
    };
    if file.len() < 28 {
        return;
    }
    let sections = u32::from_le_bytes([file[12], file[13], file[14], file[15]]) as usize;
    let table = 28..(28 + 32 * sections.min(file.len())).min(file.len());
    for entry in table
        .clone()
        .step_by(32)
        .filter(|entry| entry + 32 <= table.end)
    {
        let (Some(offset), Some(bytes)) = (word(file, entry + 12), word(file, entry + 20)) else {
            continue;
        };
        let end = offset.saturating_add(bytes).min(file.len() as u64) as usize;
        if let Some(section) = file.get(offset as usize..end) {
            let crc = crc32fast::hash(section);
            file[entry + 28..entry + 32].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let mut header = crc32fast::Hasher::new();
    header.update(&file[..24]);
    header.update(&file[table]);
    file[24..28].copy_from_slice(&header.finalize().to_le_bytes());
}
