//! Event files for TensorBoard: the epochs of a run as scalars.
//!
//! A file is a row of TFRecords, each the length of its data, a checksum of the length, the data and their checksum. The data are
//! `Event` messages of protocol buffers (tensorflow/core/util/event.proto), of which only what scalars need is written here.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use subbyte_graph::replace_file;

use crate::{Epoch, TrainError};

/// An event file that is being written.
pub(crate) struct Board {
    path: PathBuf,
    file: File,
    /// When the next epoch began, in seconds since 1970, had the run never been interrupted.
    time: f64,
}

impl Board {
    /// Begins the file, or takes it up after the epochs of `history`, which are written anew.
    pub(crate) fn open(path: &Path, history: &[Epoch]) -> Result<Self, TrainError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |now| now.as_secs_f64());
        let mut time = now - history.iter().map(|epoch| epoch.seconds).sum::<f64>();
        let mut bytes = record(&version(time));
        for epoch in history {
            time += epoch.seconds;
            bytes.extend(record(&event(time, epoch)));
        }
        let write = |e| TrainError::io("write", path, e);
        replace_file(path, &bytes).map_err(write)?;
        let file = OpenOptions::new().append(true).open(path).map_err(write)?;
        Ok(Self {
            path: path.into(),
            file,
            time,
        })
    }

    /// Appends an epoch.
    pub(crate) fn append(&mut self, epoch: &Epoch) -> Result<(), TrainError> {
        self.time += epoch.seconds;
        self.file
            .write_all(&record(&event(self.time, epoch)))
            .map_err(|e| TrainError::io("write", &self.path, e))
    }
}

/// The first event of a file: `wall_time` (1) and `file_version` (3).
fn version(time: f64) -> Vec<u8> {
    let mut event = double(1, time);
    event.extend(bytes(3, b"brain.Event:2"));
    event
}

/// An epoch's event: `wall_time` (1), `step` (2) and `summary` (5), which is a list of `value` (1) with `tag` (1) and `simple_value`
/// (2).
fn event(time: f64, epoch: &Epoch) -> Vec<u8> {
    let mut scalars = vec![
        ("loss/training", epoch.loss),
        ("accuracy/training", epoch.accuracy),
        ("learning_rate", epoch.learning_rate),
        ("images_per_second", epoch.images_per_second),
    ];
    if let Some(validation) = &epoch.validation {
        scalars.push(("loss/validation", validation.loss));
        scalars.push(("accuracy/validation", validation.top1));
        scalars.push(("accuracy/validation_top5", validation.top5));
    }
    let mut summary = Vec::new();
    for (tag, scalar) in scalars {
        let mut value = bytes(1, tag.as_bytes());
        value.extend(float(2, scalar as f32));
        summary.extend(bytes(1, &value));
    }
    let mut event = double(1, time);
    event.extend(varint(2 << 3));
    event.extend(varint(epoch.epoch as u64));
    event.extend(bytes(5, &summary));
    event
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length));
    record.extend(data);
    record.extend(masked(data));
    record
}

/// The checksum of a TFRecord: CRC-32C, rotated and shifted so that checksums of data that hold checksums stay good.
fn masked(data: &[u8]) -> [u8; 4] {
    let rotated = crc32c(data).rotate_right(15);
    rotated.wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli), bit by bit: event files are small.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Field `field` as a 64-bit float.
fn double(field: u64, value: f64) -> Vec<u8> {
    let mut message = varint(field << 3 | 1);
    message.extend(value.to_le_bytes());
    message
}

/// Field `field` as a 32-bit float.
fn float(field: u64, value: f32) -> Vec<u8> {
    let mut message = varint(field << 3 | 5);
    message.extend(value.to_le_bytes());
    message
}

/// Field `field` as text, bytes or a message.
fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let mut message = varint(field << 3 | 2);
    message.extend(varint(value.len() as u64));
    message.extend(value);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    /// A field of a message: its number and its bytes.
    type Field = (u64, Vec<u8>);

    fn take_varint(data: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = data.split_first().unwrap();
            *data = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn take<'a>(data: &mut &'a [u8], len: usize) -> &'a [u8] {
        let (taken, rest) = data.split_at(len);
        *data = rest;
        taken
    }

    fn fields(mut data: &[u8]) -> Vec<Field> {
        let mut fields = Vec::new();
        while !data.is_empty() {
            let key = take_varint(&mut data);
            let value = match key & 7 {
                0 => take_varint(&mut data).to_le_bytes().to_vec(),
                1 => take(&mut data, 8).to_vec(),
                2 => {
                    let len = take_varint(&mut data) as usize;
                    take(&mut data, len).to_vec()
                }
                5 => take(&mut data, 4).to_vec(),
                kind => panic!("wire type {kind}"),
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    /// The data of all records, checksums checked.
    fn records(mut data: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !data.is_empty() {
            let length = take(&mut data, 8);
            assert_eq!(take(&mut data, 4), masked(length));
            let length = u64::from_le_bytes(length.try_into().unwrap());
            let record = take(&mut data, length as usize);
            assert_eq!(take(&mut data, 4), masked(record));
            records.push(record.to_vec());
        }
        records
    }

    /// Step and scalars of an event.
    fn scalars(event: &[u8]) -> (u64, Vec<(String, f32)>) {
        let fields_of = fields(event);
        let find = |n: u64| &fields_of.iter().find(|(field, _)| *field == n).unwrap().1;
        let values = fields(find(5)).into_iter().map(|(_, value)| {
            let value = fields(&value);
            let scalar = value[1].1[..].try_into().unwrap();
            (
                String::from_utf8(value[0].1.clone()).unwrap(),
                f32::from_le_bytes(scalar),
            )
        });
        let step = u64::from_le_bytes(find(2)[..].try_into().unwrap());
        (step, values.collect())
    }

    fn epoch(epoch: usize) -> Epoch {
        Epoch {
            epoch,
            learning_rate: 0.5,
            loss: 2.25,
            accuracy: 0.25,
            validation: (epoch > 1).then_some(Metrics {
                top1: 0.5,
                top5: 0.75,
                loss: 1.5,
            }),
            seconds: 3.5,
            images_per_second: 100.0,
        }
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        // The check value of CRC-32C, and a vector of RFC 3720.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_file_reads_back_and_is_taken_up_without_duplicates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut board = Board::open(&path, &[]).unwrap();
        for i in 1..=2 {
            board.append(&epoch(i)).unwrap();
        }
        // The last checkpoint was that of epoch 1.
        let mut board = Board::open(&path, &[epoch(1)]).unwrap();
        board.append(&epoch(2)).unwrap();
        board.append(&epoch(300)).unwrap();
        let records = records(&std::fs::read(&path).unwrap());
        assert_eq!(fields(&records[0])[1], (3, b"brain.Event:2".to_vec()));
        let events: Vec<_> = records[1..].iter().map(|record| scalars(record)).collect();
        let steps: Vec<u64> = events.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [1, 2, 300]);
        let training = [
            ("loss/training", 2.25),
            ("accuracy/training", 0.25),
            ("learning_rate", 0.5),
            ("images_per_second", 100.0),
        ];
        let validation = [
            ("loss/validation", 1.5),
            ("accuracy/validation", 0.5),
            ("accuracy/validation_top5", 0.75),
        ];
        let named = |pairs: &[(&str, f32)]| -> Vec<(String, f32)> {
            pairs
                .iter()
                .map(|(tag, x)| ((*tag).to_owned(), *x))
                .collect()
        };
        assert_eq!(events[0].1, named(&training));
        assert_eq!(events[1].1, named(&[&training[..], &validation].concat()));
        let times: Vec<f64> = records
            .iter()
            .map(|record| f64::from_le_bytes(fields(record)[0].1[..].try_into().unwrap()))
            .collect();
        assert!(
            times
                .windows(2)
                .skip(1)
                .all(|t| (t[1] - t[0] - 3.5).abs() < 1e-3)
        );
    }
}
