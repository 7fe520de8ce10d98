//! Decompression on the way in: gzip, LZ4, xz and Zstandard, told by their magic numbers.
//!
//! Several members (frames, streams) one behind the other are one capture, as they are for the
//! tools that make them; skippable frames and zeros between and behind them are stepped over.
//! Anything else behind a member is damage: it may have been a member. Memory is bounded by the
//! window that the data asks for, and that by [`WINDOW`]; nothing is unpacked ahead of its use.
//! Everything that was unpacked before the data breaks off is handed out before the fault is.

use std::io;
use std::io::Read;
use std::mem;

use flate2::{FlushDecompress, Status};
use lzma_rust2::XzStream;
use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::buffer::{Buffer, read_some};
use super::magic::{Compression, is_skippable, is_skippable_cut};

/// The largest window or dictionary that is believed; `xz -9` asks for 64 MiB, `zstd --long` for
/// 128 MiB.
const WINDOW: u32 = 128 << 20;

/// What a decoder of xz needs besides its dictionary, in KiB.
const XZ_OVERHEAD: u32 = 1 << 10;

/// How much is unpacked at most by one step.
const STEP: usize = 64 << 10;

/// The same for xz. If a step fails in the middle, its decoder does not tell how much it had
/// unpacked, and that is lost: so the steps are small.
const XZ_STEP: usize = 4 << 10;

/// Compressed bytes that are read at once.
const INTAKE: usize = 128 << 10;

/// The longest magic number of a member.
const LONGEST_MAGIC: usize = 6;

/// Why there is no more decompressed data, although its end was not seen.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is cut short.
    Cut(&'static str),
    /// Something that does not belong there.
    Damage(&'static str),
    /// The system, or the decoder.
    Read(io::Error),
    /// It is sound, but not read.
    Unsupported(&'static str),
}

/// Compressed data as a stream of what it unpacks to.
pub(super) struct Decompressor {
    compression: Compression,
    intake: Intake,
    member: Option<Member>,
    /// Whether any member was begun.
    begun: bool,
    /// What to report once all that was unpacked is handed out.
    fault: Option<Fault>,
}

/// The decoder of one member.
enum Member {
    Gzip(flate2::Decompress),
    /// Owns the intake meanwhile.
    Lz4(Box<lz4_flex::frame::FrameDecoder<Intake>>),
    Xz(Box<XzStream>),
    Zstd(Box<Zstd>),
}

impl Member {
    /// How much it unpacks at most by one step.
    const fn step(&self) -> usize {
        match self {
            Self::Xz(_) => XZ_STEP,
            _ => STEP,
        }
    }
}

/// What one step of a decoder came to.
enum Step {
    /// So many bytes of output, and the member is at its end.
    End(usize),
    /// It failed after so many bytes of output.
    Failed(usize, Fault),
    /// So many bytes of output, more to come.
    Output(usize),
}

impl Decompressor {
    /// Unpack what is in `read` and what `reader` has behind it.
    pub(super) fn new(
        compression: Compression,
        reader: Box<dyn Read + Send>,
        read: Buffer,
    ) -> Self {
        let intake = Intake { reader, buffer: read, starved: false };
        Self { compression, intake, member: None, begun: false, fault: None }
    }

    /// Compressed bytes that were used.
    pub(super) fn position(&self) -> u64 {
        match &self.member {
            Some(Member::Lz4(decoder)) => decoder.get_ref().buffer.position(),
            _ => self.intake.buffer.position(),
        }
    }

    /// The next bytes; zero of them only at the end.
    pub(super) fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        if space.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            let Some(member) = &mut self.member else {
                if self.begin_member()? {
                    continue;
                }
                return Ok(0);
            };
            let window = space.len().min(member.step());
            let window = space.get_mut(..window).unwrap_or_default();
            let step = match member {
                Member::Gzip(decoder) => gzip_step(decoder, &mut self.intake, window),
                Member::Lz4(decoder) => lz4_step(decoder, window),
                Member::Xz(decoder) => xz_step(decoder, &mut self.intake, window),
                Member::Zstd(zstd) => zstd.step(&mut self.intake, window),
            };
            match step {
                Step::End(count) => {
                    if let Some(Member::Lz4(decoder)) = self.member.take() {
                        self.intake = decoder.into_inner();
                    }
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Step::Failed(count, fault) => {
                    self.fault = Some(fault);
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Step::Output(0) => {}
                Step::Output(count) => return Ok(count),
            }
        }
    }

    /// Begin the next member; `false` if there is none.
    fn begin_member(&mut self) -> Result<bool, Fault> {
        loop {
            let head = self.intake.peek(LONGEST_MAGIC).map_err(Fault::Read)?;
            let skips = matches!(self.compression, Compression::Lz4 | Compression::Zstd);
            if head.is_empty() {
                return Ok(false);
            }
            if skips && is_skippable(head) {
                self.skip_frame()?;
                continue;
            }
            // A skippable frame at the very beginning did not tell which of the two follows.
            if !self.begun && head.starts_with(Compression::Lz4.magic()) {
                self.compression = Compression::Lz4;
            }
            let magic = self.compression.magic();
            if head.starts_with(magic) {
                self.begun = true;
                self.member = Some(self.open_member()?);
                return Ok(true);
            }
            if magic.starts_with(head) || (skips && is_skippable_cut(head)) {
                return Err(Fault::Cut(self.compression.data()));
            }
            let zeros = head.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 || !self.begun {
                return Err(Fault::Damage("what follows the compressed data is none"));
            }
            self.intake.buffer.consume(zeros);
        }
    }

    /// Step over a frame that is none of data (RFC 8878 §3.1.2).
    fn skip_frame(&mut self) -> Result<(), Fault> {
        let cut = Fault::Cut(self.compression.data());
        let header = self.intake.peek(8).map_err(Fault::Read)?;
        let Some([_, _, _, _, length @ ..]) = header.first_chunk::<8>() else {
            return Err(cut);
        };
        let mut left = u64::from(u32::from_le_bytes(*length)).saturating_add(8);
        while left > 0 {
            let there = self.intake.peek(1).map_err(Fault::Read)?.len();
            if there == 0 {
                return Err(cut);
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(there);
            self.intake.buffer.consume(count);
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }

    /// The decoder for a member that begins here.
    fn open_member(&mut self) -> Result<Member, Fault> {
        self.intake.starved = false;
        Ok(match self.compression {
            Compression::Gzip => Member::Gzip(flate2::Decompress::new_gzip(15)),
            Compression::Lz4 => {
                let intake = mem::take(&mut self.intake);
                Member::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(intake)))
            }
            Compression::Xz => {
                let limit = (WINDOW >> 10).saturating_add(XZ_OVERHEAD);
                Member::Xz(Box::new(XzStream::new_mem_limit(false, limit)))
            }
            Compression::Zstd => {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(u64::from(WINDOW));
                match decoder.reset(&mut self.intake) {
                    Ok(()) => Member::Zstd(Box::new(Zstd { decoder, broken: None })),
                    Err(error) => return Err(zstd_fault(&error, &self.intake)),
                }
            }
        })
    }
}

/// Compressed bytes as they come in.
struct Intake {
    reader: Box<dyn Read + Send>,
    buffer: Buffer,
    /// Whether a decoder asked for more than there was.
    starved: bool,
}

impl Intake {
    /// What is there: at least `want` bytes, unless the end comes before.
    fn peek(&mut self, want: usize) -> io::Result<&[u8]> {
        while self.buffer.unread().len() < want {
            let count = read_some(&mut *self.reader, self.buffer.space(INTAKE))?;
            if count == 0 {
                break;
            }
            self.buffer.filled(count);
        }
        Ok(self.buffer.unread())
    }
}

impl Default for Intake {
    /// Nothing: what stays behind while a decoder owns the intake.
    fn default() -> Self {
        Self { reader: Box::new(io::empty()), buffer: Buffer::default(), starved: false }
    }
}

impl Read for Intake {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut there = self.peek(1)?;
        let count = there.read(space)?;
        self.starved |= count == 0 && !space.is_empty();
        self.buffer.consume(count);
        Ok(count)
    }
}

fn gzip_step(decoder: &mut flate2::Decompress, intake: &mut Intake, space: &mut [u8]) -> Step {
    let input = match intake.peek(1) {
        Ok([]) => return Step::Failed(0, Fault::Cut(Compression::Gzip.data())),
        Ok(input) => input,
        Err(cause) => return Step::Failed(0, Fault::Read(cause)),
    };
    let (read, written) = (decoder.total_in(), decoder.total_out());
    let result = decoder.decompress(input, space, FlushDecompress::None);
    let read = difference(decoder.total_in(), read);
    let written = difference(decoder.total_out(), written).min(space.len());
    intake.buffer.consume(read);
    match result {
        Ok(Status::StreamEnd) => Step::End(written),
        Ok(Status::Ok | Status::BufError) if read == 0 && written == 0 => {
            Step::Failed(0, Fault::Damage("its gzip data leads nowhere"))
        }
        Ok(_) => Step::Output(written),
        // Its words depend on how far the last step went: after one that failed it only says that.
        Err(_) => Step::Failed(written, Fault::Damage("its gzip data contradicts itself")),
    }
}

fn lz4_step(decoder: &mut lz4_flex::frame::FrameDecoder<Intake>, space: &mut [u8]) -> Step {
    match decoder.read(space) {
        Ok(count) if count > 0 => Step::Output(count),
        // The decoder takes the end of the input between two blocks for the end of the frame.
        _ if decoder.get_ref().starved => Step::Failed(0, Fault::Cut(Compression::Lz4.data())),
        Ok(_) => Step::End(0),
        Err(cause) if is_lz4(&cause) => {
            Step::Failed(0, Fault::Damage("its LZ4 data contradicts itself"))
        }
        Err(cause) => Step::Failed(0, Fault::Read(cause)),
    }
}

fn xz_step(decoder: &mut XzStream, intake: &mut Intake, space: &mut [u8]) -> Step {
    let input = match intake.peek(1) {
        Ok([]) => return Step::Failed(0, Fault::Cut(Compression::Xz.data())),
        Ok(input) => input,
        Err(cause) => return Step::Failed(0, Fault::Read(cause)),
    };
    let (read, written) = (decoder.total_in(), decoder.total_out());
    let result = decoder.process(input, space, lzma_rust2::Action::Run);
    let read = difference(decoder.total_in(), read);
    let written = difference(decoder.total_out(), written).min(space.len());
    intake.buffer.consume(read);
    match result {
        Ok(result) if result.status == lzma_rust2::Status::StreamEnd => Step::End(written),
        Ok(_) if read == 0 && written == 0 => {
            Step::Failed(0, Fault::Damage("its xz data leads nowhere"))
        }
        Ok(_) => Step::Output(written),
        Err(cause) if cause.kind() == io::ErrorKind::OutOfMemory => {
            let reason = "its xz dictionary is larger than 128 MiB: unpack it first with `xz -d`";
            Step::Failed(written, Fault::Unsupported(reason))
        }
        Err(_) => Step::Failed(written, Fault::Damage("its xz data contradicts itself")),
    }
}

/// A Zstandard frame.
struct Zstd {
    decoder: FrameDecoder,
    /// Why it breaks off.
    broken: Option<Fault>,
}

impl Zstd {
    /// The decoder holds back a window of what it unpacked until the frame is at its end. If the
    /// frame breaks off, it is given an empty last block, so that it hands that window out.
    fn step(&mut self, intake: &mut Intake, space: &mut [u8]) -> Step {
        /// A block header that says last, raw, empty; and a checksum, if one is expected.
        const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
        if self.decoder.can_collect() > 0 {
            return match self.decoder.read(space) {
                Ok(count) => Step::Output(count),
                Err(cause) => Step::Failed(0, Fault::Read(cause)),
            };
        }
        if let Some(fault) = self.broken.take() {
            return Step::Failed(0, fault);
        }
        if self.decoder.is_finished() {
            let sound = self
                .decoder
                .get_checksum_from_data()
                .is_none_or(|sum| Some(sum) == self.decoder.get_calculated_checksum());
            return if sound {
                Step::End(0)
            } else {
                Step::Failed(0, Fault::Damage("the checksum of its Zstandard data is wrong"))
            };
        }
        let block = BlockDecodingStrategy::UptoBlocks(1);
        if let Err(error) = self.decoder.decode_blocks(&mut *intake, block) {
            self.broken = Some(zstd_fault(&error, intake));
            // If even that fails, what the window held is lost, but not the fault.
            let block = BlockDecodingStrategy::UptoBlocks(1);
            let _ = self.decoder.decode_blocks(&LAST_BLOCK[..], block);
        }
        Step::Output(0)
    }
}

/// What the decoder's error means to a reader of the capture.
fn zstd_fault(error: &FrameDecoderError, intake: &Intake) -> Fault {
    use FrameDecoderError as E;
    match error {
        _ if intake.starved => Fault::Cut(Compression::Zstd.data()),
        E::WindowSizeTooBig { .. } | E::FrameHeaderError(FrameHeaderError::WindowTooBig { .. }) => {
            Fault::Unsupported(
                "its Zstandard window is larger than 128 MiB: \
                 unpack it first with `zstd -d --long=31`",
            )
        }
        E::DictNotProvided { .. } => Fault::Unsupported(
            "its Zstandard data needs a dictionary: unpack it first with `zstd -d -D DICTIONARY`",
        ),
        _ => Fault::Damage("its Zstandard data contradicts itself"),
    }
}

/// Whether an error is of the decoder, and not of what it reads from.
fn is_lz4(cause: &io::Error) -> bool {
    let inner = cause.get_ref().map(|inner| inner.downcast_ref::<lz4_flex::frame::Error>());
    inner.is_some_and(|error| error.is_some())
}

/// How far a counter went.
fn difference(now: u64, before: u64) -> usize {
    usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX)
}
