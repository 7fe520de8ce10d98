//! The traps of live capture, on the loopback interface.

use super::*;

/// `lo` has frames as soon as anybody sends one; only root may look.
fn open(options: &Options) -> Option<Vec<LiveSource>> {
    if !may_capture() {
        eprintln!("skipped: CAP_NET_RAW is missing");
        return None;
    }
    Some(LiveSource::open("lo", options).unwrap())
}

#[test]
fn its_ring_is_of_the_third_version() {
    // In immediate mode libpcap would take the second, which wakes its reader for every packet.
    let Some(sources) = open(&Options::default()) else { return };
    let version = socket::ring_version(&sources[0].capture).unwrap();
    assert_eq!(version, 2, "TPACKET_V3 has the number 2");
}

#[test]
fn a_silent_interface_does_not_hold_its_reader() {
    let filter = Some("ether host 02:00:00:00:00:01".to_owned());
    let Some(mut sources) = open(&Options { filter, ..Options::default() }) else { return };
    for _ in 0..3 {
        assert_eq!(sources[0].poll(&mut |_| {}).unwrap(), Poll::Idle);
    }
    assert_eq!(sources[0].condition(), Condition::Up);
}

#[test]
fn members_share_a_group_and_what_was_captured_is_read_to_its_end() {
    let filter = Some("udp port 40404".to_owned());
    let options = Options { filter, members: 3, ..Options::default() };
    let Some(mut sources) = open(&options) else { return };
    for _ in 0..30 {
        // Each from a port of its own, so that the hash deals them out.
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"payload", "127.0.0.1:40404").unwrap();
    }
    let mut counts = Vec::new();
    for source in &mut sources {
        source.close_ring().unwrap();
        let mut count = 0;
        while source.poll(&mut |_| count += 1).unwrap() != Poll::Idle {}
        source.refresh();
        counts.push(count);
    }
    assert_eq!(counts.iter().sum::<usize>(), 30, "{counts:?}");
    assert!(counts.iter().filter(|count| **count > 0).count() > 1, "{counts:?}");
}

#[test]
fn what_cannot_be_opened_is_named() {
    let Some(_) = open(&Options::default()) else { return };
    let error = |name: &str, filter: Option<&str>| {
        let options = Options { filter: filter.map(str::to_owned), ..Options::default() };
        LiveSource::open(name, &options).err().unwrap().to_string()
    };
    assert_eq!(error("nosuch0", None), "there is no interface `nosuch0`");
    assert_eq!(error("../lo", None), "there is no interface `../lo`");
    let said = error("lo", Some("tcp prot 443"));
    assert!(said.starts_with("cannot filter by `tcp prot 443`: "), "{said}");
}

#[test]
fn a_lost_interface_is_looked_for_less_and_less_often() {
    let mut absence = Absence::default();
    let looks: Vec<u32> = (0..300).filter(|_| absence.is_over()).collect();
    assert_eq!(looks, [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
}
