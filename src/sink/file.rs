//! [`OutputFile`]: a file that appears whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Written aside under a name of its own, and renamed to the wanted one when it is complete. Where
/// the wanted name is a device or a FIFO it is written to directly.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    aside: Option<PathBuf>,
    file: File,
}

impl OutputFile {
    /// Begin to write what will be `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        if special {
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok(Self { path: path.to_owned(), aside: None, file });
        }
        // A link keeps pointing where it does: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(io::ErrorKind::IsADirectory)?);
        name.push(format!(".{}.partial", std::process::id()));
        let aside = path.with_file_name(name);
        let file = File::create(&aside)?;
        Ok(Self { path, aside: Some(aside), file })
    }

    /// It is complete: give it its name.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(aside) = &self.aside else { return self.file.flush() };
        // On the disk before the name is: a power cut must not leave an empty file under it. Some
        // file systems also tell only now that they are full.
        self.file.sync_all()?;
        fs::rename(aside, &self.path)?;
        self.aside = None;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    /// What was not finished leaves nothing behind.
    fn drop(&mut self) {
        if let Some(aside) = &self.aside {
            let _ = fs::remove_file(aside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_when_finished_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"{}\n").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_dropped_unfinished_leaves_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, "old").unwrap();
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let mut file = OutputFile::create(Path::new("/dev/null")).unwrap();
        file.write_all(b"gone").unwrap();
        file.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
