//! The `.sbm` file: lossless, one file for one model, and closed against damage.

mod common;

use proptest::prelude::*;
use subbyte_model::testing::{Rng, random_model, repair_checksums};
use subbyte_model::{ReadErrorKind, WriteError, itemise, read, sections, write};

#[test]
fn random_models_come_back_as_they_were() {
    for seed in 0..400 {
        let model = random_model(seed);
        let file = write(&model).unwrap();
        assert_eq!(read(&file).as_ref(), Ok(&model), "seed {seed}");
    }
}

#[test]
fn every_byte_is_accounted_for_once() {
    for model in [common::every_op(), random_model(1), random_model(2)] {
        let file = write(&model).unwrap();
        let items = itemise(&file).unwrap();
        assert_eq!(
            items.iter().map(|item| item.bytes).sum::<usize>(),
            file.len()
        );
        for section in sections(&file).unwrap() {
            let items = items.iter().filter(|item| item.section == section.name);
            assert_eq!(items.map(|item| item.bytes).sum::<usize>(), section.bytes);
            assert_eq!(section.offset % 64, 0);
        }
        let bulk = |name: &str| name == "WEIGHTS" || name == "TABLES";
        assert!(
            items
                .iter()
                .all(|item| item.node.is_some() || !bulk(item.section))
        );
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let file = write(&common::every_op()).unwrap();
    let mut damaged = file.clone();
    for i in 0..file.len() {
        for change in [0x01, 0x80, 0xff] {
            damaged[i] ^= change;
            assert!(read(&damaged).is_err(), "byte {i} changed by {change:#x}");
            damaged[i] ^= change;
        }
    }
    assert_eq!(damaged, file);
}

#[test]
fn every_truncation_and_every_trailing_byte_is_noticed() {
    let mut file = write(&common::every_op()).unwrap();
    for length in 0..file.len() {
        assert!(read(&file[..length]).is_err(), "{length} bytes");
    }
    for byte in [0, 1] {
        file.push(byte);
        assert!(matches!(
            read(&file).unwrap_err().kind,
            ReadErrorKind::Length { .. }
        ));
        file.pop();
    }
}

#[test]
fn errors_name_the_place_and_the_matter() {
    let file = write(&common::every_op()).unwrap();
    let nodes = sections(&file).unwrap()[0];
    let changed = |at: usize, value: u8, repair: bool| {
        let mut file = file.clone();
        file[at] = value;
        if repair {
            repair_checksums(&mut file);
        }
        read(&file).unwrap_err().to_string()
    };
    assert_eq!(
        read(b"PK\x03\x04").unwrap_err().to_string(),
        "not an .sbm file"
    );
    assert_eq!(
        changed(8, 9, true),
        "an .sbm file of version 9; this reader knows versions up to 1"
    );
    assert_eq!(
        changed(nodes.offset, 2, false),
        format!(
            "the checksum of NODES at byte {} does not match: the file is damaged",
            nodes.offset
        )
    );
    assert_eq!(
        changed(nodes.offset, 2, true).lines().nth(1),
        Some("  node 0 (image): images of 2 colours; 1 or 3 are possible")
    );
    // Colours, height, width, filter, shorter side, number of nodes; then node 0: no inputs, opcode.
    assert_eq!(
        changed(nodes.offset + 7, 99, true),
        format!("NODES at byte {}: an unknown operation", nodes.offset + 8)
    );
    let padding = nodes.offset + nodes.bytes;
    assert_eq!(
        changed(padding, 1, false),
        format!("HEADER at byte {padding}: padding that is not zero")
    );
    let half = read(&file[..file.len() / 2]).unwrap_err().to_string();
    assert!(half.starts_with(&format!(
        "the file has {} bytes, but its header says {}",
        file.len() / 2,
        file.len()
    )));
}

#[test]
fn invalid_models_are_not_written() {
    let mut model = common::every_op();
    model.classes.pop();
    assert!(matches!(write(&model), Err(WriteError::Invalid(_))));
}

#[test]
fn a_file_that_reads_is_the_file_that_would_be_written() {
    let originals = [
        write(&common::every_op()).unwrap(),
        write(&random_model(3)).unwrap(),
    ];
    let mut rng = Rng::new(1);
    let mut valid = 0;
    for round in 0..6000 {
        let mut file = originals[round % 2].clone();
        mutate(&mut file, &mut rng);
        repair_checksums(&mut file);
        if let Ok(model) = read(&file) {
            assert_eq!(write(&model).as_ref(), Ok(&file), "round {round}");
            valid += 1;
        }
    }
    assert!(
        valid > 100,
        "only {valid} mutations were valid: what lies behind the checks was hardly reached"
    );
}

/// Every value of every byte of a model without bulk, with good checksums: the parser itself has to stand it.
#[test]
fn every_value_of_every_byte_is_survived() {
    let mut model = common::every_op();
    model.vectors.clear();
    let file = write(&model).unwrap();
    let nodes = sections(&file).unwrap()[0];
    for i in (0..file.len())
        .filter(|&i| i < 256 || (nodes.offset..nodes.offset + nodes.bytes).contains(&i))
    {
        for value in 0..=255 {
            let mut file = file.clone();
            file[i] = value;
            repair_checksums(&mut file);
            if let Ok(model) = read(&file) {
                assert_eq!(write(&model).as_ref(), Ok(&file), "byte {i} as {value}");
            }
        }
    }
}

/// A few changes at random places: other values, small steps, bytes moved or repeated.
fn mutate(file: &mut [u8], rng: &mut Rng) {
    for _ in 0..rng.size(1, 3) {
        let at = rng.below(file.len());
        match rng.below(4) {
            0 => file[at] = rng.bits() as u8,
            1 => file[at] = file[at].wrapping_add(1),
            2 => file[at] ^= 1 << rng.below(8),
            _ => {
                let length = rng.size(1, 16).min(file.len() - at);
                let from = rng.below(file.len() - length + 1);
                file.copy_within(from..from + length, at);
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        if magic {
            let start = write(&common::every_op()).unwrap();
            let n = bytes.len().min(28);
            bytes[..n].copy_from_slice(&start[..n]);
            repair_checksums(&mut bytes);
        }
        prop_assert!(read(&bytes).is_err());
        prop_assert!(sections(&bytes).is_err());
    }
}
