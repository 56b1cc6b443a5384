//! `log.jsonl`: one JSON object a line, the first about the run, then one an epoch, the last one when the run is finished.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use subbyte_graph::replace_file;

use crate::{Epoch, TableUse, TrainError, recipe::Recipe};

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Record {
    /// What is trained on what.
    Run(Box<Header>),
    /// An epoch that was finished.
    Epoch(Epoch),
    /// The run was finished.
    Finished {
        /// Time of all epochs, those of earlier processes included.
        seconds: f64,
        /// What became of the learned pixel table, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<TableUse>,
    },
}

/// First line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The recipe, every key of it.
    pub recipe: Recipe,
    /// Fingerprint of the training images.
    pub data: String,
    /// Trained numbers.
    pub parameters: usize,
    /// Images that are trained on.
    pub training_images: usize,
    /// Images held back for validation.
    pub validation_images: usize,
}

/// A log that is being written.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Begins the log, or takes it up after the epochs of `history`. Whatever an interrupted process wrote beyond its last
    /// checkpoint is dropped, so that every epoch is there once.
    pub(crate) fn open(path: &Path, header: Header, history: &[Epoch]) -> Result<Self, TrainError> {
        let records = std::iter::once(Record::Run(Box::new(header)))
            .chain(history.iter().cloned().map(Record::Epoch));
        let lines: String = records.map(|record| line(&record)).collect();
        let write = |e| TrainError::io("write", path, e);
        replace_file(path, lines.as_bytes()).map_err(write)?;
        let file = OpenOptions::new().append(true).open(path).map_err(write)?;
        Ok(Self {
            path: path.into(),
            file,
        })
    }

    /// Appends a line.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), TrainError> {
        self.file
            .write_all(line(record).as_bytes())
            .map_err(|e| TrainError::io("write", &self.path, e))
    }
}

fn line(record: &Record) -> String {
    let mut line = serde_json::to_string(record).expect("records have text keys");
    line.push('\n');
    line
}

/// Reads a log. A last line that was cut off when its writer was killed is left out.
///
/// # Errors
/// If the file cannot be read, or a whole line is no record.
pub fn read_log(path: &Path) -> Result<Vec<Record>, TrainError> {
    let text = std::fs::read_to_string(path).map_err(|e| TrainError::io("read", path, e))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole]
        .lines()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|e| TrainError::Damaged {
                path: path.into(),
                problem: format!("line {}: {e}", i + 1),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    fn epoch(epoch: usize) -> Epoch {
        Epoch {
            epoch,
            learning_rate: 0.5,
            loss: 2.25,
            accuracy: 0.25,
            validation: (epoch == 2).then_some(Metrics {
                top1: 0.5,
                top5: 0.75,
                loss: 1.5,
            }),
            seconds: 3.5,
            images_per_second: 100.0,
        }
    }

    fn finished() -> Record {
        Record::Finished {
            seconds: 10.5,
            table: Some(TableUse {
                rows: 256,
                distinct: 31,
                unseen: 2,
                at_limits: 1,
            }),
        }
    }

    fn header() -> Header {
        Header {
            recipe: Recipe::default(),
            data: "0123456789abcdef".into(),
            parameters: 7,
            training_images: 90,
            validation_images: 10,
        }
    }

    #[test]
    fn a_log_reads_back_and_is_taken_up_without_duplicates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path, header(), &[]).unwrap();
        for i in 1..=3 {
            log.append(&Record::Epoch(epoch(i))).unwrap();
        }
        drop(log);
        // The last checkpoint was that of epoch 2.
        let mut log = Log::open(&path, header(), &[epoch(1), epoch(2)]).unwrap();
        log.append(&Record::Epoch(epoch(3))).unwrap();
        log.append(&finished()).unwrap();
        let expected = [
            Record::Run(Box::new(header())),
            Record::Epoch(epoch(1)),
            Record::Epoch(epoch(2)),
            Record::Epoch(epoch(3)),
            finished(),
        ];
        assert_eq!(read_log(&path).unwrap(), expected);
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_out_and_a_damaged_one_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let whole = line(&Record::Epoch(epoch(1)));
        std::fs::write(&path, format!("{whole}{}", &whole[..20])).unwrap();
        assert_eq!(read_log(&path).unwrap(), [Record::Epoch(epoch(1))]);
        std::fs::write(&path, format!("{whole}rubbish\n")).unwrap();
        let message = read_log(&path).unwrap_err().to_string();
        assert!(
            message.contains("log.jsonl") && message.contains("line 2"),
            "{message}"
        );
    }

    #[test]
    fn keys_of_a_line_are_those_that_are_documented() {
        let value =
            |record: &Record| -> serde_json::Value { serde_json::from_str(&line(record)).unwrap() };
        let (value, end) = (value(&Record::Epoch(epoch(2))), value(&finished()));
        let documented = include_str!("../../../docs/training.md");
        for object in [&value, &end, &end["table"]] {
            for key in object.as_object().unwrap().keys() {
                assert!(
                    documented.contains(&format!("`{key}`")),
                    "{key} is not documented"
                );
            }
        }
        assert_eq!(value["event"], "epoch");
        assert_eq!(value["validation"]["top1"], 0.5);
    }
}
