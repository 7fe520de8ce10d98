//! A file of exceptions: TOML in, checked entries out; errors say where, and the nearest right word.
//!
//! ```toml
//! [[exception]]
//! owner = "Jane Doe, ERP"
//! reason = "replaced in June, CHG-4711"
//! expires = 2026-06-30            # the last day on which it holds
//! host = ["10.20.0.13", "erp-*"]  # addresses, or names of hosts
//! finding = "suite.tls_rsa"       # without one: all findings, and the outcome itself
//! ```
//!
//! Conditions are `host`, `network`, `sni`, `server`, `offer` (a JA4) and `finding`, each a text or a
//! list of which one must match; of several conditions all must hold.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::{Excepted, Exception, Exceptions, ExceptionsError, Host};
use crate::policy::finding::FindingId;
use crate::policy::reader::{Fault, Place, Reader, unknown};
use crate::report::scope::Pattern;

/// Read entries from the text of a file; errors speak of the file by this name.
pub fn parse(name: &str, text: &str) -> Result<Exceptions, ExceptionsError> {
    read(text).map_err(|fault| {
        let place = Place::of(text, &fault.span);
        ExceptionsError::Content {
            name: name.into(),
            line: place.line,
            column: place.column,
            excerpt: place.to_string(),
            message: fault.message,
        }
    })
}

fn read(text: &str) -> Result<Exceptions, Fault> {
    let table = DeTable::parse(text).map_err(|error| {
        Fault::new(error.span().unwrap_or_default(), error.message().replace('\n', ", "))
    })?;
    let file = Reader::new(table.get_ref(), 0..0);
    let entries = file.tables("exception")?;
    let entries = entries.into_iter().enumerate().map(|(at, table)| entry(at + 1, table));
    let entries = entries.collect::<Result<_, _>>()?;
    file.finish()?;
    Ok(Exceptions(entries))
}

fn entry(number: usize, table: Reader<'_, '_>) -> Result<Exception, Fault> {
    let (owner, _) = filled(table.required("owner", "\"Jane Doe, ERP\"")?)?;
    let (reason, _) = filled(table.required("reason", "\"replaced in June, CHG-4711\"")?)?;
    let expires = table.day("expires")?;
    let exception = Exception {
        agreed: Arc::new(Excepted {
            exception: number,
            owner: owner.into(),
            reason: reason.into(),
            expires,
        }),
        hosts: each(&table, "host", host)?,
        networks: each(&table, "network", |text, span| {
            Ok((text.into(), text.parse().map_err(at(span))?))
        })?,
        snis: each(&table, "sni", |text, span| {
            let pattern: Pattern = text.parse().map_err(at(span.clone()))?;
            if pattern.is_name() && !pattern.has_port() {
                return Ok(pattern);
            }
            let cure = "it is a host name as \"*.example.com\"; addresses go to `server`";
            Err(Fault::new(span, format!("`{text}` is no SNI: {cure}")))
        })?,
        servers: each(&table, "server", |text, span| text.parse().map_err(at(span)))?,
        offers: each(&table, "offer", |text, span| {
            if is_ja4(text) {
                return Ok(text.into());
            }
            let cure = "reports have it, as t12d190800_d83cc789557e_7af1ed941c26";
            Err(Fault::new(span, format!("`{text}` is no JA4: {cure}")))
        })?,
        findings: each(&table, "finding", |text, span| {
            let known: Vec<_> = FindingId::ALL.iter().map(|id| id.name()).collect();
            FindingId::from_name(text).ok_or_else(|| unknown("finding", text, span, &known))
        })?,
    };
    let missing = table.missing("host", "\"10.0.0.5\"; or network, sni, server, offer or finding");
    table.finish()?;
    if exception.to_string().is_empty() { Err(missing) } else { Ok(exception) }
}

/// Every text of a condition.
fn each<'t, T>(
    table: &Reader<'t, '_>,
    key: &'static str,
    read: impl Fn(&'t str, Range<usize>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    table
        .one_or_more(key)?
        .into_iter()
        .map(filled)
        .map(|text| text.and_then(|(text, span)| read(text, span)))
        .collect()
}

fn filled((text, span): (&str, Range<usize>)) -> Result<(&str, Range<usize>), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new(span, "this must not be empty"));
    }
    Ok((text, span))
}

fn at<E: ToString>(span: Range<usize>) -> impl FnOnce(E) -> Fault {
    move |error| Fault::new(span, error.to_string())
}

fn host(text: &str, span: Range<usize>) -> Result<Host, Fault> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Host::Address(ip.into()));
    }
    let pattern: Pattern = text.parse().map_err(at(span.clone()))?;
    if pattern.is_name() && !pattern.has_port() {
        return Ok(Host::Name(pattern));
    }
    let key = if text.contains('/') { "network" } else { "server" };
    Err(Fault::new(span, format!("`{text}` is no host: write it as `{key}`")))
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`.
fn is_ja4(text: &str) -> bool {
    let mut parts = text.split('_');
    let hash = |part: Option<&str>| {
        part.is_some_and(|part| {
            part.len() == 12 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    parts.next().is_some_and(|part| part.len() == 10 && part.starts_with(['t', 'q', 'd']))
        && hash(parts.next())
        && hash(parts.next())
        && parts.next().is_none()
}
