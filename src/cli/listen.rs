//! `--listen`: where the live page is to be had, and who may see it.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::anyhow;

use super::args::ListenToken;
use super::exit::Failure;
use super::words::Words;
use crate::serve::{ListenError, Listener, Token};

/// The token where no file has it: visible to nobody but the process and root.
const VARIABLE: &str = "TLSCENSUS_LISTEN_TOKEN";

/// Where it listens if nothing is said.
pub(super) const ADDRESS: &str = "127.0.0.1:9477";

/// Open the socket, while rights are there to do so.
pub(super) fn open(address: &str, token: &ListenToken, words: &Words) -> Result<Listener, Failure> {
    let address = self::address(address)?;
    let token = match (&token.listen_token, std::env::var(VARIABLE)) {
        (Some(path), _) => Some(Token::read(path).map_err(Failure::usage)?),
        (None, Ok(text)) => Some(Token::new(&text).map_err(Failure::usage)?),
        (None, Err(_)) => None,
    };
    let open_to_all = !address.ip().to_canonical().is_loopback();
    let listener = Listener::bind(address, token).map_err(|error| match error {
        ListenError::Open { .. } => Failure::usage(error).with_hint(format!(
            "openssl rand -hex 32 > token; --listen-token token (or the variable {VARIABLE}); or \
             listen on {ADDRESS}"
        )),
        error => Failure::impossible(error),
    })?;
    if open_to_all {
        words.warn(
            &format!("the page on {address} is not encrypted: others on the way can read it"),
            Some("listen on 127.0.0.1 and put a web server with TLS before it"),
        );
    }
    if !words.quiet {
        let address = listener.address()?;
        Words::aside(&format!("the page is at http://{address}/\n"));
    }
    Ok(listener)
}

/// `127.0.0.1:9477`, `[::1]:9477`, `localhost:9477`.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        Failure::usage(anyhow!("`{text}` is no address to listen on"))
            .with_hint(format!("as {ADDRESS}"))
    })
}
