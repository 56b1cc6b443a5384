//! Several processes may work on one sweep, on machines that share its folder, but never on one run.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
};

use crate::TrainError;

/// The right to write into a folder, as long as this lives. The operating system ends it with the process, however that ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "what counts is that the file stays open")] File);

impl Lock {
    /// Takes the folder, which is made where it is missing; `None` while another process has it.
    ///
    /// # Errors
    /// If the folder cannot be made or its file `lock` cannot be opened or locked.
    pub fn take(folder: &Path) -> Result<Option<Self>, TrainError> {
        let file = open(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(TrainError::io("lock", folder, error)),
        }
    }

    /// Takes the folder as soon as no other process has it.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn wait(folder: &Path) -> Result<Self, TrainError> {
        let file = open(folder)?;
        file.lock().map_err(|e| TrainError::io("lock", folder, e))?;
        Ok(Self(file))
    }

    /// Whether another process has the folder.
    ///
    /// # Errors
    /// As [`Lock::take`]; a folder that does not exist is not made.
    pub fn is_taken(folder: &Path) -> Result<bool, TrainError> {
        Ok(folder.exists() && Self::take(folder)?.is_none())
    }
}

fn open(folder: &Path) -> Result<File, TrainError> {
    fs::create_dir_all(folder).map_err(|e| TrainError::io("create the folder", folder, e))?;
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    options
        .open(&path)
        .map_err(|e| TrainError::io("open", &path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("run");
        assert!(!Lock::is_taken(&folder).unwrap() && !folder.exists());
        let lock = Lock::take(&folder).unwrap().unwrap();
        assert!(Lock::take(&folder).unwrap().is_none());
        assert!(Lock::is_taken(&folder).unwrap());
        drop(lock);
        assert!(!Lock::is_taken(&folder).unwrap());
        Lock::wait(&folder).unwrap();
    }
}
