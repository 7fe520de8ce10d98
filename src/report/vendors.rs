//! [`Vendors`]: who made a network card, by the first bits of its MAC address.
//!
//! The registry is IEEE's, and as there is no copy of it under a free licence to ship, tables that the
//! machine has are read: those of Debian's `ieee-data` and the one of Wireshark. Without any, nothing is
//! said. They are read when the first MAC address asks that can have a vendor.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::packet::Mac;

/// Where tables are; of two that speak of the same addresses the first one counts.
const TABLES: [&str; 4] = [
    "/usr/share/ieee-data/oui.csv",
    "/usr/share/ieee-data/mam.csv",
    "/usr/share/ieee-data/oui36.csv",
    "/usr/share/wireshark/manuf",
];

/// Bytes of a table that are read: the registry has some five million.
const LONGEST: u64 = 64 << 20;

/// Bits of an address that tables speak of, most first.
const BITS: [u32; 3] = [36, 28, 24];

/// Names by a number of first bits, and these bits.
type Table = HashMap<(u32, u64), Box<str>>;

/// Who made which network cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vendors {
    paths: Vec<PathBuf>,
    table: OnceLock<Table>,
}

impl Vendors {
    /// What the tables of this machine say, if it has any.
    pub fn of_this_machine() -> Self {
        Self::new(TABLES.map(PathBuf::from))
    }

    /// What these tables say; those that cannot be read say nothing.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), table: OnceLock::new() }
    }

    /// Who made the card with this address. Addresses that are given locally, or to groups, have none.
    pub fn of(&self, mac: Mac) -> Option<&str> {
        if mac.is_group() || mac.is_local() || self.paths.is_empty() {
            return None;
        }
        let table = self.table.get_or_init(|| self.read());
        let number = mac.0.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        BITS.iter().find_map(|bits| table.get(&(*bits, number >> (48 - bits)))).map(|name| &**name)
    }

    fn read(&self) -> Table {
        let mut table = Table::new();
        for path in &self.paths {
            let mut bytes = Vec::new();
            let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
            if read.is_err() {
                continue;
            }
            for line in String::from_utf8_lossy(&bytes).lines() {
                let entry = ieee(line).or_else(|| wireshark(line));
                if let Some((bits, prefix, name)) = entry.filter(|(.., name)| !name.is_empty()) {
                    table.entry((bits, prefix)).or_insert_with(|| name.into());
                }
            }
        }
        table
    }
}

/// `MA-L,00000C,"Cisco Systems, Inc",…`.
fn ieee(line: &str) -> Option<(u32, u64, &str)> {
    let (registry, rest) = line.split_once(',')?;
    let (assignment, rest) = rest.split_once(',')?;
    let bits = match registry {
        "MA-L" => 24,
        "MA-M" => 28,
        "MA-S" | "IAB" => 36,
        _ => return None,
    };
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(',').next(),
    };
    let fits = assignment.len() * 4 == usize::try_from(bits).ok()?;
    Some((bits, u64::from_str_radix(assignment, 16).ok().filter(|_| fits)?, name?.trim()))
}

/// `00:00:0C<tab>Cisco<tab>Cisco Systems, Inc`, or `00:1B:C5:00:00:00/36<tab>…`.
fn wireshark(line: &str) -> Option<(u32, u64, &str)> {
    let mut fields = line.split('\t').map(str::trim);
    let (prefix, short) = (fields.next()?, fields.next()?);
    let name = fields.next().filter(|name| !name.is_empty()).unwrap_or(short);
    let (prefix, bits) = match prefix.split_once('/') {
        Some((prefix, bits)) => (prefix, bits.parse().ok()?),
        None => (prefix, 24),
    };
    let mut octets = [0_u8; 6];
    let mut given = 0;
    for (octet, text) in octets.iter_mut().zip(prefix.split(':')) {
        *octet = u8::from_str_radix(text, 16).ok()?;
        given += 8;
    }
    let number = octets.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (BITS.contains(&bits) && given >= bits).then(|| (bits, number >> (48 - bits), name))
}

/// What can be said of a MAC address beside it: its vendor, or that it has none.
pub(super) fn words(mac: Option<Mac>, vendor: Option<&str>) -> Option<String> {
    match (mac?, vendor) {
        (_, Some(vendor)) => Some(vendor.to_owned()),
        (mac, None) if mac.is_group() => Some("an address of a group".to_owned()),
        (mac, None) if mac.is_local() => Some("locally administered".to_owned()),
        _ => None,
    }
}

/// A MAC address, with what can be said of it.
pub(super) fn described(mac: Mac, vendor: Option<&str>) -> String {
    match words(Some(mac), vendor) {
        Some(words) => format!("{mac} ({words})"),
        None => mac.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IEEE: &str = "Registry,Assignment,Organization Name,Organization Address\r\n\
        MA-L,00000C,\"Cisco Systems, Inc\",\"170 Tasman, San Jose US 94568 \"\r\n\
        MA-L,18AF61,Apple,1 Loop\r\nMA-M,0055DA1,Bits GmbH,\"a\"\r\nMA-S,001BC5000,Tiny,x\r\n\
        MA-L,12,Short,x\r\n";
    const WIRESHARK: &str = "# a comment\n\n00:00:0C\tOther\tAnother name for it\n\
        00:50:C2:00:10:00/36\tSmall\tSmall Ltd\n18:AC:9E\tItel\n01:80:C2:00:00:00/48\tGroup\n";

    #[test]
    fn the_longest_prefix_of_the_first_table_tells() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [("oui.csv", IEEE), ("none", ""), ("manuf", WIRESHARK)].map(|(name, text)| {
            let path = folder.path().join(name);
            if !text.is_empty() {
                std::fs::write(&path, text).unwrap();
            }
            path
        });
        let vendors = Vendors::new(paths);
        for (mac, name) in [
            ([0x00, 0x00, 0x0c, 1, 2, 3], Some("Cisco Systems, Inc")),
            ([0x18, 0xaf, 0x61, 1, 2, 3], Some("Apple")),
            ([0x00, 0x55, 0xda, 0x17, 2, 3], Some("Bits GmbH")),
            ([0x00, 0x55, 0xda, 0x27, 2, 3], None),
            ([0x00, 0x1b, 0xc5, 0x00, 0x0f, 3], Some("Tiny")),
            ([0x00, 0x50, 0xc2, 0x00, 0x1f, 3], Some("Small Ltd")),
            ([0x18, 0xac, 0x9e, 0, 0, 3], Some("Itel")),
            // Given locally, or to a group: whoever has the bits before them has not made them.
            ([0x02, 0x00, 0x0c, 1, 2, 3], None),
            ([0x01, 0x00, 0x0c, 1, 2, 3], None),
        ] {
            assert_eq!(vendors.of(Mac(mac)), name, "{mac:x?}");
        }
        assert_eq!(Vendors::default().of(Mac([0x00, 0x00, 0x0c, 1, 2, 3])), None);
    }

    #[test]
    fn what_has_no_vendor_says_why() {
        let local = Mac([0x02, 0, 0, 0, 0, 1]);
        assert_eq!(described(local, None), "02:00:00:00:00:01 (locally administered)");
        assert_eq!(words(Some(Mac([0x01, 0, 0, 0, 0, 1])), None).unwrap(), "an address of a group");
        assert_eq!(described(Mac([0, 0, 0x0c, 0, 0, 1]), None), "00:00:0c:00:00:01");
        assert_eq!(
            described(Mac([0, 0, 0x0c, 0, 0, 1]), Some("Cisco")),
            "00:00:0c:00:00:01 (Cisco)"
        );
    }
}
