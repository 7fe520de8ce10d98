//! EAP in RADIUS (RFC 3579): which datagrams belong to one log-in, and the EAP packets in them.
//!
//! All log-ins of an access point may share one pair of ports. A request of a later round echoes the
//! State attribute of the challenge before it; a challenge has the identifier of its request.

use std::collections::VecDeque;

use crate::bytes::Reader;
use crate::packet::Endpoint;

/// RADIUS's port for authentication (RFC 2865 §3), the old one, and RADIUS over TCP's.
pub const PORTS: [u16; 3] = [1812, 1645, 2083];

const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCESS_CHALLENGE: u8 = 11;

const STATE: u8 = 24;
const EAP_MESSAGE: u8 = 79;

/// A datagram with EAP in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// It goes to the RADIUS server.
    pub request: bool,
    /// The same in a request and its answer.
    pub identifier: u8,
    /// The State attribute.
    pub state: Option<&'a [u8]>,
    /// The EAP packet, put together from its attributes (RFC 3579 §3.1).
    pub eap: Vec<u8>,
}

/// Read a datagram; `None` if it is no RADIUS, or has no EAP in it.
pub fn parse(datagram: &[u8]) -> Option<Message<'_>> {
    let mut reader = Reader::new(datagram);
    let code = reader.u8()?;
    let request = match code {
        ACCESS_REQUEST => true,
        ACCESS_ACCEPT | ACCESS_REJECT | ACCESS_CHALLENGE => false,
        _ => return None,
    };
    let identifier = reader.u8()?;
    let size = usize::from(reader.u16()?);
    let _authenticator = reader.take(16)?;
    // RFC 2865 §3: octets beyond the length are padding, 4096 is the most.
    if !(20..=4096).contains(&size) {
        return None;
    }
    let mut attributes = Reader::new(reader.take_up_to(size.saturating_sub(20)));
    let mut message = Message { request, identifier, state: None, eap: Vec::new() };
    while let (Some(kind), Some(length)) = (attributes.u8(), attributes.u8()) {
        let value = attributes.take_up_to(usize::from(length).checked_sub(2)?);
        match kind {
            STATE => message.state = Some(value),
            EAP_MESSAGE => message.eap.extend_from_slice(value),
            _ => {}
        }
    }
    (!message.eap.is_empty()).then_some(message)
}

/// Which log-in a datagram belongs to: give the same value to the same
/// [`Login`](super::eap::Login).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginId(u64);

/// The exchanges that are under way, of all access points and servers.
#[derive(Debug)]
pub struct Exchanges {
    /// Requests without an answer and challenges without the next request, oldest first.
    open: VecDeque<Exchange>,
    /// How many may be open at once.
    bound: usize,
    next: u64,
    /// Given up, because too many were open.
    pub evicted: u64,
}

#[derive(Debug)]
struct Exchange {
    client: Endpoint,
    server: Endpoint,
    identifier: u8,
    /// The State of the last challenge.
    state: Option<Box<[u8]>>,
    login: LoginId,
}

impl Exchanges {
    /// None under way, and at most `bound` at once.
    pub const fn new(bound: usize) -> Self {
        Self { open: VecDeque::new(), bound, next: 0, evicted: 0 }
    }

    /// The log-in that a message between these two ends belongs to.
    pub fn login(&mut self, source: Endpoint, target: Endpoint, message: &Message<'_>) -> LoginId {
        let (client, server) = if message.request { (source, target) } else { (target, source) };
        // A request may go on from another port than the last one, or to another server.
        let same = |open: &Exchange| {
            open.client.address == client.address
                && if message.request && message.state.is_some() {
                    open.state.as_deref() == message.state
                } else {
                    open.client == client
                        && open.server == server
                        && open.identifier == message.identifier
                        && (!message.request || open.state.is_none())
                }
        };
        let known = self.open.iter().rposition(same).and_then(|at| self.open.remove(at));
        let login = known.as_ref().map_or(LoginId(self.next), |open| open.login);
        if known.is_none() {
            self.next = self.next.wrapping_add(1);
        }
        let earlier = known.and_then(|open| open.state);
        let state = message.state.map(Box::from).or(earlier);
        let identifier = message.identifier;
        self.open.push_back(Exchange { client, server, identifier, state, login });
        if self.open.len() > self.bound {
            self.open.pop_front();
            self.evicted = self.evicted.saturating_add(1);
        }
        login
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may overflow: it fails then")]
mod tests {
    use super::*;
    use crate::packet::Address;

    fn datagram(code: u8, identifier: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut body = vec![0; 16];
        for (kind, value) in attributes {
            body.extend_from_slice(&[*kind, u8::try_from(value.len() + 2).unwrap()]);
            body.extend_from_slice(value);
        }
        let size = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
        [[code, identifier].as_slice(), &size, &body].concat()
    }

    const fn end(host: u8, port: u16) -> Endpoint {
        Endpoint { address: Address::v4([10, 0, 0, host]), port }
    }

    #[test]
    fn eap_is_put_together_from_attributes() {
        let bytes = datagram(11, 7, &[(79, b"one "), (24, b"s"), (79, b"two")]);
        let message = parse(&bytes).unwrap();
        assert_eq!(
            (message.eap.as_slice(), message.state),
            (b"one two".as_slice(), Some(&b"s"[..]))
        );
        assert!(!message.request);
        assert_eq!(parse(&datagram(1, 7, &[(1, b"bob")])), None);
        assert_eq!(parse(&datagram(4, 7, &[(79, b"accounting")])), None);
        assert_eq!(parse(&[1, 2, 3]), None);
    }

    #[test]
    fn log_ins_between_two_hosts_are_kept_apart() {
        let (nas, server) = (end(1, 50_000), end(2, 1812));
        let mut exchanges = Exchanges::new(8);
        let mut send = |request: bool, code, id, state: Option<&[u8]>| {
            let mut attributes = vec![(79, b"eap".as_slice())];
            attributes.extend(state.map(|state| (24, state)));
            let bytes = datagram(code, id, &attributes);
            let (source, target) = if request { (nas, server) } else { (server, nas) };
            exchanges.login(source, target, &parse(&bytes).unwrap())
        };
        let alice = send(true, 1, 1, None);
        let bob = send(true, 1, 2, None);
        assert_ne!(alice, bob);
        assert_eq!(send(true, 1, 1, None), alice, "a repeated request");
        assert_eq!(send(false, 11, 2, Some(b"bob")), bob);
        assert_eq!(send(false, 11, 1, Some(b"alice")), alice);
        assert_eq!(send(true, 1, 3, Some(b"alice")), alice);
        assert_eq!(send(true, 1, 4, Some(b"bob")), bob);
        assert_eq!(send(false, 11, 4, Some(b"bob2")), bob);
        assert_eq!(send(true, 1, 5, Some(b"bob2")), bob);
        assert_eq!(send(false, 2, 3, None), alice);
        assert_ne!(send(true, 1, 1, None), alice, "identifiers come round again");
    }

    #[test]
    fn the_bound_holds() {
        let mut exchanges = Exchanges::new(4);
        for id in 0..100 {
            let bytes = datagram(1, id, &[(79, b"eap")]);
            exchanges.login(end(1, 5), end(2, 1812), &parse(&bytes).unwrap());
        }
        assert_eq!((exchanges.open.len(), exchanges.evicted), (4, 96));
    }
}
