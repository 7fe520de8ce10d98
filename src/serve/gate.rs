//! The gate: which requests are answered at all, and what every answer says to the browser.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName,
    HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::token::Token;

/// Nothing is loaded from anywhere, nothing runs, nothing may frame it.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Who may ask.
#[derive(Debug)]
pub(super) struct Gate {
    token: Option<Token>,
    /// The machine's own name, in lower case.
    name: String,
}

impl Gate {
    pub(super) fn new(token: Option<Token>) -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        Self { token, name }
    }

    /// Why a request is not answered.
    fn refusal(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            let allowed = [(ALLOW, "GET, HEAD")];
            return Some((StatusCode::METHOD_NOT_ALLOWED, allowed, "only GET\n").into_response());
        }
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let (Some(host), None) = (host, hosts.next()) else {
            return Some((StatusCode::BAD_REQUEST, "one Host header, please\n").into_response());
        };
        match &self.token {
            // Who sees only whether it runs learns nothing of the network.
            Some(_) if path == "/healthz" => None,
            Some(token) => {
                let mut shown = headers.get_all(AUTHORIZATION).iter();
                if shown.any(|header| token.is_in(header.as_bytes())) {
                    return None;
                }
                let scheme = [(WWW_AUTHENTICATE, "Basic realm=\"tlscensus\", charset=\"UTF-8\"")];
                Some((StatusCode::UNAUTHORIZED, scheme, "a token is needed\n").into_response())
            }
            None if self.is_ours(host) => None,
            None => Some(
                (StatusCode::MISDIRECTED_REQUEST, "this is not the host that was asked for\n")
                    .into_response(),
            ),
        }
    }

    /// Whether a `Host` header can only mean this machine: names of others may point here too.
    fn is_ours(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost" || name == self.name || name.parse::<IpAddr>().is_ok()
    }
}

/// Every request comes through here.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let refusal = gate.refusal(request.method(), request.uri().path(), request.headers());
    let mut response = match refusal {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What a page may do it says itself.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(gate: &Gate, path: &str, headers: &[(HeaderName, &str)]) -> u16 {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let refusal = gate.refusal(&Method::GET, path, &headers);
        refusal.map_or(200, |response| response.status().as_u16())
    }

    #[test]
    fn other_names_for_this_machine_are_refused() {
        let gate = Gate { token: None, name: "sensor".to_owned() };
        for ours in [
            "localhost",
            "localhost:9477",
            "LOCALHOST.",
            "127.0.0.1:9477",
            "[::1]:9477",
            "10.0.0.1",
            "sensor:80",
        ] {
            assert_eq!(asked(&gate, "/", &[(HOST, ours)]), 200, "{ours}");
        }
        for other in
            ["evil.example", "evil.example:9477", "localhost.evil.example", "", "[::1", ":80"]
        {
            assert_eq!(asked(&gate, "/", &[(HOST, other)]), 421, "{other}");
        }
        assert_eq!(asked(&gate, "/", &[]), 400);
    }

    #[test]
    fn a_token_opens_everything_and_health_is_open() {
        let gate = Gate {
            token: Some(Token::new("correct-horse-battery").unwrap()),
            name: "sensor".to_owned(),
        };
        let host = (HOST, "census.example.com");
        let right = (AUTHORIZATION, "Bearer correct-horse-battery");
        let wrong = (AUTHORIZATION, "Bearer wrong-horse-battery!!");
        assert_eq!(asked(&gate, "/", &[host.clone(), right]), 200);
        assert_eq!(asked(&gate, "/", &[host.clone(), wrong]), 401);
        assert_eq!(asked(&gate, "/metrics", std::slice::from_ref(&host)), 401);
        assert_eq!(asked(&gate, "/healthz", &[host]), 200);
    }
}
