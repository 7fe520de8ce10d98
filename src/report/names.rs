//! [`Names`]: names for addresses and owners for networks, from files that people have already.
//!
//! `--hosts` takes what it is given: a hosts file, a CSV with or without a header (semicolons and
//! tabs too, UTF-16 as Windows writes it), Windows' DHCP export, the leases of dnsmasq, ISC dhcpd and
//! Kea. `--groups` takes `network,owner[,site]` lines; the narrowest network counts. What is not
//! understood is an error that names the line. Names that came by DHCP are what hosts call
//! themselves: they are printed as carefully as anything else from the network.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::scope::Network;
use super::vendors::Vendors;
use crate::limits;
use crate::packet::{Address, Mac};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// It cannot be read.
    #[error("cannot read `{}`: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A line means nothing.
    #[error("`{}`, line {line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// What addresses are called, and who owns their networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    said: HashMap<Address, BTreeSet<String>>,
    /// The narrowest first.
    groups: Vec<(Network, Group)>,
    vendors: Vendors,
}

/// Whose a network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Who owns it.
    pub owner: Option<String>,
    /// Where it is.
    pub site: Option<String>,
}

/// The words that head a column of addresses, and one of names, in lower case without spaces.
const ADDRESS: &[&str] =
    &["ip", "ipaddress", "address", "clientipaddress", "ipv4address", "ipv6address"];
const NAME: &[&str] = &["name", "names", "hostname", "host", "fqdn", "dnsname", "computername"];

impl Names {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and who made which network cards.
    #[must_use]
    pub fn with_vendors(mut self, vendors: Vendors) -> Self {
        self.vendors = vendors;
        self
    }

    /// Who made the network card with this address, as far as it is known.
    pub fn vendor(&self, mac: Mac) -> Option<String> {
        self.vendors.of(mac).map(str::to_owned)
    }

    /// The names of an address, in order.
    pub fn of(&self, ip: Address) -> Vec<String> {
        self.said.get(&ip).into_iter().flatten().cloned().collect()
    }

    /// Whose network an address is in.
    pub fn group(&self, ip: Address) -> Option<&Group> {
        self.groups.iter().find(|(network, _)| network.contains(ip)).map(|(_, group)| group)
    }

    /// Add the names of a file.
    pub fn add_hosts(&mut self, path: &Path) -> Result<(), NamesError> {
        let text = read(path)?;
        let wrong = |(line, why)| NamesError::Line { path: path.to_owned(), line: line + 1, why };
        let found = if text.lines().any(|line| is_lease(line.trim_start())) {
            isc(&text)
        } else {
            lines(&text).map_err(wrong)?
        };
        for (ip, names) in found {
            self.said.entry(ip).or_default().extend(names);
        }
        Ok(())
    }

    /// Add the networks of a file.
    pub fn add_groups(&mut self, path: &Path) -> Result<(), NamesError> {
        let text = read(path)?;
        for (line, content) in contents(&text, false) {
            let wrong = |why| NamesError::Line { path: path.to_owned(), line: line + 1, why };
            let cells = cells(content);
            let cell = |at: usize| {
                cells.get(at).filter(|cell| !cell.is_empty()).map(|cell| cell.trim().to_owned())
            };
            let Some(network) = cell(0).and_then(|cell| cell.parse::<Network>().ok()) else {
                let head = cells.first().map(|cell| word(cell)).unwrap_or_default();
                if line == 0 && matches!(head.as_str(), "network" | "cidr" | "subnet" | "prefix") {
                    continue;
                }
                return Err(wrong("networks are written like 10.0.0.0/16,owner,site"));
            };
            let group = Group { owner: cell(1), site: cell(2) };
            if group == Group::default() {
                return Err(wrong("the owner is missing: 10.0.0.0/16,owner,site"));
            }
            self.groups.push((network, group));
        }
        self.groups.sort_by_key(|(network, _)| std::cmp::Reverse(network.bits()));
        Ok(())
    }
}

type Found = HashMap<Address, BTreeSet<String>>;

/// A text, whatever Windows did to it.
fn read(path: &Path) -> Result<String, NamesError> {
    let bytes = limits::read_named(path)
        .map_err(|cause| NamesError::Read { path: path.to_owned(), cause })?;
    Ok(match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(unit).collect();
    String::from_utf16_lossy(&units)
}

/// Lines with something on them, with their place. A comment begins at a `#` that stands in no quotes:
/// within a word too, as in a hosts file, or only where none goes before it.
fn contents(text: &str, in_words: bool) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = uncommented(line, in_words).trim();
        (!line.is_empty()).then_some((at, line))
    })
}

fn uncommented(line: &str, in_words: bool) -> &str {
    let (mut quoted, mut before) = (false, ' ');
    let comment = line.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        let begins = in_words || before.is_whitespace();
        before = *character;
        *character == '#' && begins && !quoted
    });
    comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line)
}

/// Everything but ISC's leases: a record a line.
fn lines(text: &str) -> Result<Found, (usize, &'static str)> {
    let mut found = Found::new();
    let mut columns: Option<Columns> = None;
    let mut first = true;
    for (line, content) in contents(text, true) {
        if std::mem::take(&mut first) {
            columns = Columns::of(content);
            if columns.is_some() {
                continue;
            }
        }
        let words: Vec<&str> = content.split_whitespace().collect();
        if let Some(columns) = &columns {
            let cells = cells(content);
            let Some(ip) = cells.get(columns.ip).and_then(|cell| address(cell)) else {
                return Err((line, "the column of addresses holds none"));
            };
            // Kea writes a line for every change of a lease: the last one counts.
            if columns.state.is_some() {
                found.remove(&ip);
            }
            let state = columns.state.and_then(|at| cells.get(at)).map(|cell| cell.trim());
            if matches!(state, Some("1" | "2")) {
                continue;
            }
            for at in &columns.names {
                note(&mut found, ip, cells.get(*at).map_or("", |cell| cell));
            }
        } else if let [expiry, _, ip, name, ..] = words[..]
            && expiry.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(ip) = address(ip)
        {
            // dnsmasq: expiry, MAC address, address, name or *, client id.
            note(&mut found, ip, name);
        } else if words.first() == Some(&"duid") {
            // dnsmasq's own identity, before its IPv6 leases.
        } else if content.contains([',', ';', '\t']) && address(words[0]).is_none()
            || cells(content).first().is_some_and(|cell| address(cell).is_some())
                && content.contains([',', ';'])
        {
            let cells = cells(content);
            let mut rest = cells.iter();
            let Some(ip) = rest.next().and_then(|cell| address(cell)) else {
                return Err((
                    line,
                    "lines are address,name or name a column `ip` in the first line",
                ));
            };
            rest.for_each(|name| note(&mut found, ip, name));
        } else {
            let Some(ip) = words.first().and_then(|word| address(word)) else {
                return Err((line, "it begins with no address"));
            };
            words[1..].iter().for_each(|name| note(&mut found, ip, name));
        }
    }
    Ok(found)
}

/// Which columns of a CSV are what.
struct Columns {
    ip: usize,
    names: Vec<usize>,
    state: Option<usize>,
}

impl Columns {
    /// From the first line, if it is a header.
    fn of(line: &str) -> Option<Self> {
        let words: Vec<String> = cells(line).iter().map(|cell| word(cell)).collect();
        let ip = words.iter().position(|word| ADDRESS.contains(&word.as_str()))?;
        let named = |(at, word): (usize, &String)| NAME.contains(&word.as_str()).then_some(at);
        let names: Vec<_> = words.iter().enumerate().filter_map(named).collect();
        // Kea calls a number by this word; Windows writes words in `AddressState`.
        let state = words.iter().position(|word| word == "state");
        (!names.is_empty()).then_some(Self { ip, names, state })
    }
}

/// A heading without case, quotes, spaces and underscores.
fn word(cell: &str) -> String {
    cell.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// The cells of a line: separated by commas, semicolons or tabs, quoted as RFC 4180 says; by spaces
/// where there is none of them.
fn cells(line: &str) -> Vec<String> {
    // Every second part stands in quotes: what is in there separates nothing.
    let count = |separator| -> usize {
        line.split('"').step_by(2).map(|part| part.matches(separator).count()).sum()
    };
    let separator = [',', ';', '\t']
        .map(|separator| (count(separator), separator))
        .into_iter()
        .max_by_key(|(count, separator)| (*count, *separator == ','))
        .filter(|(count, _)| *count > 0)
        .map_or(' ', |(_, separator)| separator);
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(cell) = cells.last_mut() {
                    cell.push('"');
                }
            }
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                // Several spaces are one.
                if separator != ' ' || cells.last().is_some_and(|cell| !cell.is_empty()) {
                    cells.push(String::new());
                }
            }
            _ => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(character);
                }
            }
        }
    }
    cells
}

fn address(text: &str) -> Option<Address> {
    let text = text.trim();
    // A hosts file may name the interface of a link-local address.
    let text = text.split('%').next().unwrap_or_default();
    text.parse::<IpAddr>().ok().map(Address::from)
}

/// Add a name, unless it is none.
fn note(found: &mut Found, ip: Address, name: &str) {
    let name = name.trim().trim_end_matches('.');
    // `*` is dnsmasq's word for a host that gave no name.
    if !name.is_empty() && name != "*" {
        found.entry(ip).or_default().insert(name.replace("&#x2c", ","));
    }
}

fn is_lease(line: &str) -> bool {
    line.strip_prefix("lease ").is_some_and(|rest| {
        rest.split_whitespace().next().and_then(address).is_some() && rest.contains('{')
    })
}

/// ISC dhcpd's leases: a later lease of an address takes the place of an earlier one.
fn isc(text: &str) -> Found {
    let mut found = Found::new();
    let mut current = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("lease ") {
            current = rest.split_whitespace().next().and_then(address);
            if let Some(ip) = current {
                found.remove(&ip);
            }
        } else if line.starts_with('}') {
            current = None;
        } else if let (Some(ip), Some(rest)) = (current, line.strip_prefix("client-hostname "))
            && let Some(name) = rest.split('"').nth(1)
        {
            note(&mut found, ip, name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: impl AsRef<[u8]>) -> Result<Vec<String>, NamesError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        std::fs::write(&path, text).unwrap();
        let mut names = Names::new();
        names.add_hosts(&path)?;
        let mut lines: Vec<_> = names
            .said
            .iter()
            .map(|(ip, names)| format!("{ip} {}", Vec::from_iter(names.clone()).join(" ")))
            .collect();
        lines.sort();
        Ok(lines)
    }

    #[test]
    fn every_kind_of_file() {
        let two = ["10.0.0.5 pc5.corp.example", "10.0.0.6 pc6"];
        for text in [
            "# ours\n10.0.0.5 pc5.corp.example # desk\n\n10.0.0.6\tpc6\n",
            "10.0.0.5,pc5.corp.example\n10.0.0.6,pc6\n",
            "10.0.0.5;pc5.corp.example.\r\n10.0.0.6;pc6\r\n",
            "Hostname,IP Address,Owner\n\"pc5.corp.example\",10.0.0.5,\"Ann, Bob\"\npc6,10.0.0.6,\n",
            "1772352000 02:00:00:00:00:05 10.0.0.5 pc5.corp.example 01:02\n\
             1772352000 02:00:00:00:00:06 10.0.0.6 pc6 *\n1772352000 02:00:00:00:00:07 10.0.0.7 * *\n",
            "lease 10.0.0.5 {\n  starts 1 2026/03/01 08:00:00;\n  client-hostname \"old\";\n}\n\
             lease 10.0.0.6 {\n  client-hostname \"pc6\";\n}\n\
             lease 10.0.0.5 {\n  client-hostname \"pc5.corp.example\";\n}\n",
            "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n\
             10.0.0.5,02:00:00:00:00:05,,3600,1772352000,1,0,0,old,0\n\
             10.0.0.5,02:00:00:00:00:05,,3600,1772355600,1,0,0,pc5.corp.example.,0\n\
             10.0.0.6,02:00:00:00:00:06,,3600,1772352000,1,0,0,pc6,0\n\
             10.0.0.7,02:00:00:00:00:07,,3600,1772352000,1,0,0,gone,2\n",
            "#TYPE Microsoft.Management.Infrastructure.CimInstance\r\n\
             \"IPAddress\",\"ScopeId\",\"ClientId\",\"HostName\",\"AddressState\"\r\n\
             \"10.0.0.5\",\"10.0.0.0\",\"02-00\",\"pc5.corp.example\",\"Active\"\r\n\
             \"10.0.0.6\",\"10.0.0.0\",\"02-01\",\"pc6\",\"Active\"\r\n",
            "Client IP Address,Name,Lease Expiration,Type,Unique ID,Description\r\n\
             10.0.0.5,pc5.corp.example,3/1/2026 8:00:00 AM,DHCP,0200,\r\n10.0.0.6,pc6,,DHCP,0201,\r\n",
        ] {
            assert_eq!(names(text).unwrap(), two, "{text}");
            let mut windows = vec![0xff, 0xfe];
            windows.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            assert_eq!(names(windows).unwrap(), two, "in UTF-16: {text}");
        }
        assert_eq!(
            names("fe80::1%lo0 me\n10.0.0.5 b a\n").unwrap(),
            ["10.0.0.5 a b", "fe80::1 me"]
        );
        assert_eq!(names("").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_line() {
        let error = names("10.0.0.5 pc5\npc6 10.0.0.6\n").unwrap_err().to_string();
        assert!(error.ends_with("line 2: it begins with no address"), "{error}");
        let error = names("ip,name\nten,pc5\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(Names::new().add_hosts(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn the_narrowest_network_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups");
        let text =
            "network,owner,site\n10.0.0.0/8,IT\n10.9.0.0/16,\"Sales, EMEA\",Berlin\n::/0,v6\n";
        std::fs::write(&path, text).unwrap();
        let mut names = Names::new();
        names.add_groups(&path).unwrap();
        let owner = |ip: [u8; 4]| names.group(Address::v4(ip)).and_then(|one| one.owner.clone());
        assert_eq!(owner([10, 9, 1, 1]).as_deref(), Some("Sales, EMEA"));
        assert_eq!(owner([10, 8, 1, 1]).as_deref(), Some("IT"));
        assert_eq!(
            names.group(Address::v4([10, 9, 1, 1])).unwrap().site.as_deref(),
            Some("Berlin")
        );
        std::fs::write(&path, "10.0.0.0/8,IT\nten,IT\n").unwrap();
        let error = names.add_groups(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn what_stands_in_a_name_is_no_comment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups");
        let text = "# ours\n10.1.0.0/16,C# team,\"Building #7\" # since May\n10.2.0.0/16,IT# 1 #\n";
        std::fs::write(&path, text).unwrap();
        let mut groups = Names::new();
        groups.add_groups(&path).unwrap();
        let group = |second| groups.group(Address::v4([10, second, 0, 1])).unwrap().clone();
        let site = Some("Building #7".to_owned());
        assert_eq!(group(1), Group { owner: Some("C# team".to_owned()), site });
        assert_eq!(group(2), Group { owner: Some("IT# 1".to_owned()), site: None });
        let hosts = names("ip,name\n10.0.0.5,\"pc #5\" # desk\n10.0.0.6,pc6#desk\n");
        assert_eq!(hosts.unwrap(), ["10.0.0.5 pc #5", "10.0.0.6 pc6"]);
    }

    #[test]
    fn what_stands_in_quotes_separates_nothing() {
        assert_eq!(cells("10.1.0.0/16,\"Ops; West; North\""), ["10.1.0.0/16", "Ops; West; North"]);
        assert_eq!(cells("10.1.0.0/16;\"a, b, c\";d"), ["10.1.0.0/16", "a, b, c", "d"]);
        assert_eq!(cells("10.1.0.0/16,\"say \"\";;\"\"\",d"), ["10.1.0.0/16", "say \";;\"", "d"]);
        assert_eq!(cells("10.0.0.5 \"pc, old\""), ["10.0.0.5", "pc, old"]);
    }
}
