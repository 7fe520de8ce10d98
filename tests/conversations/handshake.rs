//! Handshakes, flight by flight, with their truth (RFC 5246 §7.3, RFC 8446 §2, RFC 6101 §5).

use serde_json::{Value, json};

use super::clear::Clear;
use super::code::{Exchange, REFUSALS, REJECTIONS, SIGNATURES, SUITES, Suite, message, sized};
use super::hello::{Client, share_size, sslv2};
use super::pool::Pool;
use super::random::Random;
use super::server::{Server, application, list_of_certificates, prints, retry_random};

/// How the connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Fin,
    Reset,
    /// The capture ends first, or nobody says anything more.
    Nothing,
}

/// What is sent, and what is true of it.
pub struct Conversation {
    /// Whether the client sends it, and what; the first `clear` of them are before TLS.
    pub flights: Vec<(bool, Vec<u8>)>,
    pub clear: usize,
    pub end: End,
    /// The record's fields, where both ends are seen.
    pub truth: Value,
    /// The same where only the client, or only the server, is.
    pub one_sided: Option<[Value; 2]>,
}

struct Making<'r> {
    random: &'r mut Random,
    flights: Vec<(bool, Vec<u8>)>,
    history: String,
    record_version: u16,
}

impl Making<'_> {
    fn send(&mut self, client: bool, bytes: &[u8]) {
        match self.flights.last_mut() {
            Some((sender, flight)) if *sender == client => flight.extend(bytes),
            _ => self.flights.push((client, bytes.to_vec())),
        }
    }

    fn record(&mut self, client: bool, kind: u8, body: &[u8]) {
        let bytes = [&[kind][..], &self.record_version.to_be_bytes(), &sized(body, 2)].concat();
        self.send(client, &bytes);
    }

    fn letters(&mut self, client: bool, letters: &str) {
        let upper = |c: char| if client { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        self.history.extend(letters.chars().map(upper));
    }

    /// Messages with their letters: each in a record of its own, several in one, or one in several.
    fn messages(&mut self, client: bool, messages: &[(char, Vec<u8>)]) {
        let letters: String = messages.iter().map(|(letter, _)| *letter).collect();
        self.letters(client, &letters);
        let one_each = self.random.chance(40);
        let all: Vec<u8> = messages.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let records = if one_each {
            messages.iter().map(|(_, bytes)| bytes.clone()).collect()
        } else if self.random.chance(70) {
            vec![all]
        } else {
            let most = *self.random.pick(&[5, 40, 300, 2_000]);
            self.random.pieces(&all, most)
        };
        for body in records {
            self.record(client, 22, &body);
        }
    }

    fn change(&mut self, client: bool) {
        self.record(client, 20, &[1]);
        self.letters(client, "i");
    }

    /// An encrypted Finished of TLS ≤ 1.2.
    fn finished(&mut self, client: bool) {
        self.change(client);
        let size = *self.random.pick(&[36, 40, 48, 64, 80]);
        let body = self.random.bytes(size);
        self.record(client, 22, &body);
        self.letters(client, "f");
    }

    /// What a client sends before the server has answered (RFC 8446 §2.3).
    fn early(&mut self, compatible: bool) {
        self.record_version = 0x303;
        if compatible {
            self.change(true);
        }
        // All of it may cross the answer.
        let count = *self.random.pick(&[0, 1, 1, 2, 5, 11, 12, 13, 40, 300]);
        if count == 0 && compatible {
            return;
        }
        let count = count.max(1);
        // A type and a tag of 16 are in each; one of 21 could be an EndOfEarlyData.
        // Altogether no more than servers take.
        let most = 40_000 / count;
        let sizes: Vec<usize> = (0..count).map(|_| self.random.within(22, most.min(900))).collect();
        self.data(true, &sizes);
        self.letters(true, "d");
    }

    fn data(&mut self, client: bool, sizes: &[usize]) {
        for size in sizes {
            let body = self.random.bytes(*size);
            self.record(client, 23, &body);
        }
    }
}

/// A conversation over TCP.
pub fn over_tcp(random: &mut Random, pool: &Pool) -> Conversation {
    let highest = *random.pick(&[0x300, 0x301, 0x302, 0x303, 0x303, 0x303, 0x304, 0x304, 0x304]);
    let clear = random.chance(25).then(|| Clear::new(random));
    let record_version = if highest == 0x304 { *random.pick(&[0x301, 0x303]) } else { highest };
    let mut making = Making { random, flights: Vec::new(), history: String::new(), record_version };
    for (client, words) in clear.iter().flat_map(|clear| &clear.words) {
        making.send(*client, words);
    }
    let before = making.flights.len();
    let old_format = (0x300..0x304).contains(&highest) && making.random.chance(8);
    let resumes = !old_format && making.random.chance(20);
    let client = Client::new(making.random, highest, false, resumes);
    let mut conversation = if old_format {
        let (bytes, truth, suites) = sslv2(making.random, highest);
        // The words before it and the hello may be of one end: they are two flights all the same.
        making.flights.push((true, bytes));
        making.letters(true, "c");
        let client = Client {
            suites,
            extensions: Vec::new(),
            session: Vec::new(),
            name: None,
            protocols: Vec::new(),
            groups: Vec::new(),
            signatures: Vec::new(),
            ..client
        };
        play(making, &client, truth, false, pool)
    } else {
        making.flights.push((true, Vec::new()));
        making.messages(true, &[('c', client.message())]);
        if client.offers(42) {
            making.early(!client.session.is_empty());
        }
        let truth = client.truth();
        play(making, &client, truth, resumes, pool)
    };
    conversation.clear = before;
    let clear = clear.as_ref();
    if let Some(Clear { application, starttls, target, .. }) = clear {
        conversation.truth["application"] = json!(application);
        conversation.truth["starttls"] = json!(starttls);
        conversation.truth["target"] = json!(target);
        conversation.one_sided = None;
    }
    conversation
}

/// From the hello on.
fn play(
    mut making: Making<'_>,
    client: &Client,
    offer: Value,
    resumes: bool,
    pool: &Pool,
) -> Conversation {
    let offered = application(&client.protocols);
    let base = json!({
        "sni": client.name, "client_hello": offer, "server_hello": null, "certificates": [],
        "client_certificates": [], "certificate_requested": false, "chain": "not_seen",
        "alerts": [], "resumed": false, "application": offered, "starttls": false, "target": null,
        "transport": "tcp",
    });
    let alert = |from: &str, code: u8, name: &str, fatal: bool| {
        let level = if fatal { "fatal" } else { "warning" };
        json!({"from": from, "level": level, "description": name, "code": code})
    };
    let finish = |making: Making<'_>, mut truth: Value, end, outcome: &str| {
        truth["history"] = json!(making.history);
        truth["outcome"] = json!(outcome);
        Conversation { flights: making.flights, clear: 0, end, truth, one_sided: None }
    };
    let mut truth = base.clone();
    match making.random.below(20) {
        // Refused, at once or with a warning before.
        0 | 1 => {
            let (code, name) = *making.random.pick(&REFUSALS);
            let mut alerts = Vec::new();
            if making.random.chance(20) {
                making.record(false, 21, &[1, 112]);
                making.letters(false, "l");
                alerts.push(alert("server", 112, "unrecognized_name", false));
            }
            making.record(false, 21, &[2, code]);
            making.letters(false, "l");
            alerts.push(alert("server", code, name, true));
            truth["alerts"] = json!(alerts);
            return finish(making, truth, End::Fin, "refused");
        }
        2 => return finish(making, truth, End::Reset, "reset"),
        3 => return finish(making, truth, End::Nothing, "incomplete"),
        _ => {}
    }
    let tls13 = client.offers(42) || client.versions.is_some() && making.random.chance(75);
    if tls13 {
        thirteen(making, client, &base, resumes)
    } else {
        older(making, client, &base, resumes, pool)
    }
}

/// TLS 1.3 (RFC 8446 §2, appendix D.4 for the compatibility mode).
fn thirteen(mut making: Making<'_>, client: &Client, base: &Value, resumes: bool) -> Conversation {
    let suites: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| suite.4 == Exchange::Open && client.suites.contains(&suite.0))
        .collect();
    let suite = **making.random.pick(&suites);
    let curves = client.curves();
    let other = curves.iter().copied().find(|group| !client.shares.contains(group));
    let retry = other.is_some() && making.random.chance(25);
    let group = if retry { other.unwrap() } else { *client.shares.last().unwrap() };
    let compatible = !client.session.is_empty();
    let early = client.offers(42);
    making.record_version = 0x303;
    let selected = (43, vec![3, 4]);
    let mut server = Server {
        version: 0x304,
        suite,
        group: Some(group),
        session: client.session.clone(),
        extensions: vec![selected.clone(), (51, group.to_be_bytes().to_vec())],
        protocol: None,
        sentinel: None,
        retry,
    };
    if retry {
        making.messages(false, &[('j', server.message(&retry_random()))]);
        if compatible {
            making.change(false);
            if !early {
                making.change(true);
            }
        }
        if early && making.random.chance(30) {
            // It was on its way when the retry was.
            let more = making.random.within(100, 900);
            making.data(true, &[more, more]);
            if !making.history.contains('D') {
                making.letters(true, "d");
            }
        }
        let again = client.retried(making.random, group);
        making.messages(true, &[('c', again.message())]);
    }
    let share = making.random.bytes(share_size(group));
    server.extensions[1].1 = [&group.to_be_bytes()[..], &sized(&share, 2)].concat();
    let takes = resumes && client.offers(41) && making.random.chance(80);
    if takes {
        server.extensions.push((41, vec![0, 0]));
    }
    making.random.shuffle(&mut server.extensions);
    let random = making.random.bytes(32);
    making.messages(false, &[('s', server.message(&random))]);
    if compatible && !retry {
        making.change(false);
    }
    let sizes: Vec<usize> =
        (0..making.random.within(1, 4)).map(|_| making.random.within(53, 900)).collect();
    making.data(false, &sizes);
    making.letters(false, "d");
    let mut truth = base.clone();
    truth["server_hello"] = server.truth();
    truth["resumed"] = json!(takes);
    truth["chain"] = json!(if takes { "resumed" } else { "hidden" });
    let (end, outcome) = match making.random.below(10) {
        0 => (End::Nothing, "incomplete"),
        1 => (End::Reset, "reset"),
        // An alert of two bytes, its type, a tag of 16.
        2 => {
            making.data(true, &[19]);
            making.letters(true, "d");
            let hidden = json!({"from": "client", "level": null, "description": null, "code": null, "encrypted": true});
            truth["alerts"] = json!([hidden]);
            (End::Fin, "refused")
        }
        _ => {
            if compatible && !retry && !early {
                making.change(true);
            }
            if early && !retry {
                // Some more crosses the answer; where that accepts it, an EndOfEarlyData follows.
                // Now and then as long as a Finished, of this suite or of another.
                let more = if making.random.chance(30) {
                    *making.random.pick(&[45, 53, 61, 69])
                } else {
                    making.random.within(22, 900)
                };
                let records = making.random.below(3);
                making.data(true, &vec![more; records]);
                if takes && making.random.chance(70) {
                    making.data(true, &[21]);
                }
            }
            making.data(true, &[if suite.0 == 0x1302 { 69 } else { 53 }]);
            making.letters(true, "d");
            let later = making.random.within(25, 2_000);
            making.data(true, &[later]);
            // As long as an alert that refuses: a close_notify.
            making.data(false, &[later, 300, 19]);
            making.data(true, &[19]);
            (End::Fin, "established")
        }
    };
    let one_sided = (outcome != "refused" && outcome != "reset")
        .then(|| sides(&making.history, base, &truth, end));
    truth["history"] = json!(making.history);
    truth["outcome"] = json!(outcome);
    Conversation { flights: making.flights, clear: 0, end, truth, one_sided }
}

/// What is true where one direction was not captured: the client's alone, and the server's.
fn sides(history: &str, base: &Value, truth: &Value, end: End) -> [Value; 2] {
    let mut client = base.clone();
    client["client_certificates"] = truth["client_certificates"].clone();
    // Where nobody is seen to answer, early data does not end.
    let letters: String = history.chars().filter(char::is_ascii_uppercase).collect();
    client["history"] = json!(letters.replace("DD", "D"));
    let mut server = truth.clone();
    server["client_hello"] = Value::Null;
    server["sni"] = Value::Null;
    server["client_certificates"] = json!([]);
    // What the hello offered is not known.
    let chosen = server["server_hello"]["alpn"].as_str().map(str::to_owned);
    server["application"] = json!(application(chosen.as_slice()));
    server["history"] = json!(history.chars().filter(char::is_ascii_lowercase).collect::<String>());
    for side in [&mut client, &mut server] {
        side["outcome"] = json!(if end == End::Fin { "reset" } else { "incomplete" });
    }
    [client, server]
}

/// SSL 3.0 to TLS 1.2.
fn older(
    mut making: Making<'_>,
    client: &Client,
    base: &Value,
    resumes: bool,
    pool: &Pool,
) -> Conversation {
    let most = client.legacy.min(0x303);
    let least = match &client.versions {
        Some(list) => *list.iter().filter(|version| **version < 0x305).min().unwrap(),
        None => 0x300,
    };
    let usable = |version: u16| -> Vec<Suite> {
        let fits = |suite: &&Suite| {
            (suite.2..=suite.3).contains(&version)
                && client.suites.contains(&suite.0)
                && (suite.4 != Exchange::Ecdhe || version > 0x300)
        };
        SUITES.iter().filter(fits).copied().collect()
    };
    let versions: Vec<u16> =
        (least..=most).filter(|version| !usable(*version).is_empty()).collect();
    let Some(version) = (!versions.is_empty()).then(|| *making.random.pick(&versions)) else {
        making.record(false, 21, &[2, 40]);
        making.letters(false, "l");
        let mut truth = base.clone();
        truth["alerts"] = json!([{"from": "server", "level": "fatal", "description": "handshake_failure", "code": 40}]);
        truth["history"] = json!(making.history);
        truth["outcome"] = json!("refused");
        return Conversation {
            flights: making.flights,
            clear: 0,
            end: End::Fin,
            truth,
            one_sided: None,
        };
    };
    making.record_version = version;
    let suites = usable(version);
    let suite = *making.random.pick(&suites);
    let able = making.random.pick(&[version, 0x303, 0x304]).max(&version).to_owned();
    // RFC 8446 §4.1.3: who can do better says so.
    let sentinel = match (able, version) {
        (0x304, 0x303) => Some((0x304, 1)),
        (0x303 | 0x304, 0x300..=0x302) => Some((0x303, 0)),
        _ => None,
    };
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
    let status =
        client.offers(5) && suite.4 != Exchange::Anonymous && !resumed && making.random.chance(50);
    if status {
        extensions.push((5, Vec::new()));
    }
    making.random.shuffle(&mut extensions);
    let ticket = extensions.iter().any(|(kind, _)| *kind == 35);
    let group = (suite.4 == Exchange::Ecdhe && !resumed)
        .then(|| client.curves().iter().copied().find(|group| *group < 0x100).unwrap_or(0x17));
    let session = if resumed {
        client.session.clone()
    } else if making.random.chance(60) {
        making.random.bytes(32)
    } else {
        Vec::new()
    };
    let server = Server {
        version,
        suite,
        group,
        session,
        extensions,
        protocol: protocol.clone(),
        sentinel: sentinel.map(|(proven, _)| proven),
        retry: false,
    };
    let mut random = making.random.bytes(32);
    match sentinel {
        Some((_, last)) => {
            random[24..].copy_from_slice(&[b'D', b'O', b'W', b'N', b'G', b'R', b'D', last])
        }
        None => random[31] |= 2,
    }
    let mut truth = base.clone();
    truth["server_hello"] = server.truth();
    truth["resumed"] = json!(resumed);
    // A server that was seen and named no protocol has none.
    truth["application"] = json!(application(protocol.as_slice()));
    let hello = server.message(&random);
    let new_ticket = |random: &mut Random| {
        message(4, &[&[0, 0, 14, 16][..], &sized(&random.bytes(160), 2)].concat())
    };
    if resumed {
        truth["chain"] = json!("resumed");
        making.messages(false, &[('s', hello)]);
        if ticket {
            let bytes = new_ticket(making.random);
            making.messages(false, &[('t', bytes)]);
        }
        making.finished(false);
        making.finished(true);
        making.data(true, &[100, 90]);
        return established(making, base, truth);
    }
    let mut flight = vec![('s', hello)];
    if suite.4 != Exchange::Anonymous {
        let (chain, status) = pool.chain(making.random);
        truth["certificates"] = json!(prints(&chain));
        truth["chain"] = json!(status);
        flight.push(('x', list_of_certificates(&chain)));
    }
    if status {
        let response = making.random.bytes(200);
        flight.push(('u', message(22, &[&[1][..], &sized(&response, 3)].concat())));
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
    flight.extend(exchange.map(|body| ('k', message(12, &body))));
    let asks = suite.4 != Exchange::Anonymous && version > 0x300 && making.random.chance(20);
    if asks {
        truth["certificate_requested"] = json!(true);
        let schemes = if version == 0x303 { vec![0, 4, 4, 3, 4, 1] } else { Vec::new() };
        flight.push(('r', message(13, &[&[2, 1, 64][..], &schemes, &[0, 0]].concat())));
    }
    flight.push(('n', message(14, &[])));
    making.messages(false, &flight);
    let done = |making: Making<'_>, mut truth: Value, end, outcome: &str| {
        truth["history"] = json!(making.history);
        truth["outcome"] = json!(outcome);
        Conversation { flights: making.flights, clear: 0, end, truth, one_sided: None }
    };
    match making.random.below(10) {
        0 => {
            let (code, name) = *making.random.pick(&REJECTIONS);
            making.record(true, 21, &[2, code]);
            making.letters(true, "l");
            truth["alerts"] =
                json!([{"from": "client", "level": "fatal", "description": name, "code": code}]);
            return done(making, truth, End::Fin, "refused");
        }
        1 => return done(making, truth, End::Reset, "reset"),
        2 => return done(making, truth, End::Nothing, "incomplete"),
        _ => {}
    }
    let mut flight = Vec::new();
    let certificate = asks && making.random.chance(70);
    if asks {
        let chain = if certificate { vec![pool.client.clone()] } else { Vec::new() };
        truth["client_certificates"] = json!(prints(&chain));
        flight.push(('x', list_of_certificates(&chain)));
    }
    let size = making.random.within(33, 256);
    flight.push(('g', message(16, &sized(&making.random.bytes(size), 2))));
    if certificate {
        let body = [scheme, sized(&making.random.bytes(70), 2)].concat();
        flight.push(('y', message(15, &body)));
    }
    making.messages(true, &flight);
    making.finished(true);
    if ticket {
        let bytes = new_ticket(making.random);
        making.messages(false, &[('t', bytes)]);
    }
    making.finished(false);
    making.data(true, &[200]);
    making.data(false, &[1_000, 300]);
    established(making, base, truth)
}

fn established(making: Making<'_>, base: &Value, mut truth: Value) -> Conversation {
    let one_sided = Some(sides(&making.history, base, &truth, End::Fin));
    truth["history"] = json!(making.history);
    truth["outcome"] = json!("established");
    Conversation { flights: making.flights, clear: 0, end: End::Fin, truth, one_sided }
}
