//! Amounts as people type them: `30s`, `1h`, `128MB`.

use std::time::Duration;

use anyhow::anyhow;

use crate::cli::exit::Failure;
use crate::sink::rolling::Rotation;

/// `1h` or `1GB`.
pub(super) fn rotation(text: &str) -> Result<Rotation, Failure> {
    let age = age(text);
    age.map(Rotation::Age).or_else(|| size(text).map(Rotation::Size)).ok_or_else(|| {
        Failure::usage(anyhow!("`{text}` is neither an age nor a size for --rotate"))
            .with_hint("as 30m, 1h or 1d; or as 500MB or 1GB")
    })
}

/// `30s`.
pub(super) fn age(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `128MB` in bytes; binary units may be typed as such (`128MiB`).
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A number above zero and the unit after it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|one: char| !one.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    number.parse().ok().filter(|number| *number > 0).map(|number| (number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes() {
        let parsed = |text| rotation(text).ok();
        assert_eq!(parsed("1h"), Some(Rotation::Age(Duration::from_secs(3_600))));
        assert_eq!(parsed("30m"), Some(Rotation::Age(Duration::from_secs(1_800))));
        assert_eq!(parsed("1GB"), Some(Rotation::Size(1_000_000_000)));
        assert_eq!(parsed("64MiB"), Some(Rotation::Size(64 << 20)));
        for wrong in
            ["", "h", "0h", "1", "1x", "-1h", "99999999999999999999h", "18446744073709551615GB"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
