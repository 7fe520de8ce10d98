//! Alerts, however they lie in records.

use super::*;
use crate::tls::codepoint::AlertDescription;
use crate::tls::handshake::AlertBody;

/// The alerts of a handshake that was closed, by their levels and numbers, and how it ended.
fn alerts(fed: &[Fed<'_>]) -> (Vec<(u8, u8)>, Outcome) {
    let summary = summary(fed);
    let alerts = summary.alerts.iter().filter_map(|alert| match alert.body {
        AlertBody::Plain { fatal, description: AlertDescription(code) } => {
            Some((if fatal { 2 } else { 1 }, code))
        }
        AlertBody::Encrypted => None,
    });
    (alerts.collect(), summary.outcome)
}

#[test]
fn alerts_may_share_a_record_and_be_spread_over_records() {
    let (hello, flight, answer) = (hello(), server_flight(), client_flight());
    let both = (vec![(1, 112), (2, 40)], Outcome::Refused);
    // RFC 5246 §6.2.1: it may be done with any type.
    let split = [record(21, &[1]), record(21, &[112, 2]), record(21, &[40])].concat();
    for sent in [record(21, &[1, 112, 2, 40]), split] {
        for before in [&[][..], &flight] {
            let fed = [data(CLIENT, &hello), data(SERVER, before), data(SERVER, &sent)];
            assert_eq!(alerts(&fed), both, "{sent:?}");
            let all = [before, &sent].concat();
            let mut pieces: Vec<_> = all.chunks(1).map(|byte| data(SERVER, byte)).collect();
            pieces.insert(0, data(CLIENT, &hello));
            assert_eq!(alerts(&pieces), both, "{sent:?}");
        }
    }
    // Something of the other end may lie between.
    let sent = record(21, &[2, 40]);
    let (one, other) = sent.split_at(6);
    let fed = [data(CLIENT, &hello), data(SERVER, &flight), data(SERVER, one)];
    let fed = [&fed[..], &[data(CLIENT, &answer), data(SERVER, other)]].concat();
    assert_eq!(alerts(&fed), (vec![(2, 40)], Outcome::Refused));
    // What is encrypted is none, and of two halves with a hole between them nothing is known.
    let sent = [record(20, &[1]), record(21, &[2; 18])].concat();
    let fed = [data(CLIENT, &hello), data(SERVER, &flight), data(SERVER, &sent)];
    assert_eq!(alerts(&fed).0, []);
    let fed = [data(CLIENT, &hello), data(SERVER, &[21, 3, 3, 0, 1, 2])];
    let late = [&fed[..], &[(SERVER, Chunk::Gap(6)), data(SERVER, &[21, 3, 3, 0, 1, 40])]].concat();
    assert_eq!(alerts(&late).0, []);
}

#[test]
fn encrypted_alerts_of_a_connection_joined_late_are_none_in_the_clear() {
    let secret = [record(23, &[1; 40]), record(21, &[2; 26])].concat();
    let fed = [data(CLIENT, &secret), data(SERVER, &secret)];
    assert_eq!(seen(&fed), "E E e e");
    // Nor are they behind what was taken for a message of the handshake.
    let secret = [record(22, &[20; 36]), record(21, &[2; 22])].concat();
    let hello = hello();
    let fed = [data(CLIENT, &hello), data(SERVER, &secret)];
    assert_eq!(seen(&fed).matches('a').count(), 0, "{}", seen(&fed));
}

#[test]
fn very_many_alerts_make_no_long_record() {
    let limits = Limits::default();
    let warnings = record(21, &[1, 112]).repeat(50_000);
    let refused = record(21, &[2, 40]);
    let hello = hello();
    let fed = [data(CLIENT, &hello), data(SERVER, &warnings), data(SERVER, &refused)];
    let (conversation, _) = converse(&fed);
    let events = events(conversation.transcript(), &limits);
    let circumstances = Circumstances {
        transport: Transport::Tcp,
        initiator: None,
        lower_port: SERVER,
        closed: true,
    };
    let parser = &mut HelloParser::new(&limits);
    let summary = handshake::read(&events, circumstances, parser, &limits, &mut |_| ()).unwrap();
    assert_eq!(summary.alerts.len(), limits.alerts + 1);
    assert!(summary.history.len() <= limits.history, "{}", summary.history.len());
    assert_eq!((summary.outcome, summary.truncated), (Outcome::Refused, true));
}
