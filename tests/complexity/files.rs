//! Bombs of files: captures of pcapng, policies, exceptions.

use std::path::Path;

use super::{Bound, measure_file};

#[test]
fn a_million_interfaces() {
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    measure_file(
        "pcapng: 500,000 and a million interfaces",
        &bound,
        500_000,
        "bomb.pcapng",
        &["read"],
        &[0, 4],
        |size| {
            let mut bytes = Vec::new();
            let section = |bytes: &mut Vec<u8>| {
                for word in [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28] {
                    bytes.extend(word.to_le_bytes());
                }
            };
            for number in 0..size {
                if number % 60_000 == 0 {
                    section(&mut bytes);
                }
                for word in [1_u32, 20, 1, 0, 20] {
                    bytes.extend(word.to_le_bytes());
                }
            }
            bytes
        },
    );
}

/// A block of pcapng of this kind.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &size, body, &size].concat()
}

/// The beginning of a section, and an interface of Ethernet with these options.
fn section(options: &[u8]) -> Vec<u8> {
    let header = [&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat();
    [block(0x0a0d_0d0a, &header), block(1, &[&[1, 0, 0, 0, 0, 0, 4, 0][..], options].concat())]
        .concat()
}

#[test]
fn pcapng_options_and_blocks() {
    let codes = &[0, 4];
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    let measure = |name, codes, size, make: &dyn Fn(usize) -> Vec<u8>| {
        measure_file(name, &bound, size, "bomb.pcapng", &["read"], codes, make);
    };
    measure("pcapng: interfaces of two million options", codes, 500_000, &|size| {
        // Of a kind that nobody knows, with no value; four in each place that `size` counts.
        section(&[0xe8, 3, 0, 0].repeat(4 * size.min(1 << 20)))
    });
    measure("pcapng: options longer than their block", codes, 50_000, &|size| {
        (0..size).flat_map(|_| section(&[9, 0, 0xff, 0xff, 6, 0, 0, 0])).collect()
    });
    measure("pcapng: blocks of almost 16 MiB", codes, 2, &|size| {
        let huge = block(0x0bad, &vec![0; (16 << 20) - 64]);
        [section(&[]), huge.repeat(size)].concat()
    });
    // Its length is that of no block: what it announces is neither read nor kept.
    measure("pcapng: a block of 4 GiB, as it says", &[1, 4], 2_000_000, &|size| {
        let lie = [&6_u32.to_le_bytes()[..], &0xffff_fff0_u32.to_le_bytes()].concat();
        [section(&[]), lie, vec![0; size]].concat()
    });
}

#[test]
fn policy_bombs() {
    let bound = Bound { nanoseconds: 800.0, memory: 300 };
    let check = ["policy", "check"];
    measure_file("a policy of many suites", &bound, 20_000, "p.toml", &check, &[2], |size| {
        let list = (0..size).fold(String::new(), |text, n| text + &format!("\"TLS_BOMB_{n}\",\n"));
        format!("id = \"x\"\ntitle = \"x\"\nsuites = [{list}]\n").into_bytes()
    });
    measure_file("a policy of nested lists", &bound, 20_000, "p.toml", &check, &[2], |size| {
        format!("id = {}{}\n", "[".repeat(size), "]".repeat(size)).into_bytes()
    });
    measure_file("a policy of many keys", &bound, 10_000, "p.toml", &check, &[2], |size| {
        (0..size).fold(String::new(), |text, n| text + &format!("a{n}.b.c = {n}\n")).into_bytes()
    });
}

#[test]
fn exceptions_bombs() {
    let bound = Bound { nanoseconds: 800.0, memory: 300 };
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/office-network.pcap");
    let command = ["read", "-q", office.to_str().unwrap(), "--exceptions"];
    measure_file("a file of many exceptions", &bound, 4_000, "e.toml", &command, &[0], |size| {
        (0..size)
            .fold(String::new(), |text, number| {
                let host = format!("10.20.{}.{}", number / 250 % 250, number % 250);
                text + &format!(
                    "[[exception]]\nowner = \"x\"\nreason = \"y\"\nexpires = 2027-06-30\n\
                     host = \"{host}\"\n"
                )
            })
            .into_bytes()
    });
}
