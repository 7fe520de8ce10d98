//! The census file: saved, read back, merged, refused.

use std::fs;

use proptest::prelude::*;

use super::migrate::newest;
use super::*;
use crate::census::sample::{START, Sample, legacy, modern};
use crate::census::tests::record;
use crate::census::{Census, SourceKind};
use crate::clock::Timestamp;
use crate::naming::{NameSource, Said};
use crate::packet::{Address, Mac};
use crate::record::{FlowRecord, Signs};

fn entry(name: &str, packets: u64) -> SourceEntry {
    let mut entry = SourceEntry::new("span-a".into(), SourceKind::File, name.into());
    entry.id = Some(format!("id of {name}"));
    entry.packets = packets;
    entry.first = Some(Timestamp::new(START, 0));
    entry.last = Some(Timestamp::new(START + packets, 0));
    entry.lost.ring = packets / 3;
    entry.lost.open_lost = packets / 4;
    entry.skipped.insert(crate::packet::Skip::NotIp, packets / 2);
    entry
}

/// One capture's facts.
fn part(records: &[FlowRecord], limits: &Limits) -> Snapshot {
    let census = Census::new(limits);
    for record in records {
        census.add(record);
    }
    census.snapshot()
}

fn store(path: &Path) -> Store {
    Store::open(path, &Limits::default()).unwrap()
}

fn whole(store: &mut [Store]) -> Snapshot {
    Store::merged(store, |part| part).unwrap()
}

/// A client that sends what two readers read as two things.
fn hiding() -> FlowRecord {
    let mut record = Sample::new(5, 7).offers(&modern()).asks_for("crm.example.com").at(900).0;
    record.chain_cut = true;
    record.evasion.client = Signs { overlap: 3, urgent: false, fragments: true };
    record.evasion.server = Signs { overlap: 0, urgent: true, fragments: false };
    record
}

fn few() -> Vec<FlowRecord> {
    vec![
        Sample::new(5, 7).offers(&modern()).asks_for("crm.example.com").0,
        Sample::new(6, 7).offers(&legacy()).at(700).0,
    ]
}

#[test]
fn what_is_saved_is_read_back_and_the_same_twice_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let records = [few(), vec![hiding()]].concat();
    let mut part = part(&records, &Limits::default());
    let mut file = store(&path);
    file.save(&entry("monday.pcap", 10), &part).unwrap();
    file.save(&entry("monday.pcap", 10), &part).unwrap();
    drop(file);
    part.sources = vec![entry("monday.pcap", 10)];
    assert_eq!(whole(&mut [store(&path)]), part);
    let read_only = Store::open_read_only(&path, &Limits::default()).unwrap();
    assert_eq!(whole(&mut [read_only]), part);
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(whole(&mut [store(&path), store(&copy)]), part);
}

#[test]
fn names_and_leases_are_kept_per_source_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let (one, other) = (Address::v4([10, 0, 0, 5]), Address::v4([10, 0, 0, 7]));
    let said = |address, name: &str, source| Said::Name { address, name: name.into(), source };
    let day = |said: &[Said]| {
        let census = Census::new(&limits);
        for record in &few() {
            census.add(record);
        }
        for said in said {
            census.name_address(said.clone(), Timestamp::new(START, 0));
        }
        census.snapshot()
    };
    let monday = [said(one, "erp01", NameSource::Dhcp), said(one, "erp01", NameSource::Mdns)];
    let lease = Said::Lease { address: other, mac: Mac([2, 0, 0, 0, 0, 5]) };
    let tuesday = [said(one, "erp01.corp.example", NameSource::Dns), lease];
    let both = day(&[&monday[..], &tuesday[..]].concat()).known;
    assert_eq!((both.len(), both[&one].names.len()), (2, 3));
    for order in [[0, 1], [1, 0]] {
        let path = folder.path().join(format!("{order:?}.db"));
        let mut file = store(&path);
        for at in order {
            let (said, name) = [(&monday, "monday"), (&tuesday, "tuesday")][at];
            // Twice the same counts once.
            file.save(&entry(name, 10), &day(said)).unwrap();
            file.save(&entry(name, 10), &day(said)).unwrap();
        }
        drop(file);
        assert_eq!(whole(&mut [store(&path)]).known, both, "{order:?}");
    }
    // A live run saves what has changed, and again what could not be saved.
    let path = folder.path().join("live.db");
    let mut file = store(&path);
    let census = Census::new(&limits);
    for record in &few() {
        census.add(record);
    }
    for (at, said) in monday.iter().chain(&tuesday).enumerate() {
        census.name_address(said.clone(), Timestamp::new(START, 0));
        let changes = census.take_changes();
        assert_eq!(changes.known.len(), 1);
        if at == 1 {
            census.put_back(&changes);
        } else {
            file.update(&entry("live", 1), &changes).unwrap();
        }
    }
    assert_eq!(whole(&mut [file]).known, both);
    // What was heard later makes the span longer, in the file too.
    let mut file = store(&path);
    let hour = |hours: u64| Timestamp::new(START / 3_600 * 3_600 + hours * 3_600, 0);
    census.name_address(monday[0].clone(), hour(5));
    file.update(&entry("live", 1), &census.take_changes()).unwrap();
    let known = whole(&mut [file]).known;
    let (_, heard) = known[&one].names.iter().next().unwrap();
    assert_eq!((heard.first, heard.last), (hour(0), hour(5)));
    // What there is no room for is counted, and the larger count of a source holds.
    let narrow = Census::new(&Limits { address_names: 1, ..Limits::default() });
    for said in &monday {
        narrow.name_address(said.clone(), hour(0));
    }
    let lossy = narrow.snapshot();
    assert_eq!(lossy.coverage.names_refused, 1);
    let mut file = store(&folder.path().join("lossy.db"));
    for name in ["a", "b", "a"] {
        file.save(&entry(name, 1), &lossy).unwrap();
    }
    assert_eq!(whole(&mut [file]).coverage.names_refused, 2);
    // What no census holds is damage.
    let sql = Connection::open(&path).unwrap();
    sql.execute("UPDATE name_seen SET ip = 'nowhere'", []).unwrap();
    let damaged = Store::merged(&mut [store(&path)], |part| part).unwrap_err();
    assert!(damaged.to_string().contains("name_seen"), "{damaged}");
}

#[test]
fn a_source_that_was_read_further_is_joined() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let limits = Limits::default();
    let (early, late) = (part(&few()[..1], &limits), part(&few(), &limits));
    for order in [[0, 1], [1, 0]] {
        let _ = fs::remove_file(&path);
        let mut file = store(&path);
        for at in order {
            let (snapshot, packets) = [(&early, 5), (&late, 10)][at];
            file.save(&entry("monday.pcap", packets), snapshot).unwrap();
        }
        let all = whole(&mut [file]);
        assert_eq!((&all.hosts, &all.coverage), (&late.hosts, &late.coverage), "{order:?}");
        assert_eq!(all.sources, [entry("monday.pcap", 10)]);
    }
}

#[test]
fn one_process_writes_and_others_read_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let limits = Limits::default();
    let mut writer = store(&path);
    let saved = part(&few()[..1], &limits);
    writer.save(&entry("a", 1), &saved).unwrap();
    let error = Store::open(&path, &limits).unwrap_err();
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    let reader = Store::open_read_only(&path, &limits).unwrap();
    writer.save(&entry("a", 2), &part(&few(), &limits)).unwrap();
    assert_eq!(whole(&mut [reader]).hosts, saved.hosts);
    drop(writer);
    drop(store(&path));
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|at| at.unwrap().path()).collect();
    assert_eq!(names, [path]);
}

#[test]
fn what_is_no_census_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text.db"), "this is no database").unwrap();
    let other = Connection::open(path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE hosts (x)").unwrap();
    drop(other);
    store(&path("newer.db"));
    let newer = Connection::open(path("newer.db")).unwrap();
    newer.pragma_update(None, "user_version", newest() + 1).unwrap();
    drop(newer);
    let mut damaged = store(&path("damaged.db"));
    damaged.save(&entry("a", 1), &part(&few(), &limits)).unwrap();
    drop(damaged);
    let mut bytes = fs::read(path("damaged.db")).unwrap();
    for page in bytes.chunks_mut(4_096).skip(1) {
        page[..64].fill(0xa5);
    }
    fs::write(path("damaged.db"), bytes).unwrap();
    let _ = fs::remove_file(path("newer.db-lock"));
    for (name, words) in [
        ("text.db", "is no census: it is no SQLite database"),
        ("other.db", "another program"),
        ("newer.db", "knows formats up to"),
        ("damaged.db", "is damaged"),
    ] {
        let before = fs::read(path(name)).unwrap();
        let error = Store::open(&path(name), &limits).unwrap_err();
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert!(error.hint().is_some(), "{name}");
        assert_eq!(fs::read(path(name)).unwrap(), before, "{name}");
        let refused = Store::open_read_only(&path(name), &limits)
            .and_then(|file| Store::merged(&mut [file], |part| part));
        assert!(refused.is_err(), "{name}");
    }
    assert!(!path("text.db-lock").exists() && !path("newer.db-lock").exists());
    let missing = Store::open_read_only(&path("missing.db"), &limits).unwrap_err();
    assert!(missing.to_string().contains("cannot open"), "{missing}");
    assert!(!path("missing.db").exists());
}

#[test]
fn a_full_disk_leaves_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let limits = Limits::default();
    let mut file = store(&path);
    file.save(&entry("a", 1), &part(&few(), &limits)).unwrap();
    let before = whole(std::slice::from_mut(&mut file));
    let pages: i64 = file.sql.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    file.sql.pragma_update(None, "max_page_count", pages).unwrap();
    let many: Vec<_> = (0..250)
        .map(|n| Sample::new(n, 7).offers(&modern()).asks_for(&"x".repeat(200)).0)
        .collect();
    let many = part(&many, &limits);
    let error = file.save(&entry("b", 1), &many).unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(whole(std::slice::from_mut(&mut file)), before);
    file.sql.pragma_update(None, "max_page_count", pages * 100).unwrap();
    file.save(&entry("b", 1), &many).unwrap();
    assert_eq!(whole(&mut [file]).hosts.len(), 250);
}

/// Found by fuzzing: a negative counter was read as a huge one, and the report added it up.
#[test]
fn a_counter_that_nothing_counts_up_to_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    store(&path).save(&entry("a", 1), &part(&few(), &Limits::default())).unwrap();
    for wrong in [-1, i64::MIN, i64::MAX] {
        let sql = Connection::open(&path).unwrap();
        sql.pragma_update(None, "ignore_check_constraints", true).unwrap();
        sql.execute("UPDATE edge_evidence SET connections = ?1", [wrong]).unwrap();
        drop(sql);
        let file = Store::open_read_only(&path, &Limits::default()).unwrap();
        let error = Store::merged(&mut [file], |part| part).unwrap_err().to_string();
        assert!(error.contains("a counter holds what no census does"), "{error}");
    }
}

#[test]
fn a_text_that_is_none_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let mut file = store(&path);
    file.save(&entry("a", 1), &part(&few(), &Limits::default())).unwrap();
    file.sql.execute("UPDATE sources SET sensor = CAST(x'ff' AS TEXT)", []).unwrap();
    let damaged = Store::merged(&mut [file], |part| part).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
    assert!(damaged.hint().is_some());
}

#[test]
fn the_views_tell_the_facts() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = store(&folder.path().join("c.db"));
    let mut records = few();
    let tls10 = crate::tls::codepoint::ProtocolVersion::TLS1_0;
    records.push(Sample::new(6, 9).offers(&legacy()).at(900).chooses(tls10, 0x002f).0);
    // One that is old for who does not say what it speaks, and new for who does.
    let tls12 = crate::tls::codepoint::ProtocolVersion::TLS1_2;
    records.push(Sample::new(5, 11).offers(&modern()).at(900).chooses(tls12, 0xc02f).0);
    records[few().len() + 1].application = Some("http");
    records.push(Sample::new(6, 11).offers(&legacy()).at(900).chooses(tls10, 0x002f).0);
    file.save(&entry("a", 1), &part(&records, &Limits::default())).unwrap();
    let rows = |view: &str, columns: &str| -> Vec<String> {
        let mut statement = file.sql.prepare(&format!("SELECT {columns} FROM {view}")).unwrap();
        let count = statement.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let cell = |at| {
                row.get::<_, rusqlite::types::Value>(at).map(|value| match value {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => format!("{other:?}"),
                })
            };
            (0..count).map(cell).collect::<Result<Vec<_>, _>>().map(|cells| cells.join(" "))
        };
        statement.query_map([], text).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(rows("client_offers", "ip, max_version"), ["10.0.0.5 TLS1.3", "10.0.0.6 TLS1.0"]);
    assert_eq!(
        rows("legacy_clients", "ip, transport, max_version, connections, last_seen"),
        ["10.0.0.6 tcp TLS1.0 3 2026-03-01T08:00:00Z"]
    );
    assert_eq!(rows("legacy_servers", "ip, port, versions"), ["203.0.113.9 443 TLS1.0"]);
    assert_eq!(
        rows("tls_rsa_connections", "client, server, cipher_suite"),
        [9, 11].map(|last| format!("10.0.0.6 203.0.113.{last} TLS_RSA_WITH_AES_128_CBC_SHA"))
    );
    assert!(rows("self_issued_chains", "*").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A capture, split at random into several, each read into one of two files, perhaps twice:
    /// the same facts as in one run, whatever the order.
    #[test]
    fn split_and_merged_is_the_same(
        records in prop::collection::vec((record(), 0_usize..5, 0_usize..3), 1..80),
        backwards in any::<bool>(),
        tight in any::<bool>(),
    ) {
        let limits = if tight {
            Limits {
                host_stacks: 2, stack_edges: 2, edge_evidence: 2, edge_attempts: 3,
                stack_bins: 3, host_macs: 1, ..Limits::default()
            }
        } else {
            Limits::default()
        };
        let all: Vec<_> = records.iter().map(|(record, ..)| record.clone()).collect();
        let once = part(&all, &limits);
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.db", "b.db"].map(|name| folder.path().join(name));
        let mut order: Vec<usize> = (0..5).collect();
        if backwards {
            order.reverse();
        }
        for source in order {
            let of: Vec<_> = records
                .iter()
                .filter(|(_, at, _)| *at == source)
                .map(|(record, ..)| record.clone())
                .collect();
            let part = part(&of, &limits);
            for (at, path) in paths.iter().enumerate() {
                // Source 0 is read into both files, source 1 twice into the second.
                let times = match (source, at) {
                    (0, _) => 1,
                    (1, 1) => 2,
                    _ => usize::from(source % 2 == at),
                };
                let mut file = Store::open(path, &limits).unwrap();
                for _ in 0..times {
                    file.save(&entry(&source.to_string(), 1), &part).unwrap();
                }
            }
        }
        let open = |path: &PathBuf| Store::open_read_only(path, &limits).unwrap();
        let mut merged = Store::merged(&mut paths.each_ref().map(open), |part| part).unwrap();
        let mut swapped: Vec<_> = paths.iter().rev().map(open).collect();
        prop_assert_eq!(&Store::merged(&mut swapped, |part| part).unwrap(), &merged);
        merged.sources.clear();
        prop_assert_eq!(merged, once);
    }

    /// A source that grows while it is saved again and again is the same as one that was saved once.
    #[test]
    fn growing_and_saved_in_steps_is_the_same(
        records in prop::collection::vec(record(), 1..80),
        steps in 1_usize..6,
        lost in any::<bool>(),
        tight in any::<bool>(),
    ) {
        let limits = if tight {
            Limits { host_stacks: 2, stack_edges: 1, edge_evidence: 1, edge_attempts: 2, ..Limits::default() }
        } else {
            Limits::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut file = Store::open(&folder.path().join("c.db"), &limits).unwrap();
        let census = Census::new(&limits);
        for step in records.chunks(records.len().div_ceil(steps)) {
            for record in step {
                census.add(record);
            }
            let changes = census.take_changes();
            if lost {
                // As when the disk is full: it comes with the next one.
                census.put_back(&changes);
                let again = census.take_changes();
                prop_assert_eq!(&again, &changes);
            }
            file.update(&entry("live", 1), &changes).unwrap();
            prop_assert_eq!(census.take_changes().hosts, vec![]);
        }
        let mut merged = Store::merged(&mut [file], |part| part).unwrap();
        merged.sources.clear();
        prop_assert_eq!(merged, census.snapshot());
    }

    /// Joining is commutative, associative and idempotent.
    #[test]
    fn joining_depends_on_no_order(
        records in prop::collection::vec((record(), 0_u8..8), 1..60),
        tight in any::<bool>(),
    ) {
        let limits = if tight {
            Limits { host_stacks: 2, stack_edges: 1, edge_evidence: 1, edge_attempts: 2, ..Limits::default() }
        } else {
            Limits::default()
        };
        let of = |bit: u8| {
            let of: Vec<_> = records
                .iter()
                .filter(|(_, bits)| bits & bit != 0)
                .map(|(record, _)| record.clone())
                .collect();
            let mut part = part(&of, &limits);
            part.sources = vec![entry(&"abc"[..usize::from(bit.min(3))], u64::from(bit))];
            part
        };
        let [a, b, c] = [1, 2, 4].map(of);
        let join = |left: &Snapshot, right: &Snapshot| left.clone().join(right.clone(), &limits);
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a);
    }
}

/// A large office over a week, a source a day: `cargo test --lib large -- --ignored --nocapture`.
#[test]
#[ignore = "it prints how long a large census takes, and takes that long"]
#[allow(clippy::disallowed_methods, reason = "it measures the time that saving takes")]
fn a_large_census() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let limits = Limits::default();
    let offers = [modern(), legacy(), super::super::sample::wrong_suites()];
    let mut file = store(&path);
    for day in 0..7_u64 {
        let census = Census::new(&limits);
        for host in 0..50_000_u32 {
            let [_, high, middle, low] = host.to_be_bytes();
            for (server, offer) in offers.iter().enumerate().take(1 + (host % 3) as usize) {
                let server = u8::try_from(server).unwrap() * 40 + low % 40;
                let at = day * 86_400_000 + u64::from(host);
                let sample = Sample::new(low, server).offers(offer).asks_for("crm.example").at(at);
                let ip = Address::v4([10, high, middle, low]);
                census.add(&sample.with(|record| record.client.ip = ip).0);
            }
        }
        let part = census.snapshot();
        let begun = std::time::Instant::now();
        file.save(&entry(&day.to_string(), 1), &part).unwrap();
        println!("day {day}: saved in {:?}", begun.elapsed());
        if day == 6 {
            let changes = census.take_changes();
            let begun = std::time::Instant::now();
            file.update(&entry("live", 1), &changes).unwrap();
            println!("live, all of it new: saved in {:?}", begun.elapsed());
            let begun = std::time::Instant::now();
            file.update(&entry("live", 1), &census.take_changes()).unwrap();
            println!("nothing new: saved in {:?}", begun.elapsed());
        }
    }
    drop(file);
    println!("{} MB", fs::metadata(&path).unwrap().len() >> 20);
    let begun = std::time::Instant::now();
    let all = whole(&mut [Store::open_read_only(&path, &limits).unwrap()]);
    println!("{} hosts read in {:?}", all.hosts.len(), begun.elapsed());
    assert_eq!(all.hosts.len(), 50_000);
}
