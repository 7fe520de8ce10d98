//! What is answered where.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use serde::Serialize;

use super::body::written;
use super::gate::{Gate, pass};
use super::metrics;
use super::state::{Pulse, Wire};
use super::tables::{self, Packed, Row};
use super::view::{View, Views};
use crate::packet::Address;
use crate::report::Format;
use crate::report::inventory::{
    CertificateLine, Client, CoverageLine, Edge, PolicyLine, Server, SourceLine, Summary, TrustLine,
};

/// The page loads nothing but what is new from here; which script and style may run in it, it says
/// itself by their hashes, and both must allow what is done.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What every route has at hand.
#[derive(Clone)]
struct Shared {
    views: Arc<Views>,
    pulse: Arc<Pulse>,
    /// Tells the views of this run from those of another.
    run: Arc<str>,
}

type Answer = Result<Response, Response>;

/// All routes, behind the gate.
pub(super) fn router(views: Arc<Views>, pulse: Arc<Pulse>, gate: Gate) -> Router {
    let run = super::view::now().as_nanos().to_string().into();
    Router::new()
        .route("/", get(page))
        .route("/report", get(file))
        .route("/healthz", get(health))
        .route("/metrics", get(measure))
        .route("/api/state", get(state))
        .route("/api/summary", get(summary))
        .route("/api/inventory.json", get(json))
        .route("/api/report.csv", get(csv))
        .route("/api/report.md", get(markdown))
        .route("/api/clients", get(table::<Client>))
        .route("/api/clients/{ip}", get(client))
        .route("/api/servers", get(table::<Server>))
        .route("/api/edges", get(table::<Edge>))
        .route("/api/certificates", get(table::<CertificateLine>))
        .route("/api/page/clients", get(packed::<Client>))
        .route("/api/page/servers", get(packed::<Server>))
        .route("/api/page/certificates", get(packed::<CertificateLine>))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here\n"))
        .with_state(Shared { views, pulse, run })
        .layer(from_fn_with_state(Arc::new(gate), pass))
}

impl Shared {
    /// The newest view.
    async fn view(&self) -> Result<Arc<View>, Response> {
        self.views
            .current()
            .await
            .map_err(|why| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response())
    }

    /// A whole report; nothing where the asker has it already.
    async fn report(
        &self,
        headers: &HeaderMap,
        kind: &'static str,
        write: fn(&View, &str, &mut dyn io::Write) -> io::Result<()>,
    ) -> Answer {
        let view = self.view().await?;
        let name = format!("{}-{}", self.run, view.number);
        let tag = format!("\"{name}\"");
        let known = headers.get_all(IF_NONE_MATCH).iter();
        if known.filter_map(|tags| tags.to_str().ok()).any(|tags| tags.contains(&tag)) {
            return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
        }
        let body = written(move |out| write(&view, &name, out));
        Ok(([(CONTENT_TYPE, kind.to_owned()), (ETAG, tag)], body).into_response())
    }
}

/// The page: the state of the wire, and the report, which asks for what is new.
async fn page(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    let write = |view: &View, tag: &str, out: &mut dyn io::Write| {
        let first = tables::Query::first().packed::<Client>(view).map_err(io::Error::other)?;
        view.inventory.write_served_html(tag, &first, out)
    };
    Ok(html(shared.report(&headers, "text/html; charset=utf-8", write).await?))
}

/// The same to be kept: what `--report x.html` writes.
async fn file(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    let write = |view: &View, _: &str, out: &mut dyn io::Write| view.inventory.write_html(out);
    Ok(html(shared.report(&headers, "text/html; charset=utf-8", write).await?))
}

/// With what a page may do.
fn html(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(PAGE_POLICY);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

async fn json(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    let write =
        |view: &View, _: &str, out: &mut dyn io::Write| view.inventory.write(Format::Json, out);
    shared.report(&headers, "application/json", write).await
}

async fn csv(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    let write =
        |view: &View, _: &str, out: &mut dyn io::Write| view.inventory.write(Format::Csv, out);
    shared.report(&headers, "text/csv; charset=utf-8", write).await
}

async fn markdown(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    let write =
        |view: &View, _: &str, out: &mut dyn io::Write| view.inventory.write(Format::Markdown, out);
    shared.report(&headers, "text/markdown; charset=utf-8", write).await
}

/// An inventory without its lists.
#[derive(Serialize)]
struct WithoutLists<'a> {
    schema: &'static str,
    version: u64,
    sources: &'a [SourceLine],
    policies: &'a [PolicyLine],
    trust: &'a [TrustLine],
    scope: &'a [String],
    summary: &'a Summary,
    coverage: &'a CoverageLine,
}

async fn summary(State(shared): State<Shared>) -> Answer {
    let view = shared.view().await?;
    let inventory = &view.inventory;
    Ok(as_json(&WithoutLists {
        schema: "tlscensus.summary/1",
        version: view.number,
        sources: &inventory.sources,
        policies: &inventory.policies,
        trust: &inventory.trust,
        scope: &inventory.scope,
        summary: &inventory.summary,
        coverage: &inventory.coverage,
    }))
}

/// A page of a table.
async fn table<T: Row + Serialize>(
    shared: State<Shared>,
    Query(query): Query<tables::Query>,
) -> Answer {
    worked_out(shared, move |view| Ok(as_json(&query.page::<T>(view)?))).await
}

/// A page of a table for the page in the browser.
async fn packed<T: Packed>(shared: State<Shared>, Query(query): Query<tables::Query>) -> Answer {
    worked_out(shared, move |view| Ok(as_json(&query.packed::<T>(view)?))).await
}

/// An answer that is worked out where it keeps nobody waiting.
async fn worked_out(
    State(shared): State<Shared>,
    answer: impl FnOnce(&View) -> Result<Response, String> + Send + 'static,
) -> Answer {
    let view = shared.view().await?;
    let refused = |why| (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response();
    let answer = move || answer(&view).unwrap_or_else(refused);
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
    tokio::task::spawn_blocking(answer).await.map_err(failed)
}

async fn client(State(shared): State<Shared>, Path(ip): Path<IpAddr>) -> Answer {
    let view = shared.view().await?;
    let ip = Address::from(ip);
    let found = view.inventory.clients.iter().find(|client| client.addresses.contains(&ip));
    found.map(as_json).ok_or_else(|| {
        let to = if view.inventory.scope.is_empty() { "" } else { " to a server in scope" };
        let why = format!("no TLS connection of it{to} was seen\n");
        (StatusCode::NOT_FOUND, why).into_response()
    })
}

async fn state(State(shared): State<Shared>) -> Response {
    let newest = shared.views.newest();
    let stale = newest.as_ref().is_none_or(|view| view.is_stale(&**shared.views.feed()));
    let view = newest.map(|view| (view.number, view.made));
    let wire = shared.views.feed().wire();
    let troubles = troubles(&shared, wire.as_ref());
    as_json(&shared.pulse.state(wire, view, stale, troubles))
}

/// What is wrong at the moment, with the census and with the wire.
fn troubles(shared: &Shared, wire: Option<&Wire>) -> Vec<String> {
    let of_wire = wire.map(|wire| shared.pulse.troubles(wire)).unwrap_or_default();
    shared.views.trouble().into_iter().chain(of_wire).collect()
}

async fn health(State(shared): State<Shared>) -> Response {
    let troubles = troubles(&shared, shared.views.feed().wire().as_ref());
    if troubles.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n").into_response()
}

async fn measure(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    // Without a view there are still the counters of the wire.
    let view = shared.views.current().await.ok();
    let wire = shared.views.feed().wire();
    let text = metrics::text(wire, view, shared.pulse.uptime());
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
    let text = text.map_err(failed)?;
    let accepts = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.contains("application/openmetrics-text"))
    };
    if headers.get_all(ACCEPT).iter().any(accepts) {
        return Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response());
    }
    Ok(([(CONTENT_TYPE, metrics::PLAIN)], metrics::plain(&text)).into_response())
}

fn as_json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], Body::from(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
