//! ClientHellos (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2, RFC 5246 appendix E.2) and what is true of them.

use serde_json::{Value, json};

use super::code::{
    Exchange, GROUPS, PROTOCOLS, SIGNATURES, SUITES, dashed, hexes, is_grease, md5, message,
    sha256, sized, version_name, words,
};
use super::random::Random;

/// What a client says.
#[derive(Clone)]
pub struct Client {
    /// What JA4 begins with: TCP, QUIC or DTLS.
    pub carrier: char,
    pub legacy: u16,
    /// supported_versions, if it has one.
    pub versions: Option<Vec<u16>>,
    pub random: Vec<u8>,
    pub session: Vec<u8>,
    pub suites: Vec<u16>,
    pub extensions: Vec<(u16, Vec<u8>)>,
    pub name: Option<String>,
    pub protocols: Vec<String>,
    pub groups: Vec<u16>,
    pub shares: Vec<u16>,
    pub signatures: Vec<u16>,
    pub formats: Vec<u8>,
}

fn grease(random: &mut Random) -> u16 {
    u16::try_from(random.below(16)).unwrap() * 0x1010 + 0x0a0a
}

fn name(random: &mut Random) -> String {
    let label = |random: &mut Random| {
        let size = random.within(1, 12);
        (0..size)
            .map(|_| char::from(*random.pick(b"abcdefghijklmnopqrstuvwxyz0123456789")))
            .collect()
    };
    let labels: Vec<String> = (0..random.within(1, 4)).map(|_| label(random)).collect();
    format!("{}.example", labels.join("."))
}

impl Client {
    /// A hello of a client whose highest version is this one. `resumes` it a session by its id or a
    /// ticket, or by a pre-shared key in TLS 1.3.
    pub fn new(random: &mut Random, highest: u16, datagrams: bool, resumes: bool) -> Self {
        let tls13 = highest == 0x304;
        let legacy = match (datagrams, highest) {
            (true, 0x302) => 0xfeff,
            (true, _) => 0xfefd,
            (false, 0x304) => 0x303,
            (false, highest) => highest,
        };
        let usable = |suite: &&super::code::Suite| suite.2 <= highest;
        let mut suites: Vec<u16> = SUITES.iter().filter(usable).map(|suite| suite.0).collect();
        suites.retain(|_| random.chance(75));
        if suites.is_empty() || (tls13 && !suites.iter().any(|suite| suite >> 8 == 0x13)) {
            suites.push(if tls13 { 0x1301 } else { 0x002f });
        }
        // What no server knows, and signalling values.
        suites.extend(random.some(&[0x00ff, 0xfeff, 0x00c0], 20));
        random.shuffle(&mut suites);
        let greases = random.chance(30);
        if greases {
            suites.insert(0, grease(random));
        }
        let mut client = Self {
            carrier: if datagrams { 'd' } else { 't' },
            legacy,
            versions: None,
            random: random.bytes(32),
            session: if resumes || random.chance(50) { random.bytes(32) } else { Vec::new() },
            suites,
            extensions: Vec::new(),
            name: None,
            protocols: Vec::new(),
            groups: Vec::new(),
            shares: Vec::new(),
            signatures: Vec::new(),
            formats: Vec::new(),
        };
        // Many of SSL 3.0 and a part of the others know no extensions.
        if tls13 || random.chance(if highest == 0x300 { 30 } else { 85 }) {
            client.extend(random, highest, greases, resumes);
        }
        client
    }

    fn extend(&mut self, random: &mut Random, highest: u16, greases: bool, resumes: bool) {
        let tls13 = highest == 0x304;
        let mut all: Vec<(u16, Vec<u8>)> = Vec::new();
        if random.chance(80) {
            let name = name(random);
            let entry = [&[0][..], &sized(name.as_bytes(), 2)].concat();
            all.push((0, sized(&entry, 2)));
            self.name = Some(name);
        }
        let uses_curves = self
            .suites
            .iter()
            .any(|code| SUITES.iter().any(|suite| suite.0 == *code && suite.4 == Exchange::Ecdhe));
        if tls13 || (uses_curves && random.chance(90)) {
            self.groups = random.some(&GROUPS, 60);
            if self.groups.is_empty() {
                self.groups.push(0x001d);
            }
            random.shuffle(&mut self.groups);
            if greases {
                self.groups.insert(0, grease(random));
            }
            all.push((10, sized(&words(&self.groups), 2)));
            self.formats = random.pick(&[vec![0], vec![0, 1, 2]]).clone();
            all.push((11, sized(&self.formats, 1)));
        }
        if highest >= 0x303 {
            self.signatures = random.some(&SIGNATURES, 70);
            self.signatures.push(0x0601);
            all.push((13, sized(&words(&self.signatures), 2)));
        }
        if random.chance(50) {
            let first = random.below(PROTOCOLS.len());
            let count = random.within(1, 2);
            let names = PROTOCOLS.iter().cycle().skip(first).take(count);
            self.protocols = names.map(|(name, _)| (*name).to_owned()).collect();
            let list: Vec<u8> =
                self.protocols.iter().flat_map(|name| sized(name.as_bytes(), 1)).collect();
            all.push((16, sized(&list, 2)));
        }
        for (kind, body) in [
            (5, vec![1, 0, 0, 0, 0]),
            (18, Vec::new()),
            (21, vec![0; random.below(300)]),
            (22, Vec::new()),
            (23, Vec::new()),
            (27, vec![2, 0, 2]),
            (35, if resumes { random.bytes(120) } else { Vec::new() }),
            (0xff01, vec![0]),
            (0x1234, random.bytes(20)),
            (
                0xfe0d,
                [
                    &[0, 0, 1, 0, 1, 7][..],
                    &sized(&random.bytes(32), 2),
                    &sized(&random.bytes(64), 2),
                ]
                .concat(),
            ),
        ] {
            if random.chance(if kind == 0xfe0d { 8 } else { 35 }) || (resumes && kind == 35) {
                all.push((kind, body));
            }
        }
        if tls13 {
            let mut versions = vec![0x304];
            for version in [0x303, 0x302, 0x301] {
                if !random.chance(70) {
                    break;
                }
                versions.push(version);
            }
            if greases {
                versions.insert(0, grease(random));
            }
            all.push((43, sized(&words(&versions), 1)));
            self.versions = Some(versions);
            self.shares =
                self.groups.iter().copied().filter(|group| !is_grease(*group)).take(1).collect();
            if greases {
                self.shares.insert(0, grease(random));
            }
            self.put_shares(random, &mut all);
            all.push((45, vec![1, 1]));
        }
        if greases {
            all.push((grease(random), Vec::new()));
        }
        random.shuffle(&mut all);
        if greases {
            let mut other = grease(random);
            while all.iter().any(|(kind, _)| *kind == other) {
                other = grease(random);
            }
            all.push((other, vec![0]));
        }
        if tls13 && resumes && self.carrier != 'd' && random.chance(40) {
            all.push((42, Vec::new()));
        }
        if tls13 && resumes {
            // RFC 8446 §4.2.11: the last one.
            let identity = [&sized(&random.bytes(100), 2)[..], &random.bytes(4)].concat();
            let binder = sized(&random.bytes(32), 1);
            all.push((41, [sized(&identity, 2), sized(&binder, 2)].concat()));
        }
        self.extensions = all;
    }

    fn put_shares(&self, random: &mut Random, all: &mut Vec<(u16, Vec<u8>)>) {
        let list: Vec<u8> = self
            .shares
            .iter()
            .flat_map(|group| {
                let size = if is_grease(*group) { 1 } else { share_size(*group) };
                [&group.to_be_bytes()[..], &sized(&random.bytes(size), 2)].concat()
            })
            .collect();
        let body = sized(&list, 2);
        match all.iter_mut().find(|(kind, _)| *kind == 51) {
            Some(found) => found.1 = body,
            None => all.push((51, body)),
        }
    }

    /// The hello after a HelloRetryRequest that asks for a group (RFC 8446 §4.1.2).
    pub fn retried(&self, random: &mut Random, group: u16) -> Self {
        let mut again = self.clone();
        again.shares = vec![group];
        let mut extensions = std::mem::take(&mut again.extensions);
        again.put_shares(random, &mut extensions);
        extensions.retain(|(kind, _)| *kind != 42);
        again.extensions = extensions;
        again
    }

    /// The same client over QUIC (RFC 9001 §8): nothing below TLS 1.3, no session id, and parameters of
    /// the transport.
    pub fn over_quic(mut self, random: &mut Random) -> Self {
        self.carrier = 'q';
        self.session.clear();
        self.versions.iter_mut().for_each(|list| list.retain(|v| *v == 0x304 || is_grease(*v)));
        let versions = sized(&words(self.versions.as_deref().unwrap()), 1);
        for (kind, body) in &mut self.extensions {
            if *kind == 43 {
                body.clone_from(&versions);
            }
        }
        let size = random.within(10, 80);
        self.extensions.insert(0, (0x39, random.bytes(size)));
        self
    }

    /// Real groups that it has.
    pub fn curves(&self) -> Vec<u16> {
        self.groups.iter().copied().filter(|group| !is_grease(*group)).collect()
    }

    pub fn offers(&self, kind: u16) -> bool {
        self.extensions.iter().any(|(found, _)| *found == kind)
    }

    /// The body of the message; a hello over datagrams has a cookie.
    pub fn body(&self, cookie: Option<&[u8]>) -> Vec<u8> {
        let mut body = self.legacy.to_be_bytes().to_vec();
        body.extend(&self.random);
        body.extend(sized(&self.session, 1));
        body.extend(cookie.map(|cookie| sized(cookie, 1)).unwrap_or_default());
        body.extend(sized(&words(&self.suites), 2));
        body.extend([1, 0]);
        if !self.extensions.is_empty() {
            let list: Vec<u8> = self
                .extensions
                .iter()
                .flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &sized(body, 2)].concat())
                .collect();
            body.extend(sized(&list, 2));
        }
        body
    }

    pub fn message(&self) -> Vec<u8> {
        message(1, &self.body(None))
    }

    fn kinds(&self) -> Vec<u16> {
        self.extensions.iter().map(|(kind, _)| *kind).collect()
    }

    /// The highest version that it offers.
    fn highest(&self) -> u16 {
        let listed = self
            .versions
            .as_ref()
            .map(|list| list.iter().copied().filter(|version| !is_grease(*version)).max().unwrap());
        listed.unwrap_or(self.legacy)
    }

    /// What its record has to say.
    pub fn truth(&self) -> Value {
        let plain = |codes: &[u16]| -> Vec<u16> {
            codes.iter().copied().filter(|code| !is_grease(*code)).collect()
        };
        let formats: Vec<u16> = self.formats.iter().map(|byte| u16::from(*byte)).collect();
        let lists = [&self.suites, &self.kinds(), &self.groups].map(|list| dashed(&plain(list)));
        let ja3 =
            format!("{},{},{},{},{}", self.legacy, lists[0], lists[1], lists[2], dashed(&formats));
        json!({
            "legacy_version": version_name(self.legacy),
            "supported_versions": self.versions.iter().flatten().map(|v| version_name(*v)).collect::<Vec<_>>(),
            "max_version": version_name(self.highest()),
            "sslv2_format": false,
            "cipher_suites": hexes(&self.suites),
            "extensions": hexes(&self.kinds()),
            "groups": hexes(&self.groups),
            "key_shares": hexes(&self.shares),
            "signature_algorithms": hexes(&self.signatures),
            "alpn": self.protocols,
            "ech": self.offers(0xfe0d),
            "fallback_scsv": self.suites.contains(&0x5600),
            "ja3": md5(&ja3),
            "ja3_raw": ja3,
            "ja4": self.ja4(),
        })
    }

    /// FoxIO's JA4, from its description.
    fn ja4(&self) -> String {
        let plain = |codes: &[u16]| -> Vec<u16> {
            codes.iter().copied().filter(|code| !is_grease(*code)).collect()
        };
        let version = match self.highest() {
            0x304 => "13",
            0x303 => "12",
            0x302 => "11",
            0x301 => "10",
            0x300 => "s3",
            0xfefd => "d2",
            _ => "d1",
        };
        let (suites, kinds) = (plain(&self.suites), plain(&self.kinds()));
        let first = self.protocols.first().map_or("00".to_owned(), |name| {
            let ends = [name.chars().next().unwrap(), name.chars().last().unwrap()];
            ends.iter().collect()
        });
        let list = |codes: &[u16]| {
            codes.iter().map(|code| format!("{code:04x}")).collect::<Vec<_>>().join(",")
        };
        let sorted = |mut codes: Vec<u16>| {
            codes.sort_unstable();
            list(&codes)
        };
        let short = |text: &str| {
            if text.is_empty() { "0".repeat(12) } else { sha256(text.as_bytes())[..12].to_owned() }
        };
        let mut hashed =
            sorted(kinds.iter().copied().filter(|kind| ![0, 16].contains(kind)).collect());
        if !self.signatures.is_empty() {
            hashed = format!("{hashed}_{}", list(&self.signatures));
        }
        format!(
            "{}{version}{}{:02}{:02}{first}_{}_{}",
            self.carrier,
            if self.name.is_some() { 'd' } else { 'i' },
            suites.len().min(99),
            kinds.len().min(99),
            short(&sorted(suites.clone())),
            short(&hashed),
        )
    }
}

/// Bytes of a key share; its value is of no interest.
pub fn share_size(group: u16) -> usize {
    match group {
        0x001d => 32,
        0x0017 => 65,
        0x0018 => 97,
        0x0019 => 133,
        0x001e => 56,
        _ => 1_216,
    }
}

/// A hello in the format of SSL 2.0, in its record, and what is true of it.
pub fn sslv2(random: &mut Random, version: u16) -> (Vec<u8>, Value, Vec<u16>) {
    let usable = |suite: &&super::code::Suite| suite.2 <= version && suite.4 == Exchange::Rsa;
    let suites: Vec<u16> = SUITES.iter().filter(usable).map(|suite| suite.0).collect();
    let mut specs: Vec<u32> = suites.iter().map(|suite| u32::from(*suite)).collect();
    specs.extend(random.some(&[0x07_00c0, 0x01_0080, 0x04_0080], 30));
    random.shuffle(&mut specs);
    let list: Vec<u8> = specs.iter().flat_map(|spec| spec.to_be_bytes()[1..].to_vec()).collect();
    let mut body = vec![1];
    body.extend(version.to_be_bytes());
    body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    body.extend([0, 0, 0, 16]);
    body.extend(&list);
    body.extend(random.bytes(16));
    let length = u16::try_from(body.len()).unwrap() | 0x8000;
    let truth = json!({
        "legacy_version": version_name(version),
        "supported_versions": [],
        "max_version": version_name(version),
        "sslv2_format": true,
        "cipher_suites": specs.iter().map(|spec| format!("0x{spec:06x}")).collect::<Vec<_>>(),
        "extensions": [],
        "groups": [],
        "key_shares": [],
        "signature_algorithms": [],
        "alpn": [],
        "ech": false,
        "fallback_scsv": false,
    });
    ([&length.to_be_bytes()[..], &body].concat(), truth, suites)
}
