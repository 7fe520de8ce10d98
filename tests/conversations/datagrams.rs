//! Handshakes of DTLS 1.0 and 1.2, flight by flight, with their truth (RFC 6347 §4.2, RFC 4347): with and
//! without a cookie, messages in fragments, records together in datagrams; and what a network does to
//! them: datagrams that come twice, in another order or not at all, and flights that are sent again.

use serde_json::{Value, json};

use super::code::{Exchange, REFUSALS, REJECTIONS, SIGNATURES, SUITES, Suite, message, sized};
use super::hello::{Client, share_size};
use super::pool::Pool;
use super::random::Random;
use super::server::{Server, application, list_of_certificates, prints};

/// A datagram, and who sends it.
#[derive(Clone)]
pub struct Sent {
    pub client: bool,
    pub payload: Vec<u8>,
}

/// What is sent, and what is true of it.
pub struct Conversation {
    pub datagrams: Vec<Sent>,
    pub truth: Value,
    /// Nothing was lost, doubled or moved: times are those of what was sent.
    pub calm: bool,
}

/// What an end sends in a flight.
#[derive(Clone)]
enum Part {
    /// A message with its number: type and body.
    Message(u16, u8, Vec<u8>),
    Change,
    /// An encrypted record of this type and size.
    Encrypted(u8, usize),
    Alert(u8, u8),
}

/// One end: what its records and messages have come to.
#[derive(Default)]
struct End {
    records: [u64; 2],
    messages: u16,
}

struct Making<'r> {
    random: &'r mut Random,
    version: u16,
    ends: [End; 2],
    history: String,
    sent: Vec<Sent>,
    /// In percent: datagrams that come twice, that change places, that are lost; messages in fragments.
    doubles: usize,
    swaps: usize,
    losses: usize,
    fragments: usize,
}

impl Making<'_> {
    fn letters(&mut self, client: bool, letters: &str) {
        let upper = |c: char| if client { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        self.history.extend(letters.chars().map(upper));
    }

    fn message(&mut self, client: bool, letter: char, message: &[u8]) -> Part {
        self.letters(client, letter.encode_utf8(&mut [0; 4]));
        let number = &mut self.ends[usize::from(!client)].messages;
        *number += 1;
        // Of the message as TLS has it the header of four bytes is written anew.
        Part::Message(*number - 1, message[0], message[4..].to_vec())
    }

    fn finished(&mut self, client: bool) -> [Part; 2] {
        self.letters(client, "if");
        let size = *self.random.pick(&[40, 48, 64, 80]);
        [Part::Change, Part::Encrypted(22, size)]
    }

    /// A record (RFC 6347 §4.1).
    fn record(&mut self, client: bool, kind: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let number = &mut self.ends[usize::from(!client)].records[usize::from(epoch)];
        let sequence = number.to_be_bytes();
        *number += 1;
        let head = [&[kind][..], &self.version.to_be_bytes(), &epoch.to_be_bytes(), &sequence[2..]];
        [&head.concat()[..], &sized(body, 2)].concat()
    }

    /// The records of a flight: a message whole, or in fragments that may overlap (§4.2.3).
    fn records(&mut self, client: bool, parts: &[Part]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        for part in parts {
            match part {
                Part::Message(number, kind, body) => {
                    let most = if self.random.chance(self.fragments) {
                        *self.random.pick(&[16, 100, 400])
                    } else {
                        1_200
                    };
                    // With more than 128 records in the clear of one end nobody waits for a lost one.
                    let most = most.max(body.len() / 8);
                    let mut at = 0;
                    loop {
                        let size = most.min(body.len() - at);
                        let begin = at - if self.random.chance(10) { at.min(9) } else { 0 };
                        let piece = &body[begin..at + size];
                        let header = [
                            &[*kind][..],
                            &u24(body.len()),
                            &number.to_be_bytes(),
                            &u24(begin),
                            &u24(piece.len()),
                        ];
                        let fragment = [&header.concat()[..], piece].concat();
                        records.push(self.record(client, 22, 0, &fragment));
                        at += size;
                        if at >= body.len() {
                            break;
                        }
                    }
                }
                Part::Change => records.push(self.record(client, 20, 0, &[1])),
                Part::Encrypted(kind, size) => {
                    let body = self.random.bytes(*size);
                    records.push(self.record(client, *kind, 1, &body));
                }
                Part::Alert(level, code) => {
                    records.push(self.record(client, 21, 0, &[*level, *code]));
                }
            }
        }
        records
    }

    /// Records in datagrams: one each, or several together.
    fn datagrams(&mut self, client: bool, parts: &[Part]) -> Vec<Sent> {
        let together = self.random.chance(60);
        let mut datagrams: Vec<Sent> = Vec::new();
        for record in self.records(client, parts) {
            match datagrams.last_mut() {
                Some(last) if together && last.payload.len() + record.len() <= 1_400 => {
                    last.payload.extend(record);
                }
                _ => datagrams.push(Sent { client, payload: record }),
            }
        }
        datagrams
    }

    /// A flight, and what the network makes of it. What is lost is sent again: the whole flight, in
    /// records of other numbers (§4.2.4).
    fn flight(&mut self, client: bool, parts: &[Part]) {
        let mut datagrams = self.datagrams(client, parts);
        let before = datagrams.len();
        // Alerts are not sent again (§4.2.7).
        let losses = if matches!(parts, [Part::Alert(..)]) { 0 } else { self.losses };
        datagrams.retain(|_| !self.random.chance(losses));
        if datagrams.len() < before || self.random.chance(losses) {
            datagrams.extend(self.datagrams(client, parts));
        }
        let mut at = 0;
        while at < datagrams.len() {
            if self.random.chance(self.doubles) {
                datagrams.insert(at, datagrams[at].clone());
                at += 1;
            }
            at += 1;
        }
        for at in 1..datagrams.len() {
            if self.random.chance(self.swaps) {
                datagrams.swap(at - 1, at);
            }
        }
        self.sent.extend(datagrams);
    }
}

fn u24(value: usize) -> [u8; 3] {
    let [_, bytes @ ..] = u32::try_from(value).unwrap().to_be_bytes();
    bytes
}

/// A version of TLS as DTLS numbers it.
const fn in_datagrams(version: u16) -> u16 {
    if version == 0x302 { 0xfeff } else { 0xfefd }
}

/// A conversation of DTLS.
pub fn over_udp(random: &mut Random, pool: &Pool) -> Conversation {
    let highest = *random.pick(&[0x302, 0x303, 0x303]);
    let resumes = random.chance(20);
    let client = Client::new(random, highest, true, resumes);
    let storm = random.chance(50);
    let chance = |random: &mut Random, percent| if storm { random.below(percent) } else { 0 };
    let mut making = Making {
        // RFC 6347 §4.2.1: the first hellos may be in records of DTLS 1.0 whatever they offer.
        version: *random.pick(&[0xfeff, client.legacy]),
        ends: <[End; 2]>::default(),
        history: String::new(),
        sent: Vec::new(),
        doubles: chance(random, 30),
        swaps: chance(random, 40),
        losses: chance(random, 30),
        fragments: *random.pick(&[0, 0, 30, 100]),
        random,
    };
    let hello = |cookie: &[u8]| message(1, &client.body(Some(cookie)));
    let mut truth = json!({
        "sni": client.name, "client_hello": client.truth(), "server_hello": null,
        "certificates": [], "client_certificates": [], "certificate_requested": false,
        "chain": "not_seen", "alerts": [], "resumed": false,
        "application": application(&client.protocols), "starttls": false, "target": null,
        "transport": "udp", "vlan": [], "tunnel": [], "sides": "both",
    });
    let first = making.message(true, 'c', &hello(&[]));
    making.flight(true, &[first]);
    if making.random.chance(70) {
        let size = making.random.within(1, 32);
        let cookie = making.random.bytes(size);
        let version = *making.random.pick(&[0xfeff_u16, 0xfefd]);
        let body = [&version.to_be_bytes()[..], &sized(&cookie, 1)].concat();
        let verify = making.message(false, 'v', &message(3, &body));
        making.flight(false, &[verify]);
        let again = making.message(true, 'c', &hello(&cookie));
        making.flight(true, &[again]);
    }
    let outcome = play(&mut making, &client, resumes, pool, &mut truth);
    truth["history"] = json!(making.history);
    truth["outcome"] = json!(outcome);
    if !making.sent.iter().any(|sent| !sent.client) {
        truth["sides"] = json!("client");
    }
    Conversation { datagrams: making.sent, truth, calm: !storm }
}

/// From the server's answer on; how it ends.
fn play(
    making: &mut Making<'_>,
    client: &Client,
    resumes: bool,
    pool: &Pool,
    truth: &mut Value,
) -> &'static str {
    let alert = |from: &str, (code, name): (u8, &str)| json!([{"from": from, "level": "fatal", "description": name, "code": code}]);
    let most = if client.legacy == 0xfeff { 0x302 } else { 0x303 };
    let usable = |version: u16| -> Vec<Suite> {
        let fits = |suite: &&Suite| {
            (suite.2..=suite.3).contains(&version) && client.suites.contains(&suite.0)
        };
        SUITES.iter().filter(fits).copied().collect()
    };
    let versions: Vec<u16> =
        (0x302..=most).filter(|version| !usable(*version).is_empty()).collect();
    if versions.is_empty() || making.random.chance(10) {
        let refusal = *making.random.pick(&REFUSALS);
        making.letters(false, "l");
        making.flight(false, &[Part::Alert(2, refusal.0)]);
        truth["alerts"] = alert("server", refusal);
        return "refused";
    }
    if making.random.chance(5) {
        return "incomplete";
    }
    let version = *making.random.pick(&versions);
    making.version = in_datagrams(version);
    let suite = *making.random.pick(&usable(version));
    let resumed = resumes && making.random.chance(80);
    let mut extensions = Vec::new();
    for kind in [0, 22, 23, 0xff01, 35] {
        if client.offers(kind) && making.random.chance(60) {
            extensions.push((kind, if kind == 0xff01 { vec![0] } else { Vec::new() }));
        }
    }
    let protocol = client.protocols.first().cloned().filter(|_| making.random.chance(80));
    if let Some(protocol) = &protocol {
        extensions.push((16, sized(&sized(protocol.as_bytes(), 1), 2)));
    }
    making.random.shuffle(&mut extensions);
    let ticket = extensions.iter().any(|(kind, _)| *kind == 35);
    let group = (suite.4 == Exchange::Ecdhe && !resumed)
        .then(|| client.curves().iter().copied().find(|group| *group < 0x100).unwrap_or(0x17));
    let session = if resumed { client.session.clone() } else { making.random.bytes(32) };
    let server = Server {
        version: in_datagrams(version),
        suite,
        group,
        session,
        extensions,
        protocol: protocol.clone(),
        sentinel: None,
        retry: false,
    };
    let mut random = making.random.bytes(32);
    random[31] |= 2;
    truth["server_hello"] = server.truth();
    truth["resumed"] = json!(resumed);
    truth["application"] = json!(application(protocol.as_slice()));
    let new_ticket = |random: &mut Random| {
        message(4, &[&[0, 0, 14, 16][..], &sized(&random.bytes(160), 2)].concat())
    };
    let mut flight = vec![making.message(false, 's', &server.message(&random))];
    if resumed {
        truth["chain"] = json!("resumed");
        if ticket {
            let bytes = new_ticket(making.random);
            flight.push(making.message(false, 't', &bytes));
        }
        flight.extend(making.finished(false));
        making.flight(false, &flight);
        let last = making.finished(true);
        making.flight(true, &last);
        return established(making);
    }
    if suite.4 != Exchange::Anonymous {
        let (chain, status) = pool.chain(making.random);
        truth["certificates"] = json!(prints(&chain));
        truth["chain"] = json!(status);
        flight.push(making.message(false, 'x', &list_of_certificates(&chain)));
    }
    let scheme = if version == 0x303 {
        making.random.pick(&SIGNATURES).to_be_bytes().to_vec()
    } else {
        Vec::new()
    };
    let signature = [scheme.clone(), sized(&making.random.bytes(72), 2)].concat();
    let exchange = match suite.4 {
        Exchange::Ecdhe => {
            let group = group.unwrap();
            let public = making.random.bytes(share_size(group));
            Some([&[3][..], &group.to_be_bytes(), &sized(&public, 1), &signature].concat())
        }
        Exchange::Dhe | Exchange::Anonymous => {
            let numbers: Vec<u8> = [256, 1, 256]
                .iter()
                .flat_map(|size| sized(&making.random.bytes(*size), 2))
                .collect();
            let signed = suite.4 == Exchange::Dhe;
            Some([numbers, if signed { signature } else { Vec::new() }].concat())
        }
        Exchange::Rsa | Exchange::Open => None,
    };
    if let Some(body) = exchange {
        flight.push(making.message(false, 'k', &message(12, &body)));
    }
    let asks = suite.4 != Exchange::Anonymous && making.random.chance(20);
    if asks {
        truth["certificate_requested"] = json!(true);
        let schemes = if version == 0x303 { vec![0, 4, 4, 3, 4, 1] } else { Vec::new() };
        let body = [&[2, 1, 64][..], &schemes, &[0, 0]].concat();
        flight.push(making.message(false, 'r', &message(13, &body)));
    }
    flight.push(making.message(false, 'n', &message(14, &[])));
    making.flight(false, &flight);
    match making.random.below(10) {
        0 => {
            let rejection = *making.random.pick(&REJECTIONS);
            making.letters(true, "l");
            making.flight(true, &[Part::Alert(2, rejection.0)]);
            truth["alerts"] = alert("client", rejection);
            return "refused";
        }
        1 => return "incomplete",
        _ => {}
    }
    let mut flight = Vec::new();
    let certificate = asks && making.random.chance(70);
    if asks {
        let chain = if certificate { vec![pool.client.clone()] } else { Vec::new() };
        truth["client_certificates"] = json!(prints(&chain));
        flight.push(making.message(true, 'x', &list_of_certificates(&chain)));
    }
    let size = making.random.within(33, 256);
    let key = message(16, &sized(&making.random.bytes(size), 2));
    flight.push(making.message(true, 'g', &key));
    if certificate {
        let body = [scheme, sized(&making.random.bytes(70), 2)].concat();
        flight.push(making.message(true, 'y', &message(15, &body)));
    }
    flight.extend(making.finished(true));
    making.flight(true, &flight);
    let mut flight = Vec::new();
    if ticket {
        let bytes = new_ticket(making.random);
        flight.push(making.message(false, 't', &bytes));
    }
    flight.extend(making.finished(false));
    making.flight(false, &flight);
    established(making)
}

/// Both ends go on, encrypted.
fn established(making: &mut Making<'_>) -> &'static str {
    for client in [true, false] {
        for _ in 0..making.random.below(4) {
            let size = making.random.within(30, 900);
            let datagrams = making.datagrams(client, &[Part::Encrypted(23, size)]);
            making.sent.extend(datagrams);
        }
    }
    "established"
}
