//! Reading in a thread of its own comes to the same.

use super::*;

/// Fail unless reading ahead comes to the same as it did without.
pub(super) fn assert_same(direct: &Outcome, reader: impl Read + Send + 'static) {
    let Ok(mut source) = FileSource::from_reader(Path::new("x.pcap"), reader, &Limits::default())
    else {
        return; // It did not come to reading.
    };
    source.read_ahead();
    assert_eq_in_all(&read_on(source), direct);
}

/// Fail unless it comes to the same from a file, which two threads read parts of.
fn assert_same_from_file(direct: &Outcome, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap");
    std::fs::write(&path, bytes).unwrap();
    let mut source = FileSource::open(&path, &Limits::default()).unwrap();
    source.read_ahead();
    let mut ahead = read_on(source);
    if let Err(
        Error::Truncated { path, .. } | Error::Malformed { path, .. } | Error::Read { path, .. },
    ) = &mut ahead.end
    {
        *path = "x.pcap".into();
    }
    assert_eq_in_all(&ahead, direct);
}

fn assert_eq_in_all(ahead: &Outcome, direct: &Outcome) {
    assert_eq!(ahead.frames, direct.frames);
    assert_eq!(ahead.stats, direct.stats);
    assert_eq!(format!("{:?}", ahead.end), format!("{:?}", direct.end));
}

/// Frames of all sizes, so that blocks end everywhere in them; some longer than the room at the
/// front of a block, and one longer than several blocks.
fn of_all_sizes() -> Vec<u8> {
    let mut maker = Maker::new(End::Little);
    maker.u32(0xa1b2_c3d4).u16(2).u16(4).u32(0).u32(0).u32(0).u32(1);
    let mut random = 1;
    for number in 0..600 {
        random = random * 16_807 % 30_011;
        let size = if number == 300 { 1_000_000 } else { random };
        maker.u32(number).u32(0).u32(size).u32(size);
        maker.bytes.extend((0..size).map(|place| (place % 251) as u8));
    }
    maker.bytes
}

#[test]
fn blocks_end_anywhere_in_a_record() {
    let bytes = of_all_sizes();
    let whole = read(&bytes);
    assert_eq!(whole.frames.len(), 600);
    assert_same_from_file(&whole, &bytes);
    for lost in 1..20 {
        let bytes = &bytes[..bytes.len() - lost * 701];
        let cut = read(bytes);
        assert!(matches!(cut.end, Err(Error::Truncated { .. })), "{:?}", cut.end);
        assert_same_from_file(&cut, bytes);
    }
}

#[test]
fn records_go_on_over_many_blocks() {
    let mut maker = Maker::new(End::Little);
    maker.u32(0xa1b2_c3d4).u16(2).u16(4).u32(0).u32(0).u32(0).u32(1);
    for size in [40, 5_000_000, 3, 2_000_000, 600_000, 0, 7_000_000] {
        maker.u32(1).u32(0).u32(size).u32(size);
        maker.bytes.extend((0..size).map(|place| (place % 251) as u8));
    }
    let whole = read(&maker.bytes);
    assert_eq!(whole.frames.len(), 7);
    assert_same_from_file(&whole, &maker.bytes);
    // Two captures, the second of which is damaged.
    let mut bytes = [maker.bytes.clone(), maker.bytes].concat();
    let last = bytes.len() - 7_000_000 - 8;
    bytes[last..last + 4].fill(0xff);
    let mut both = read_from(io::Cursor::new(bytes.clone()), &Limits::default());
    assert_eq!(both.frames.len(), 13);
    assert!(matches!(both.end, Err(Error::Malformed { .. })), "{:?}", both.end);
    // How far it was read when damage was met depends on how much is read at once.
    both.stats.read_bytes = (256 << 10) + (512 << 10) * 42;
    assert_same_from_file(&both, &bytes);
}

#[test]
fn a_file_is_cut_while_it_is_read() {
    let bytes = of_all_sizes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap");
    std::fs::write(&path, &bytes).unwrap();
    let mut source = FileSource::open(&path, &Limits::default()).unwrap();
    source.read_ahead();
    assert!(matches!(source.poll(&mut |_| {}), Ok(Poll::Frames(_))));
    // What was not read yet is gone: that is the end, or the middle of a packet.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(700_000).unwrap();
    let shrunk = loop {
        match source.poll(&mut |_| {}) {
            Ok(Poll::Frames(_)) => {}
            other => break other,
        }
    };
    // A read that was under way may bring zeros for what was just taken from the file.
    let zeros = |error: &Error| match error {
        Error::Malformed { offset: Offset::File(offset), reason, .. } => {
            *offset >= 700_000 && reason.starts_with("zeros")
        }
        _ => false,
    };
    assert!(
        matches!(shrunk, Ok(Poll::End) | Err(Error::Truncated { .. }))
            || shrunk.as_ref().is_err_and(zeros),
        "{shrunk:?}"
    );
}

#[test]
fn small_reads_are_put_together() {
    let mut bytes = of_all_sizes();
    bytes.truncate(300_000);
    let direct = read_from(Dribble::new(&bytes), &Limits::default());
    assert_same(&direct, Dribble::new(&bytes));
}

/// Fails, or panics, after what it has.
struct Failing {
    bytes: io::Cursor<Vec<u8>>,
    panics: bool,
}

impl Read for Failing {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(space)? {
            0 if self.panics => panic!("provoked"),
            0 => Err(io::Error::other("the disk is gone")),
            count => Ok(count),
        }
    }
}

#[test]
fn what_was_read_before_a_fault_is_delivered() {
    let bytes = of_all_sizes();
    for panics in [false, true] {
        let reader = Failing { bytes: io::Cursor::new(bytes.clone()), panics };
        let name = Path::new("x.pcap");
        let mut source = FileSource::from_reader(name, reader, &Limits::default()).unwrap();
        source.read_ahead();
        let outcome = read_on(source);
        assert_eq!(outcome.frames.len(), 600);
        let words = format!("{:?}", outcome.end);
        let expected = if panics { "internal error" } else { "the disk is gone" };
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let reader = io::Cursor::new(of_all_sizes()).chain(io::repeat(0));
    let mut source =
        FileSource::from_reader(Path::new("x.pcap"), reader, &Limits::default()).unwrap();
    source.read_ahead();
    assert!(matches!(source.poll(&mut |_| {}), Ok(Poll::Frames(_))));
}
