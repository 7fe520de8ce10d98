//! A transcript → what a worker reads of it, with what holds for every handshake.

use tlscensus::flow::{FlowMeta, Side};
use tlscensus::limits::Limits;
use tlscensus::quic::conversation::events;
use tlscensus::tls::Transport;
use tlscensus::tls::handshake::{self, Circumstances};
use tlscensus::tls::message::{Event, What};
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::starttls::{Begun, application};
use tlscensus::tls::transcript::Transcript;

use super::json;

/// Read it twice, with a parser that knows nothing and one that has seen all before.
pub fn read(
    transport: Transport,
    transcript: &Transcript,
    meta: Option<&FlowMeta>,
    parser: &mut HelloParser,
    limits: &Limits,
) -> Option<String> {
    let events = events(transport, transcript, limits);
    bounded(&events, transcript, limits);
    let circumstances = Circumstances {
        transport,
        initiator: meta.and_then(|meta| meta.initiator),
        lower_port: Side::Low,
        closed: meta.is_some_and(|meta| meta.reset || meta.fin.contains(&true)),
    };
    let read = |parser: &mut HelloParser| {
        let mut certificates = 0;
        let summary =
            handshake::read(&events, circumstances, parser, limits, &mut |der: &[u8]| {
                certificates += 1;
                der.len()
            })?;
        // Each end sends one chain; a renegotiation may send another.
        assert!(certificates <= 64 * limits.chain_length);
        // One more ends the handshake, and one may be hidden.
        assert!(summary.alerts.len() <= limits.alerts + 2);
        assert!(summary.history.len() <= limits.history);
        if let Some(hello) = &summary.client_hello {
            json::faithful(&*hello.offer);
        }
        if let Some(hello) = &summary.server_hello {
            json::faithful(hello);
        }
        let offered = summary.client_hello.as_ref().map_or(&[][..], |hello| &hello.offer.alpn);
        let negotiated = summary.server_hello.as_ref().and_then(|hello| hello.alpn.as_deref());
        let application = application(
            transcript.preamble(),
            summary.client,
            offered,
            negotiated,
            Begun::WithHello,
        );
        if let Some(target) = &application.target {
            assert!(target.len() <= 8 * limits.preamble_bytes);
            json::faithful(target);
        }
        Some(format!("{summary:?} {application:?}"))
    };
    let fresh = read(&mut HelloParser::new(limits));
    let known = read(parser);
    assert_eq!(fresh, known, "what was seen before changes what is read");
    fresh
}

/// No more comes out than went in.
fn bounded(events: &[Event<'_>], transcript: &Transcript, limits: &Limits) {
    let sizes = events.iter().map(|event| match &event.what {
        What::Message { body, .. } => body.len(),
        What::SslV2(body) => body.len(),
        _ => 0,
    });
    let total: usize = sizes.sum();
    // Datagrams of DTLS are read for whole messages and again for what is left of others.
    assert!(total <= 2 * transcript.size(), "{total} bytes out of {}", transcript.size());
    let count = 4 * (transcript.size() + limits.transcript_records);
    assert!(events.len() <= count, "{} events", events.len());
}
