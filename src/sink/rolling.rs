//! [`RollingFile`]: a file of lines that is added to for weeks, and set aside when it is old or
//! large.
//!
//! A line is in it whole or not at all. What a full disk refuses is taken back to the last whole
//! line, kept in memory up to a bound, and written when there is room again. A half line
//! that a power cut left is cut off when the file is opened. One process adds to it at a time.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::keep_rights;
use crate::clock::Timestamp;

/// Bytes of lines that wait for a disk that is full.
const BACKLOG: usize = 64 << 20;

/// When a file is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// When it has been written to for so long.
    Age(Duration),
    /// When it holds so many bytes.
    Size(u64),
}

/// A file of lines that is added to.
#[derive(Debug)]
pub struct RollingFile {
    path: PathBuf,
    file: File,
    /// Up to where there are whole lines.
    length: u64,
    rotation: Option<Rotation>,
    begun: Option<Timestamp>,
    backlog: Vec<u8>,
    lost_lines: u64,
    trouble: Option<String>,
}

impl RollingFile {
    /// Open a file to add to it; it is made if it is not there.
    pub fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut length = 0;
        if file.metadata()?.is_file() {
            lock(&file)?;
            length = check(&mut file)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            rotation,
            begun: None,
            backlog: Vec::new(),
            lost_lines: 0,
            trouble: None,
        })
    }

    /// Add whole lines. What cannot be written now is kept for later.
    pub fn add(&mut self, lines: &[u8]) {
        if self.backlog.is_empty() && self.write(lines) {
            return;
        }
        if self.backlog.len().saturating_add(lines.len()) <= BACKLOG {
            self.backlog.extend_from_slice(lines);
        } else {
            self.lost_lines = self.lost_lines.saturating_add(count_lines(lines));
        }
    }

    /// Time has passed: write what waits. Returns the file that was set aside, if it was time.
    pub fn tick(&mut self, now: Timestamp) -> io::Result<Option<PathBuf>> {
        self.retry();
        let begun = *self.begun.get_or_insert(now);
        let due = match self.rotation {
            _ if self.length == 0 => false,
            Some(Rotation::Age(age)) => now.since(begun) >= age,
            Some(Rotation::Size(bytes)) => self.length >= bytes,
            None => false,
        };
        if !due {
            return Ok(None);
        }
        let aside = self.aside(now);
        let aside = match fs::rename(&self.path, &aside) {
            // Another program moved it away, or it could not be made anew the last time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            renamed => renamed.map(|()| Some(aside))?,
        };
        let before = self.file.metadata();
        self.reopen()?;
        keep_rights(&self.file, before);
        self.begun = Some(now);
        Ok(aside)
    }

    /// Close the file and open what now has its name: another program moved it away.
    pub fn reopen(&mut self) -> io::Result<()> {
        // It may be the same file.
        let _ = self.file.unlock();
        let opened = Self::open(&self.path, self.rotation).inspect_err(|_| {
            let _ = self.file.try_lock();
        })?;
        self.file = opened.file;
        self.length = opened.length;
        self.retry();
        Ok(())
    }

    /// Why lines wait, if they do.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Lines that were lost as too many waited.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// Lines that wait.
    pub fn waiting_lines(&self) -> u64 {
        count_lines(&self.backlog)
    }

    /// Write what waits.
    pub fn retry(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.backlog);
        if !self.write(&waiting) {
            self.backlog = waiting;
        }
    }

    /// Whether all was written; if not, nothing was.
    fn write(&mut self, lines: &[u8]) -> bool {
        match self.file.write_all(lines) {
            Ok(()) => {
                self.length = self.length.saturating_add(lines.len() as u64);
                self.trouble = None;
                true
            }
            Err(error) => {
                // A device or a pipe cannot be cut, and then half a line stays.
                let _ = self.file.set_len(self.length);
                self.trouble = Some(error.to_string());
                false
            }
        }
    }

    /// The name of the file that is set aside now: `flows.2026-03-01T081530Z.ndjson`.
    fn aside(&self, now: Timestamp) -> PathBuf {
        let text = now.to_string();
        let stamp: String = text.chars().take(19).filter(|one| *one != ':').collect();
        let stem = self.path.file_stem().unwrap_or_default();
        let mut number = 0_u32;
        loop {
            let mut name = OsString::from(stem);
            name.push(format!(".{stamp}Z"));
            if number > 0 {
                name.push(format!("-{number}"));
            }
            if let Some(ending) = self.path.extension() {
                name.push(".");
                name.push(ending);
            }
            let path = self.path.with_file_name(name);
            if !path.exists() && !with_ending(&path, ".gz").exists() {
                return path;
            }
            number = number.saturating_add(1);
        }
    }
}

/// Compress a file that was set aside, which then has `.gz` at the end of its name. It appears
/// whole, and only then the file goes. `go_on` is asked now and then whether there is time.
#[cfg(feature = "compression")]
pub fn compress(path: &Path, go_on: &dyn Fn() -> bool) -> io::Result<()> {
    let mut input = File::open(path)?;
    let output = super::OutputFile::create(&with_ending(path, ".gz"))?;
    keep_rights(output.file(), input.metadata());
    let mut output = flate2::write::GzEncoder::new(output, flate2::Compression::default());
    let mut chunk = vec![0; 1 << 20];
    loop {
        if !go_on() {
            return Ok(());
        }
        match input.read(&mut chunk)? {
            0 => break,
            count => output.write_all(chunk.get(..count).unwrap_or_default())?,
        }
    }
    output.finish()?.finish()?;
    fs::remove_file(path)
}

/// There is nothing to compress with: it stays as it is.
#[cfg(not(feature = "compression"))]
pub fn compress(_path: &Path, _go_on: &dyn Fn() -> bool) -> io::Result<()> {
    Ok(())
}

fn count_lines(lines: &[u8]) -> u64 {
    lines.split_inclusive(|byte| *byte == b'\n').count() as u64
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Keep other processes from adding to it: each would set aside, compress and remove what the other
/// still writes to. Where locks are not known, nobody is kept from it.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let why = "another process adds its records to it";
            Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Of a file that holds records: cut off the half line at its end. What begins otherwise is somebody else's, and
/// must not lose its end.
fn check(file: &mut File) -> io::Result<u64> {
    let mut first = [0];
    // Zeros are what a power cut may leave of records.
    if file.read(&mut first)? > 0 && !matches!(first, [b'{' | 0]) {
        let why = "it is no file of records: name another one, this was left as it is";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    cut_half_line(file)
}

/// Cut off what follows the last whole line. Returns how long the file is now.
fn cut_half_line(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = file.seek(SeekFrom::End(0))?;
    let whole = end;
    loop {
        let start = end.saturating_sub(STEP);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&*file).take(end.saturating_sub(start)).read_to_end(&mut tail)?;
        let last = tail.iter().rposition(|byte| *byte == b'\n');
        if let Some(last) = last {
            end = start.saturating_add(last as u64).saturating_add(1);
            break;
        }
        end = start;
        if start == 0 {
            break;
        }
    }
    if end < whole {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_line_is_cut_off_and_lines_are_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let long = "{".repeat(200_000);
        for (before, kept) in [
            ("", ""),
            ("{}\n", "{}\n"),
            ("{}\n{\"ts\":", "{}\n"),
            ("{\"ts\":", ""),
            (&*format!("{{}}\n{long}"), "{}\n"),
            (&*long, ""),
        ] {
            fs::write(&path, before).unwrap();
            let mut file = RollingFile::open(&path, None).unwrap();
            file.add(b"new\n");
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{kept}new\n"));
        }
    }

    #[test]
    fn what_holds_no_records_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monday.pcap");
        for before in [&b"\xd4\xc3\xb2\xa1 evidence\n and more"[..], b"no end of line", b"[{}\n]"] {
            fs::write(&path, before).unwrap();
            let error = RollingFile::open(&path, None).unwrap_err();
            assert!(error.to_string().contains("no file of records"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        fs::write(&path, [0; 4096]).unwrap();
        RollingFile::open(&path, None).unwrap().add(b"{}\n");
        assert_eq!(fs::read(&path).unwrap(), b"{}\n");
    }

    /// Each would set aside, compress and remove what the other still writes to.
    #[test]
    fn one_run_at_a_time_adds_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let rotation = Some(Rotation::Size(1));
        let mut first = RollingFile::open(&path, rotation).unwrap();
        let refused = || RollingFile::open(&path, rotation).unwrap_err().kind();
        first.add(b"{\"half\":");
        assert_eq!(refused(), io::ErrorKind::ResourceBusy);
        // It is what was written: no half line was cut off.
        assert_eq!(fs::read(&path).unwrap(), b"{\"half\":");
        // Also after it was opened anew, whether it was moved away or not.
        first.reopen().unwrap();
        assert_eq!(refused(), io::ErrorKind::ResourceBusy);
        first.add(b"{}\n");
        assert!(first.tick(Timestamp::new(1, 0)).unwrap().is_some());
        assert_eq!(refused(), io::ErrorKind::ResourceBusy);
        drop(first);
        RollingFile::open(&path, rotation).unwrap();
    }

    #[test]
    fn what_was_moved_away_is_made_anew_when_it_is_due() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let mut file = RollingFile::open(&path, Some(Rotation::Size(1))).unwrap();
        file.add(b"{\"one\":1}\n");
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        assert_eq!(file.tick(Timestamp::new(1, 0)).unwrap(), None);
        file.add(b"{\"two\":2}\n");
        assert_eq!(fs::read(&path).unwrap(), b"{\"two\":2}\n");
        assert!(file.tick(Timestamp::new(2, 0)).unwrap().is_some());
    }

    #[test]
    fn it_is_set_aside_by_age_and_by_size() {
        let at = |seconds: u64| Timestamp::new(1_772_352_930 + seconds, 0);
        for rotation in [Rotation::Age(Duration::from_secs(60)), Rotation::Size(10)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("flows.ndjson");
            let mut file = RollingFile::open(&path, Some(rotation)).unwrap();
            assert_eq!(file.tick(at(0)).unwrap(), None);
            file.add(b"one\n");
            assert_eq!(file.tick(at(59)).unwrap(), None);
            file.add(b"two and more\n");
            let aside = file.tick(at(60)).unwrap().unwrap();
            assert_eq!(aside.file_name().unwrap(), "flows.2026-03-01T081630Z.ndjson");
            file.add(b"three\n");
            assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
            assert_eq!(fs::read_to_string(&aside).unwrap(), "one\ntwo and more\n");
        }
    }

    #[test]
    #[cfg(all(unix, feature = "compression"))]
    fn what_is_closed_to_others_stays_closed_when_it_is_set_aside() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let mut file = RollingFile::open(&path, Some(Rotation::Size(1))).unwrap();
        file.add(b"{}\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let aside = file.tick(Timestamp::new(1, 0)).unwrap().unwrap();
        compress(&aside, &|| true).unwrap();
        for path in [path, with_ending(&aside, ".gz")] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    #[cfg(feature = "compression")]
    fn what_was_set_aside_is_compressed_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.ndjson");
        fs::write(&path, "{}\n".repeat(1_000)).unwrap();
        compress(&path, &|| false).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        compress(&path, &|| true).unwrap();
        let packed = File::open(folder.path().join("old.ndjson.gz")).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "{}\n".repeat(1_000));
        assert!(!path.exists());
    }

    #[test]
    fn a_full_disk_loses_no_line_and_halves_none() {
        // Every write to this device says that the disk is full.
        let mut file = RollingFile::open(Path::new("/dev/full"), None).unwrap();
        file.add(b"one\n");
        file.add(b"two\n");
        assert!(file.trouble().is_some());
        assert_eq!((file.waiting_lines(), file.lost_lines()), (2, 0));
        let folder = tempfile::tempdir().unwrap();
        file.path = folder.path().join("flows.ndjson");
        file.reopen().unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "one\ntwo\n");
        assert_eq!((file.trouble(), file.waiting_lines()), (None, 0));
    }
}
