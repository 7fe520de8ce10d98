//! [`OutputFile`]: a file that appears whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

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
        let path = Self::behind_links(path)?;
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(io::ErrorKind::IsADirectory)?);
        name.push(format!(".{}.partial", std::process::id()));
        let aside = path.with_file_name(name);
        loop {
            // A link that somebody else put there in a shared folder is not followed.
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&aside)?;
            keep_rights(&file, fs::metadata(&path));
            // Whoever tidies up leaves alone what is locked; where a file system knows no locks, so
            // does it what it cannot lock.
            let _ = file.try_lock();
            // It may have been taken for a leftover before it was locked.
            if fs::exists(&aside)? {
                return Ok(Self { path, aside: Some(aside), file });
            }
        }
    }

    /// Where a path leads: a link keeps pointing where it does, what it points to is replaced, or made
    /// if it is not there.
    pub fn behind_links(path: &Path) -> io::Result<PathBuf> {
        // As many as Linux follows.
        const LINKS: usize = 40;
        if let Ok(path) = fs::canonicalize(path) {
            return Ok(path);
        }
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let Ok(target) = fs::read_link(&path) else { return Ok(path) };
            path.pop();
            path.push(target);
        }
        Err(io::Error::other("too many symbolic links"))
    }

    /// Remove what killed runs left behind of a file of this name, or of one that it was the
    /// beginning of; returns what was removed.
    pub fn tidy(path: &Path) -> Vec<PathBuf> {
        let Ok(path) = Self::behind_links(path) else { return Vec::new() };
        let Some(name) = path.file_name() else { return Vec::new() };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let Ok(entries) = fs::read_dir(folder.unwrap_or_else(|| Path::new("."))) else {
            return Vec::new();
        };
        let begins = [b".", name.as_encoded_bytes()].concat();
        let mut removed = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(rest) = name.as_encoded_bytes().strip_prefix(&*begins) else { continue };
            let Some(rest) = rest.strip_suffix(b".partial") else { continue };
            let number = rest.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
            if !rest.contains(&b'.') || number.is_empty() || !number.iter().all(u8::is_ascii_digit)
            {
                continue;
            }
            let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
            if file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok() {
                removed.push(entry.path());
            }
        }
        removed.sort();
        removed
    }

    /// Whether it is a device or a FIFO.
    pub(super) const fn is_special(&self) -> bool {
        self.aside.is_none()
    }

    /// What is written to.
    pub(super) const fn file(&self) -> &File {
        &self.file
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

/// Let a new file have the rights of the one whose place it takes: what was closed to others stays so.
pub(super) fn keep_rights(file: &File, before: io::Result<fs::Metadata>) {
    if let Ok(before) = before {
        // There are file systems without rights.
        let _ = file.set_permissions(before.permissions());
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
    fn a_link_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["report.json", "other"].map(|name| folder.path().join(name));
        fs::write(&other, "precious").unwrap();
        let name = format!(".report.json.{}.partial", std::process::id());
        std::os::unix::fs::symlink(&other, folder.path().join(name)).unwrap();
        assert!(OutputFile::create(&path).is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
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
    #[cfg(unix)]
    fn what_was_closed_to_others_stays_closed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, "old").unwrap();
        for mode in [0o600, 0o640, 0o664] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let file = OutputFile::create(&path).unwrap();
            let of = |metadata: fs::Metadata| metadata.permissions().mode() & 0o777;
            assert_eq!(of(file.file().metadata().unwrap()), mode, "while it is written");
            file.finish().unwrap();
            assert_eq!(of(fs::metadata(&path).unwrap()), mode);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_what_is_not_there_yet_is_kept_and_its_target_made() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("kept")).unwrap();
        symlink("second", at("first")).unwrap();
        symlink("kept/report.json", at("second")).unwrap();
        let mut file = OutputFile::create(&at("first")).unwrap();
        file.write_all(b"{}").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(at("kept/report.json")).unwrap(), b"{}");
        assert!(at("first").is_symlink() && at("second").is_symlink());
        symlink("loop", at("loop")).unwrap();
        assert!(OutputFile::create(&at("loop")).is_err());
        assert!(at("loop").is_symlink());
    }

    #[test]
    fn what_a_killed_run_left_is_tidied_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let being_written = OutputFile::create(&path).unwrap();
        let left = [".flows.ndjson.17.partial", ".flows.ndjson-2026.gz.4.partial"];
        let others = [
            "flows.ndjson",
            ".flows.ndjson.partial",
            ".flows.ndjson.x.partial",
            ".other.1.partial",
        ];
        for name in left.iter().chain(&others) {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        let removed = OutputFile::tidy(&path);
        let mut expected: Vec<_> = left.iter().map(|name| folder.path().join(name)).collect();
        expected.sort();
        assert_eq!(removed, expected);
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
        being_written.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let mut file = OutputFile::create(Path::new("/dev/null")).unwrap();
        file.write_all(b"gone").unwrap();
        file.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
