//! What a client encrypts before the answer (RFC 8446 §2.3), and what it proves of the handshake.

use super::*;

/// A message of these fields.
fn built(kind: u8, fields: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(fields.len()).unwrap().to_be_bytes();
    record(22, &[&[kind, 0, high, low], fields].concat())
}

/// A ClientHello of TLS 1.3 that announces early data.
fn early_hello() -> Vec<u8> {
    let extensions = [0, 43, 0, 3, 2, 3, 4, 0, 42, 0, 0];
    let suites = [0, 4, 0x13, 1, 0x13, 2, 1, 0];
    built(1, &[&[3, 3][..], &[7; 32], &[0], &suites, &[0, 11], &extensions].concat())
}

/// Its answer, with this suite.
fn answer(suite: u8) -> Vec<u8> {
    let extensions = [0, 6, 0, 43, 0, 2, 3, 4];
    let hello = built(2, &[&[3, 3][..], &[9; 32], &[0, 0x13, suite, 0], &extensions].concat());
    [hello, secret(&[900, 53])].concat()
}

/// Encrypted records of these sizes.
fn secret(sizes: &[usize]) -> Vec<u8> {
    sizes.iter().flat_map(|size| record(23, &vec![7; *size])).collect()
}

/// How the handshake ended, where the connection was closed.
fn outcome(fed: &[Fed<'_>]) -> Outcome {
    let limits = Limits::default();
    let (conversation, _) = converse(fed);
    let events = events(conversation.transcript(), &limits);
    let circumstances = Circumstances {
        transport: Transport::Tcp,
        initiator: Some(CLIENT),
        lower_port: SERVER,
        closed: true,
    };
    let parser = &mut HelloParser::new(&limits);
    handshake::read(&events, circumstances, parser, &limits, &mut |_| ()).unwrap().outcome
}

#[test]
fn early_data_does_not_use_up_what_is_noted_of_the_handshake() {
    let early = record(23, &[7; 60]).repeat(40);
    let first = [hello(), early.clone()].concat();
    let end = [record(23, &[7; 21]), record(23, &[7; 53])].concat();
    let answer = [server_hello(), record(23, &[7; 900])].concat();
    let noted = "E ".repeat(usize::try_from(NOTED_RECORDS).unwrap());
    let fed = [data(CLIENT, &first), data(SERVER, &answer), data(CLIENT, &end)];
    assert_eq!(seen(&fed), format!("M1 {noted}m2 e E E"));
    assert_eq!(converse(&fed).1, Control::Shunt);
    // On its way when a retry refused it: the handshake is not over.
    let retry = server_hello();
    let second = hello();
    let fed = [
        data(CLIENT, &first),
        data(SERVER, &retry),
        data(CLIENT, &early),
        data(CLIENT, &second),
        data(SERVER, &answer),
        data(CLIENT, &end),
    ];
    assert!(seen(&fed).ends_with("M1 m2 e E E"), "{}", seen(&fed));
    assert_eq!(converse(&fed[..5]).1, Control::Continue);
    assert_eq!(converse(&fed).1, Control::Shunt);
}

#[test]
fn an_answer_behind_very_many_records_of_early_data_is_found() {
    for count in [255, 256, 257, 3_000] {
        let first = [early_hello(), secret(&vec![18; count])].concat();
        let [answer, end] = [answer(1), secret(&[21, 53, 100])];
        let fed = [data(CLIENT, &first), data(SERVER, &answer), data(CLIENT, &end)];
        assert_eq!(outcome(&fed), Outcome::Established, "{count}");
        assert_eq!(converse(&fed[..1]).1, Control::Continue, "{count}");
        assert_eq!(converse(&fed).1, Control::Shunt, "{count}");
    }
    // Of bulk no answer is waited for.
    let first = [early_hello(), secret(&vec![1_000; 257])].concat();
    assert_eq!(converse(&[data(CLIENT, &first)]).1, Control::Shunt);
}
