//! TLS inside other protocols: what TLS began in, how long to look for it, and how to unwrap it.
//!
//! On the capture thread `framing` takes TLS out of the packets of MS-SQL and OpenVPN, and
//! `patience` bounds the search. On a worker [`application`] names the protocol from the cleartext
//! that came before TLS, whatever the port. [`eap`], [`radius`] and [`login`] put together the TLS of
//! networks' own log-ins, for which there is no TCP.

mod alpn;
mod binary;
pub mod eap;
pub(in crate::tls) mod framing;
pub mod login;
mod openvpn;
pub(in crate::tls) mod patience;
mod proxy;
pub mod radius;
mod tds;
#[cfg(test)]
mod tests;
mod text;

use crate::flow::Side;

/// The protocol that TLS carries or began in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Application {
    /// Its name, if that was seen. It is the innermost of these: the cleartext protocol in the
    /// middle of which TLS began; the proxy that was asked to connect (`http-connect`, `socks`);
    /// what was negotiated by ALPN, or, where the server's answer is encrypted or was not seen, what
    /// all names that the client offers stand for; `proxy` for a PROXY protocol header alone.
    pub name: Option<&'static str>,
    /// TLS began in the middle of a cleartext protocol of the server itself. A proxy's protocol, or
    /// a PROXY header, is none: behind it TLS begins at once. Neither are OpenVPN's packets, which
    /// carry TLS from the first.
    pub starttls: bool,
    /// What a proxy was asked to connect to, as `host:port`.
    pub target: Option<String>,
}

/// What was seen of TLS behind the cleartext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Begun {
    /// Nothing but alerts.
    Not,
    /// Messages of the handshake, and no ClientHello: what looks like cleartext may be a rest of that.
    Somehow,
    /// The ClientHello.
    WithHello,
}

/// Name the protocol, from the cleartext before TLS (the low end's, then the high end's) and from
/// the protocol names in the hellos. A port number is no evidence.
pub fn application(
    preamble: &[Vec<u8>; 2],
    client: Side,
    offered: &[Box<[u8]>],
    negotiated: Option<&[u8]>,
    begun: Begun,
) -> Application {
    let (of_client, of_server) = (client.of(preamble), client.other().of(preamble));
    if of_client.is_empty() && of_server.is_empty() {
        let name = alpn::name(offered, negotiated);
        return Application { name, starttls: false, target: None };
    }
    let opened = proxy::open(of_client, of_server);
    let cleartext = binary::name(opened.client, opened.server)
        .or_else(|| text::name(opened.client, opened.server));
    // A server's words alone, in a protocol that is not known, may be its answer to the hello.
    let starttls = match cleartext {
        // A server that speaks TLS from the first byte has nothing but an alert for words.
        Some(name) => name != "openvpn" && (begun > Begun::Not || !opened.server.is_empty()),
        None => !opened.client.is_empty() && begun == Begun::WithHello,
    };
    let name = cleartext
        .or(opened.proxy)
        .or_else(|| alpn::name(offered, negotiated))
        .or_else(|| opened.header.then_some("proxy"));
    Application { name, starttls, target: opened.target }
}
