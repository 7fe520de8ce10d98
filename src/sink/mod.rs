//! Where records go: files that appear whole, and standard output.

mod file;
mod large;
pub mod rolling;

use std::io::{self, Write};

pub use file::OutputFile;
pub use large::LargeFile;

/// Something that takes lines of records, in order.
pub trait Sink {
    /// Take some whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;

    /// No more will come: what was written is to be complete now.
    fn finish(self) -> io::Result<()>;
}

/// Standard output. When its reader is gone the rest is quietly not written: that ends the output,
/// not the run.
#[derive(Debug, Default)]
pub struct Stdout {
    closed: bool,
}

impl Sink for Stdout {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match io::stdout().lock().write_all(lines) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }

    fn finish(self) -> io::Result<()> {
        match io::stdout().lock().flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

/// Records to a file or to standard output, as the user asked.
#[derive(Debug)]
pub enum FlowSink {
    /// To a file.
    File(LargeFile),
    /// To standard output.
    Stdout(Stdout),
}

impl Sink for FlowSink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(lines),
            Self::Stdout(stdout) => stdout.write(lines),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stdout(stdout) => stdout.finish(),
        }
    }
}
