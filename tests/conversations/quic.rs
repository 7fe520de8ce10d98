//! Connections of QUIC 1 and 2 up to the end of their handshake, with their truth (RFC 9000, RFC 9001,
//! RFC 9369): hellos in CRYPTO frames in any order, in one Initial packet or several, after a Retry or a
//! HelloRetryRequest, with a CONNECTION_CLOSE in place of an answer. What is in packets of the handshake
//! nobody can read who does not have the keys: here it is noise.

use serde_json::json;

use super::code::{Exchange, REFUSALS, SUITES, Suite, sized};
use super::datagrams::{Conversation, Sent};
use super::hello::{Client, share_size};
use super::random::Random;
use super::seal::{Initial, number, seal};
use super::server::{Server, application, retry_random};

/// One end: its ids, and what its packets and its stream have come to.
struct End {
    id: Vec<u8>,
    packets: u32,
    sent: usize,
}

struct Making<'r> {
    random: &'r mut Random,
    version: u8,
    /// The id that keys derive from, and a token out of a Retry.
    first: Vec<u8>,
    token: Vec<u8>,
    /// The server has named itself.
    answered: bool,
    ends: [End; 2],
    sent: Vec<Sent>,
    doubles: usize,
    swaps: usize,
    losses: usize,
}

/// RFC 9000 §16, in two bytes or in four.
fn varint(value: usize) -> Vec<u8> {
    match u16::try_from(value) {
        Ok(value @ 0..0x4000) => (value | 0x4000).to_be_bytes().to_vec(),
        _ => (u32::try_from(value).unwrap() | 0x8000_0000).to_be_bytes().to_vec(),
    }
}

impl Making<'_> {
    /// Where an end sends to.
    fn target(&self, client: bool) -> Vec<u8> {
        match client {
            true if self.answered => self.ends[1].id.clone(),
            true => self.first.clone(),
            false => self.ends[0].id.clone(),
        }
    }

    /// An Initial packet.
    fn initial(&mut self, client: bool, frames: &[u8]) -> Vec<u8> {
        let target = self.target(client);
        let width = u8::try_from(self.random.within(1, 4)).unwrap();
        let end = &mut self.ends[usize::from(!client)];
        end.packets += 1;
        let packet = Initial {
            version: self.version,
            from_client: client,
            keys: &self.first,
            target: &target,
            source: &end.id,
            token: if client { &self.token } else { &[] },
            number: end.packets - 1,
            width,
        };
        seal(&packet, frames)
    }

    /// A packet of the handshake, of noise.
    fn handshake(&mut self, client: bool, size: usize) -> Vec<u8> {
        let kind = if self.version == 1 { 0xe0 } else { 0xf0 } | self.random.bytes(1)[0] & 0x0f;
        let mut packet = vec![kind];
        packet.extend(number(self.version).to_be_bytes());
        packet.extend(sized(&self.target(client), 1));
        packet.extend(sized(&self.ends[usize::from(!client)].id, 1));
        packet.extend(varint(size));
        packet.extend(self.random.bytes(size));
        packet
    }

    /// A packet with a short header.
    fn short(&mut self, client: bool, size: usize) -> Vec<u8> {
        let first = 0x40 | self.random.bytes(1)[0] & 0x3f;
        [&[first][..], &self.target(client), &self.random.bytes(size)].concat()
    }

    /// The next bytes of an end's stream in datagrams: in frames of any size and order, some of which
    /// overlap, with PING and PADDING between them.
    fn crypto(&mut self, client: bool, message: &[u8]) -> Vec<Sent> {
        let from = self.ends[usize::from(!client)].sent;
        let most = *self.random.pick(&[1_000, 1_000, 300, 60]);
        let mut frames = Vec::new();
        let mut at = 0;
        for piece in self.random.pieces(message, most) {
            let begin = at - if self.random.chance(10) { at.min(7) } else { 0 };
            at += piece.len();
            let piece = &message[begin..at];
            let mut frame = vec![6];
            frame.extend(varint(from + begin));
            frame.extend(varint(piece.len()));
            frame.extend(piece);
            if self.random.chance(20) {
                frame.push(1);
            }
            if self.random.chance(20) {
                frame.extend([0; 9]);
            }
            frames.push(frame);
        }
        if self.random.chance(40) {
            self.random.shuffle(&mut frames);
        }
        let mut packets: Vec<Vec<u8>> = vec![Vec::new()];
        for frame in frames {
            if packets.last().unwrap().len() + frame.len() > 1_150 {
                packets.push(Vec::new());
            }
            packets.last_mut().unwrap().extend(frame);
        }
        let mut datagrams = Vec::new();
        for mut frames in packets {
            if !client {
                // An ACK of all that came.
                let largest = self.ends[0].packets.saturating_sub(1);
                let ack = [&[2][..], &varint(usize::try_from(largest).unwrap()), &[0, 0, 0]];
                frames = [ack.concat(), frames].concat();
            } else if self.random.chance(90) {
                frames.resize(frames.len().max(1_150), 0);
            }
            let payload = self.initial(client, &frames);
            datagrams.push(Sent { client, payload });
        }
        datagrams
    }

    /// What an end says in the clear, and what the network makes of it: what is lost comes again, in
    /// other packets. `behind` goes with the last of it.
    fn say(&mut self, client: bool, message: &[u8], behind: &[u8]) {
        let mut datagrams = self.crypto(client, message);
        let before = datagrams.len();
        let losses = self.losses;
        datagrams.retain(|_| !self.random.chance(losses));
        if datagrams.len() < before || self.random.chance(losses) {
            datagrams.extend(self.crypto(client, message));
        }
        datagrams.last_mut().unwrap().payload.extend(behind);
        self.ends[usize::from(!client)].sent += message.len();
        self.network(datagrams);
    }

    fn network(&mut self, mut datagrams: Vec<Sent>) {
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

    /// RFC 9000 §17.2.5: another id, and a token. Its tag is noise.
    fn retry(&mut self) {
        let id = id(self.random, 8);
        let size = self.random.within(1, 60);
        let token = self.random.bytes(size);
        let kind = if self.version == 1 { 0xf0 } else { 0xc0 } | self.random.bytes(1)[0] & 0x0f;
        let mut packet = vec![kind];
        packet.extend(number(self.version).to_be_bytes());
        packet.extend(sized(&self.ends[0].id, 1));
        packet.extend(sized(&id, 1));
        packet.extend(&token);
        packet.extend(self.random.bytes(16));
        self.sent.push(Sent { client: false, payload: packet });
        (self.first, self.token) = (id, token);
    }
}

fn id(random: &mut Random, least: usize) -> Vec<u8> {
    let size = random.within(least, 20);
    random.bytes(size)
}

/// A connection of QUIC.
pub fn over_quic(random: &mut Random) -> Conversation {
    let resumes = random.chance(20);
    let client = Client::new(random, 0x304, false, resumes).over_quic(random);
    let storm = random.chance(50);
    let chance = |random: &mut Random, percent| if storm { random.below(percent) } else { 0 };
    let least = *random.pick(&[0, 4, 8]);
    let ends = [least, 4].map(|least| End { id: id(random, least), packets: 0, sent: 0 });
    let mut making = Making {
        version: if random.chance(70) { 1 } else { 2 },
        first: id(random, 8),
        token: Vec::new(),
        answered: false,
        ends,
        sent: Vec::new(),
        doubles: chance(random, 30),
        swaps: chance(random, 40),
        losses: chance(random, 30),
        random,
    };
    let mut truth = json!({
        "sni": client.name, "client_hello": client.truth(), "server_hello": null,
        "certificates": [], "client_certificates": [], "certificate_requested": false,
        "chain": "not_seen", "alerts": [], "resumed": false,
        "application": application(&client.protocols), "starttls": false, "target": null,
        "transport": "quic", "sides": "both",
    });
    let mut history = String::from("C");
    making.say(true, &client.message(), &[]);
    if making.random.chance(20) {
        making.retry();
        // All of it again; numbers go on (§17.2.5.3).
        making.ends[0].sent = 0;
        making.say(true, &client.message(), &[]);
    }
    let outcome = 'over: {
        if making.random.chance(8) {
            break 'over "incomplete";
        }
        if making.random.chance(10) {
            let (code, name) = *making.random.pick(&REFUSALS);
            let close = [&[0x1c, 0x41, code, 6][..], &sized(b"refused", 1)].concat();
            let payload = making.initial(false, &close);
            making.sent.push(Sent { client: false, payload });
            history.push('l');
            let alert =
                json!({"from": "server", "level": "fatal", "description": name, "code": code});
            truth["alerts"] = json!([alert]);
            break 'over "refused";
        }
        let suites: Vec<&Suite> = SUITES
            .iter()
            .filter(|suite| suite.4 == Exchange::Open && client.suites.contains(&suite.0))
            .collect();
        let suite = **making.random.pick(&suites);
        let other = client.curves().into_iter().find(|group| !client.shares.contains(group));
        let retry = other.filter(|_| making.random.chance(25));
        let group = retry.unwrap_or(*client.shares.last().unwrap());
        let mut server = Server {
            version: 0x304,
            suite,
            group: Some(group),
            session: Vec::new(),
            extensions: vec![(43, vec![3, 4]), (51, group.to_be_bytes().to_vec())],
            protocol: None,
            sentinel: None,
            retry: retry.is_some(),
        };
        if retry.is_some() {
            making.say(false, &server.message(&retry_random()), &[]);
            making.answered = true;
            let again = client.retried(making.random, group);
            making.say(true, &again.message(), &[]);
            history.push_str("jC");
        }
        let share = making.random.bytes(share_size(group));
        server.extensions[1].1 = [&group.to_be_bytes()[..], &sized(&share, 2)].concat();
        let takes = resumes && client.offers(41) && making.random.chance(80);
        if takes {
            server.extensions.push((41, vec![0, 0]));
        }
        making.random.shuffle(&mut server.extensions);
        let random = making.random.bytes(32);
        let size = making.random.within(100, 600);
        let behind = making.handshake(false, size);
        making.say(false, &server.message(&random), &behind);
        making.answered = true;
        history.push('s');
        truth["server_hello"] = server.truth();
        truth["resumed"] = json!(takes);
        truth["chain"] = json!(if takes { "resumed" } else { "hidden" });
        for _ in 0..making.random.below(3) {
            let size = making.random.within(200, 1_100);
            let payload = making.handshake(false, size);
            making.sent.push(Sent { client: false, payload });
        }
        if making.random.chance(10) {
            // An acknowledgement is no proof that the client went on.
            let payload = making.handshake(true, 30);
            making.sent.push(Sent { client: true, payload });
            break 'over "incomplete";
        }
        let ack = making.initial(true, &[2, 0, 0, 0, 0]);
        let finished = making.handshake(true, 80);
        let data = making.short(true, 40);
        making.sent.push(Sent { client: true, payload: [ack, finished, data].concat() });
        for client in [false, true, false] {
            let payload = making.short(client, 300);
            making.sent.push(Sent { client, payload });
        }
        "established"
    };
    truth["history"] = json!(history);
    truth["outcome"] = json!(outcome);
    if !making.sent.iter().any(|sent| !sent.client) {
        truth["sides"] = json!("client");
    }
    Conversation { datagrams: making.sent, truth, calm: !storm }
}
