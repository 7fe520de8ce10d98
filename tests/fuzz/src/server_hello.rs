//! ServerHello, Certificate and ServerKeyExchange bodies.

use tlscensus::limits::Limits;
use tlscensus::tls::parse::{
    HelloParser, certificates, draft_hello_retry_request, ecdhe_group, server_hello,
};

use super::heap;
use super::json;

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 1 << 20, 256, || run(data));
}

fn run(data: &[u8]) {
    let limits = Limits { cached_offers: 4, ..Limits::default() };
    let mut parser = HelloParser::new(&limits);
    let fresh = server_hello(data);
    let known = [parser.server_hello(data, true), parser.server_hello(data, true)];
    for hello in known {
        let hello = hello.map(|(hello, _)| hello);
        assert_eq!(hello.as_deref(), fresh.as_ref(), "known before, read otherwise");
    }
    for hello in [fresh, draft_hello_retry_request(data)].into_iter().flatten() {
        let text = json::faithful(&hello);
        assert!(text.len() <= 64 * data.len() + 4096);
    }
    for limit in [1, 16] {
        let (found, more) = certificates(data, limit);
        let total: usize = found.iter().map(|der| der.len()).sum();
        assert!(found.len() <= limit && total <= data.len());
        assert!(!found.is_empty() || !more || data.len() < 6 || limit > 0);
    }
    let _ = ecdhe_group(data);
}
