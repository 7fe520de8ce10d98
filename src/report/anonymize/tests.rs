//! Nothing that tells whose network it is may be left, in no format; the same key gives the same.

use std::collections::BTreeSet;

use super::*;
use crate::report::inventory::RootLine;
use crate::report::sample::{judge_except, office, snapshot};
use crate::report::{Format, Style};

const KEY: &[u8] = b"a key of more than sixteen bytes";

/// The office with everything that a report can name.
fn named_office() -> Inventory {
    let exception = "[[exception]]\nowner = \"Jane Roe\"\nreason = \"ask Jane\"\n\
                     expires = 2099-01-01\nhost = \"10.0.0.5\"\n";
    let mut inventory =
        judge_except(&snapshot(&office()), &["dataverse"], &["*", "10.0.0.0/8"], exception);
    for client in &mut inventory.clients {
        client.names = vec![format!("Host-{}.contoso.example", client.ip)];
        client.owner = Some("Accounting".to_owned());
        client.site = Some("Springfield".to_owned());
        client.mac = Some(Mac([0, 0x1b, 0x21, 7, 7, client.ip.octets()[15]]));
    }
    for server in &mut inventory.servers {
        server.names = vec!["srv.contoso.example".to_owned()];
        server.chain.root_subject = Some("CN=Contoso Root".to_owned());
        server.chain.why = Some("CN=Contoso Root is unknown".to_owned());
        Arc::make_mut(&mut server.name).target = Some("proxy.contoso.example:443".into());
    }
    for edge in &mut inventory.edges {
        Arc::make_mut(&mut edge.server).target = Some("proxy.contoso.example:443".into());
    }
    inventory
}

/// Every text that is to be gone.
fn secrets(inventory: &Inventory) -> BTreeSet<String> {
    let mut secrets: BTreeSet<String> =
        ["Contoso", "contoso", "Jane", "Accounting", "Springfield", "span-a", "monday.pcap"]
            .map(str::to_owned)
            .into();
    for client in &inventory.clients {
        secrets.extend(client.addresses.iter().map(ToString::to_string));
        secrets.extend(client.mac.map(|mac| mac.to_string()));
        secrets.extend(client.names.iter().cloned());
    }
    for server in &inventory.servers {
        secrets.insert(server.name.ip.to_string());
        secrets.extend(server.snis.iter().map(ToString::to_string));
    }
    for line in &inventory.certificates {
        secrets.insert(line.certificate.fingerprint().to_string());
    }
    secrets
}

/// All that is written of an inventory.
fn written(inventory: &Inventory) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = Format::ENDINGS
        .iter()
        .map(|ending| {
            let mut out = Vec::new();
            let format = Format::of(Path::new(&format!("report{ending}"))).unwrap();
            inventory.write(format, &mut out).unwrap();
            ((*ending).to_owned(), String::from_utf8_lossy(&out).into_owned())
        })
        .collect();
    let style = Style { width: 100, colour: false, verbose: true };
    texts.push(("summary".to_owned(), inventory.summary(style)));
    for client in &inventory.clients {
        texts.push(("host".to_owned(), inventory.host(client.ip, style).unwrap()));
    }
    texts
}

#[test]
fn nothing_that_tells_whose_network_it_is_is_left() {
    let mut inventory = named_office();
    let secrets = secrets(&inventory);
    assert!(secrets.len() > 20);
    for (name, text) in written(&inventory).iter().filter(|(name, _)| name == ".json") {
        for secret in &secrets {
            let quoted = serde_json::to_string(secret).unwrap();
            assert!(text.contains(quoted.trim_matches('"')), "{secret} was never in {name}");
        }
    }
    inventory.anonymize(&Key::new(KEY));
    for (name, text) in written(&inventory) {
        for secret in &secrets {
            assert!(!text.contains(&**secret), "{secret} is in {name}");
        }
    }
}

#[test]
fn what_is_judged_stays() {
    let plain = named_office();
    let mut other = named_office();
    other.anonymize(&Key::new(KEY));
    assert!(other.anonymized && !plain.anonymized);
    assert_eq!(plain.summary.policies[0].client_hosts, other.summary.policies[0].client_hosts);
    assert_eq!(plain.summary.policies[0].findings, other.summary.policies[0].findings);
    let software = |inventory: &Inventory| {
        let stacks = inventory.clients.iter().flat_map(|client| &client.stacks);
        let mut names: Vec<_> =
            stacks.flat_map(|stack| stack.software.iter().map(|one| one.name.clone())).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(software(&plain), software(&other));
    // Lines still belong together.
    let clients: BTreeSet<_> = other.clients.iter().map(|client| client.ip).collect();
    assert!(other.edges.iter().all(|edge| clients.contains(&edge.client)));
    let servers: BTreeSet<_> = other.servers.iter().map(|server| server.name.clone()).collect();
    assert!(other.edges.iter().all(|edge| servers.contains(&edge.server)));
    assert!(other.clients.is_sorted_by_key(|client| client.ip));
    let prints: BTreeSet<_> =
        other.certificates.iter().map(|line| line.certificate.fingerprint()).collect();
    assert!(other.servers.iter().flat_map(|one| &one.certificates).all(|one| prints.contains(one)));
}

#[test]
fn a_root_is_the_same_wherever_it_is_told() {
    let mut inventory = named_office();
    let sha1 = [7; 20];
    inventory.servers[0].chain.root_sha1 = Some(sha1);
    let root = |subject: &str, sha1| RootLine {
        subject: subject.to_owned(),
        sha1,
        trusted_by: Vec::new(),
        servers: 1,
        fate: None,
    };
    let name = "CN=Contoso Root";
    inventory.summary.chains.roots = vec![root(name, sha1), root(name, [9; 20])];
    inventory.anonymize(&Key::new(KEY));
    let told = inventory.summary.chains.roots[0].sha1;
    assert_ne!(told, sha1);
    assert!(inventory.servers.iter().any(|server| server.chain.root_sha1 == Some(told)));
    let json = serde_json::to_value(&inventory.summary.chains.roots[0]).unwrap();
    let text = json["sha1"].as_str().unwrap();
    assert!(text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
}

#[test]
fn a_file_of_roots_is_not_told_by_the_name_of_a_store_that_everybody_has() {
    let store = |name: &str, private| TrustLine {
        name: name.to_owned(),
        origin: "pki/contoso/mozilla.pem".to_owned(),
        private,
        roots: 1,
    };
    let key = Key::new(KEY);
    let told = |mut line: TrustLine| {
        line.anonymize(&key);
        line
    };
    let file = told(store("mozilla", true));
    assert!(file.origin.starts_with("store-"), "{}", file.origin);
    assert!(told(store("corp", true)).name.starts_with("store-"));
    let embedded = store("mozilla", false);
    assert_eq!(told(embedded.clone()).origin, embedded.origin);
}

#[test]
fn the_same_key_gives_the_same_and_another_one_other_hashes() {
    let with = |key: &[u8]| {
        let mut inventory = named_office();
        inventory.anonymize(&Key::new(key));
        written(&inventory)
    };
    assert_eq!(with(KEY), with(KEY));
    let other = with(b"another key of sixteen bytes");
    assert_ne!(with(KEY), other);
    let key = Key::new(KEY);
    // One name however it is written, one address wherever it stands.
    assert_eq!(key.name("CRM.example.com."), key.name("crm.example.com"));
    let address = Address::v4([10, 0, 0, 5]);
    assert_eq!(key.name("10.0.0.5"), key.address(address).to_string());
    let target = |target: &str| {
        let name =
            ServerName { ip: address, port: 1, target: Some(target.into()), application: None };
        key.server(&name).target.unwrap().to_string()
    };
    let name = key.name("crm.example.com");
    assert_eq!(target("crm.example.com:8443"), format!("{name}:8443"));
    assert_eq!(target("[2001:db8::1]:443"), format!("[{}]:443", key.name("2001:db8::1")));
    assert_eq!(target("10.0.0.5:443"), format!("[{}]:443", key.name("10.0.0.5")));
}

#[test]
fn replacements_are_no_real_addresses() {
    let key = Key::new(KEY);
    let v4 = key.address(Address::v4([192, 0, 2, 7])).to_string();
    let v6 = key.address(Address::v6([0xfd; 16])).to_string();
    assert!(v4.starts_with("2001:db8:4:") && v6.starts_with("2001:db8:6:"), "{v4} {v6}");
    let Mac([first, ..]) = key.mac(Mac([0, 1, 2, 3, 4, 5]));
    assert_eq!(first, 0x02, "locally administered, of one station");
    let unlike: BTreeSet<_> =
        (0..=255_u8).map(|last| key.address(Address::v4([10, 0, 0, last])).octets()).collect();
    assert_eq!(unlike.len(), 256);
}

#[test]
fn a_key_is_a_file_that_is_long_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Key::load(&path)
    };
    let name = |key: Result<Key, KeyError>| key.unwrap().name("a");
    assert_eq!(name(load(b"0123456789abcdef")), name(load(b"0123456789abcdef\r\n")));
    assert!(matches!(load(b"0123456789abcde\n"), Err(KeyError::Short { .. })));
    let missing = Key::load(&folder.path().join("none")).unwrap_err();
    assert!(missing.to_string().contains("none"), "{missing}");
}
