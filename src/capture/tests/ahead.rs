//! Reading in a thread of its own comes to the same.

use super::*;

/// Fail unless reading ahead comes to the same as it did without.
pub(super) fn assert_same(direct: &Outcome, reader: impl Read + Send + 'static) {
    let Ok(mut source) = FileSource::from_reader(Path::new("x.pcap"), reader, &Limits::default())
    else {
        return; // It did not come to reading.
    };
    source.read_ahead();
    let ahead = read_on(source);
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
    assert_eq!(read(&bytes).frames.len(), 600);
    for lost in 1..20 {
        let cut = read(&bytes[..bytes.len() - lost * 701]);
        assert!(matches!(cut.end, Err(Error::Truncated { .. })), "{:?}", cut.end);
    }
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
