//! Names of servers, versions and numbers as the page writes them.

use std::fmt::Write as _;

use crate::report::inventory::ServerName;

/// A server and what it speaks: `203.0.113.7:443`, `10.0.0.25:587 (smtp)`.
pub(super) fn server(name: &ServerName) -> String {
    match &name.application {
        Some(application) => format!("{name} ({application})"),
        None => name.to_string(),
    }
}

/// `TLS 1.2` of `TLS1.2`; what is no version stays as it is.
pub(super) fn version(name: &str) -> String {
    for family in ["DTLS", "TLS", "SSL"] {
        if let Some(number) = name.strip_prefix(family) {
            let number = if family == "SSL" && !number.contains('.') {
                format!("{number}.0")
            } else {
                number.to_owned()
            };
            return format!("{family}\u{a0}{number}");
        }
    }
    name.to_owned()
}

/// Bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_as_people_write_them() {
        assert_eq!(version("TLS1.2"), "TLS\u{a0}1.2");
        assert_eq!(version("DTLS1.0"), "DTLS\u{a0}1.0");
        assert_eq!(version("SSL3"), "SSL\u{a0}3.0");
        assert_eq!(version("0x7f1c"), "0x7f1c");
    }
}
