//! What a client encrypts before the answer (RFC 8446 §2.3), and what it proves of the handshake.

use super::*;

const SHORT_ALERT: usize = 19;

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
    summary(fed).outcome
}

/// The same where the client encrypts so much before the answer, and so much behind it.
fn ended(before: &[usize], suite: u8, behind: &[usize], last: &[usize]) -> Outcome {
    // RFC 8446 §D.4: who announces early data changes ciphers at once.
    let first = [early_hello(), record(20, &[1]), secret(before)].concat();
    let [answer, behind, last] = [answer(suite), secret(behind), secret(last)];
    let fed = [data(CLIENT, &first), data(SERVER, &answer), data(CLIENT, &behind)];
    let straight = outcome(&[&fed[..], &[data(SERVER, &last)]].concat());
    // The flights lie in the capture as they like.
    let parts: Vec<_> = behind.chunks(3).map(|bytes| data(CLIENT, bytes)).collect();
    assert_eq!(outcome(&[&fed[..2], &parts, &[data(SERVER, &last)]].concat()), straight);
    straight
}

#[test]
fn early_data_does_not_use_up_what_is_noted_of_the_handshake() {
    let early = record(23, &[7; 60]).repeat(40);
    let first = [hello(), early.clone()].concat();
    let end = [record(23, &[7; 21]), record(23, &[7; 53])].concat();
    let answer = [server_hello(), record(23, &[7; 900])].concat();
    let many = usize::try_from(NOTED_RECORDS).unwrap();
    let noted = "E ".repeat(many);
    let fed = [data(CLIENT, &first), data(SERVER, &answer), data(CLIENT, &end)];
    assert_eq!(seen(&fed), format!("M1 {noted}m2 e E E"));
    // Any of what is noted may be the Finished.
    let later = secret(&vec![100; many - 2]);
    let last = [&fed[..], &[data(CLIENT, &later)]].concat();
    assert_eq!(converse(&fed).1, Control::Continue);
    assert_eq!(converse(&last).1, Control::Shunt);
    assert_eq!(seen(&last), format!("M1 {noted}m2 e {}", noted.trim_end()));
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
fn early_data_that_crosses_the_answer_proves_nothing() {
    let alert = SHORT_ALERT;
    // Refused once the client has the answer, or not accepted and gone on with: it is not seen which.
    assert_eq!(ended(&[900], 1, &[900, alert], &[]), Outcome::Reset);
    assert_eq!(ended(&[900], 1, &[900, 900, 900], &[alert]), Outcome::Reset);
    // Nothing else crossed it.
    assert_eq!(ended(&[900], 1, &[alert], &[]), Outcome::Refused);
    assert_eq!(ended(&[30], 1, &[30, alert], &[]), Outcome::Refused);
    // What is as long as the Finished of the suite, or follows an EndOfEarlyData, tells.
    assert_eq!(ended(&[900], 1, &[900, 53, 200, alert], &[alert]), Outcome::Established);
    assert_eq!(ended(&[900], 2, &[900, 69, 200, alert], &[alert]), Outcome::Established);
    assert_eq!(ended(&[900], 2, &[900, 53, alert], &[]), Outcome::Reset);
    assert_eq!(ended(&[900], 1, &[900, 900, 21, 800, alert], &[alert]), Outcome::Established);
    // All of it crosses the answer.
    assert_eq!(ended(&[], 1, &[900, alert], &[]), Outcome::Reset);
    assert_eq!(ended(&[], 1, &[900, 900, 53, alert], &[alert]), Outcome::Established);
    assert_eq!(ended(&[], 2, &[900, 21, 800, alert], &[alert]), Outcome::Established);
    assert_eq!(ended(&[], 2, &[69, 900, alert], &[alert]), Outcome::Established);
    assert_eq!(ended(&[], 2, &[alert], &[]), Outcome::Refused);
}

#[test]
fn early_data_as_long_as_another_suites_finished_does_not_end_the_watch() {
    for (crossing, suite, finished) in [(69, 3, 53), (61, 2, 69), (45, 1, 53), (61, 3, 53)] {
        for end in [&[finished, 1_351][..], &[21, finished, 1_351]] {
            let behind = [&[crossing, crossing], end].concat();
            for before in [&[900][..], &[]] {
                let told = ended(before, suite, &behind, &[1_351, 300, SHORT_ALERT]);
                assert_eq!(told, Outcome::Established, "{before:?} {behind:?}");
            }
        }
    }
}

#[test]
fn early_data_that_was_not_accepted_is_no_refusal_where_flights_are_swapped() {
    let alert = SHORT_ALERT;
    // The Finished and all that followed, before the answer in the capture.
    assert_eq!(ended(&[900, 53, 200, alert], 1, &[], &[300, alert]), Outcome::Reset);
    assert_eq!(ended(&[900, 21, 53, 200, alert], 1, &[], &[300, alert]), Outcome::Established);
    assert_eq!(ended(&[900, 811, 281, 53], 1, &[20, alert], &[300, alert]), Outcome::Reset);
    // What is shorter holds no Finished.
    assert_eq!(ended(&[30, 40], 1, &[], &[alert]), Outcome::Refused);
}

#[test]
fn an_answer_behind_very_many_records_of_early_data_is_found() {
    for count in [255, 256, 257, 3_000] {
        let first = [early_hello(), secret(&vec![18; count])].concat();
        let [answer, end] = [answer(1), secret(&[21, 53, 100])];
        let fed = [data(CLIENT, &first), data(SERVER, &answer), data(CLIENT, &end)];
        assert_eq!(outcome(&fed), Outcome::Established, "{count}");
        assert_eq!(converse(&fed[..1]).1, Control::Continue, "{count}");
    }
    // Of bulk no answer is waited for.
    let first = [early_hello(), secret(&vec![1_000; 257])].concat();
    assert_eq!(converse(&[data(CLIENT, &first)]).1, Control::Shunt);
}
