//! [`Token`]: the secret that a request from another machine has to know.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::limits;

/// The shortest that is accepted: what can be guessed is no secret.
const SHORTEST: usize = 16;

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its file cannot be read.
    #[error("cannot read token `{}`: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It can be guessed, or not be sent in a header.
    #[error("a token is at least {SHORTEST} printable ASCII characters without spaces")]
    Weak,
}

/// A secret; only a hash of it is kept, and compared in constant time.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Weak);
        }
        Ok(Self(hash(text.as_bytes())))
    }

    /// From the first line of a file.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let text = limits::read_named_text(path)
            .map_err(|cause| TokenError::Read { path: path.to_owned(), cause })?;
        Self::new(text.lines().next().unwrap_or_default())
    }

    /// Whether the value of an `Authorization` header shows it (RFC 6750 §2.1, RFC 7617).
    pub(super) fn is_in(&self, header: &[u8]) -> bool {
        let Some(space) = header.iter().position(|byte| *byte == b' ') else { return false };
        let (scheme, rest) = header.split_at(space);
        let value = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.is(value);
        }
        if scheme.eq_ignore_ascii_case(b"basic") {
            let decoded = BASE64_STANDARD.decode(value).unwrap_or_default();
            let mut parts = decoded.splitn(2, |byte| *byte == b':');
            return parts.nth(1).is_some_and(|password| self.is(password));
        }
        false
    }

    /// Of equal length whatever was sent, so that not even that shows in the time it takes.
    fn is(&self, sent: &[u8]) -> bool {
        verify_slices_are_equal(&self.0, &hash(sent)).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

fn hash(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_in_both_schemes_and_nothing_else_will_do() {
        let token = Token::new("correct-horse-battery\n").unwrap();
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for right in [
            "Bearer correct-horse-battery".to_owned(),
            "bearer  correct-horse-battery ".to_owned(),
            basic("anyone:correct-horse-battery"),
            basic(":correct-horse-battery"),
        ] {
            assert!(token.is_in(right.as_bytes()), "{right}");
        }
        for wrong in [
            String::new(),
            "correct-horse-battery".to_owned(),
            "Bearer ".to_owned(),
            "Bearer correct-horse-batter".to_owned(),
            "Bearer correct-horse-battery2".to_owned(),
            "Digest correct-horse-battery".to_owned(),
            "Basic correct-horse-battery".to_owned(),
            basic("correct-horse-battery"),
            basic("correct-horse-battery:"),
        ] {
            assert!(!token.is_in(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        for weak in ["", "secret", "fifteen-letters", "sixteen letters!!", "sechzehn-zeichen\u{e4}"]
        {
            assert!(Token::new(weak).is_err(), "{weak}");
        }
        assert!(Token::new("sixteen-letters!").is_ok());
        let missing = Token::read(Path::new("/nowhere/token")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read token `/nowhere/token`: "), "{missing}");
    }
}
