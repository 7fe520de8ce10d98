//! The live page and the metrics, over HTTP.
//!
//! ```text
//!   browser, Prometheus ─▶ gate (Host, token, method) ─▶ a page of a table ◀─ View ◀─ Feed
//! ```
//!
//! In goes a [`Feed`]: a live run or a census file, that can say how it stands and judge what it has.
//! Judging takes time, so what was judged is kept as a [`View`] and made anew when something has
//! changed and somebody asks, at most every few seconds. Nothing can be changed from outside.
//!
//! | path | what |
//! | --- | --- |
//! | `/` | the page: a line with the state of the wire above the report; it has the first rows of its table and asks for others; every few seconds it takes over what is new, and its reader's place stays: filters, open rows, focus, scroll |
//! | `/report` | the same as a file to be kept: what `--report x.html` writes |
//! | `/api/state` | [`State`]: `{schema, live, now, started, uptime_s, version, made, connections, interfaces: […], census}`; cheap, to be asked every second or two. `version` is the number of the view: another number, another report |
//! | `/api/inventory.json` | the inventory report, `tlscensus.inventory/1`, with `ETag` |
//! | `/api/report.csv`, `/api/report.md` | the other formats |
//! | `/api/summary` | the same object without its lists: `{schema, version, sources, policies, trust, scope, summary, coverage}` |
//! | `/api/clients`, `/api/servers`, `/api/edges`, `/api/certificates` | `{version, total, matched, offset, limit, rows: […]}`: rows as in the inventory |
//! | `/api/clients/IP` | one row of clients |
//! | `/api/page/clients`, `/api/page/servers`, `/api/page/certificates` | the same tables for the script of the page (50 rows, at most 5000), in a form that is nobody else's |
//! | `/metrics` | for Prometheus: OpenMetrics where that is asked for, else the older text format |
//! | `/healthz` | 200 `ok`, or 503 and why; needs no token and says nothing of hosts |
//!
//! The tables take, all optional: `offset` and `limit` (100; at most 1000), `sort` (a column, with `-`
//! before it from the greatest; default: what breaks first), `filter` (words that must all be
//! somewhere in the row, whatever their case), `policy` (an id; default: the first), `outcome`
//! (`breaks`, `at_risk`, `unknown`, `ready`; several by comma), `reason`, `owner`, `site`, `software`,
//! `network` (CIDR, an address, or the beginning of one). Columns to sort by: `ip`, `name`, `owner`,
//! `outcome`, `connections`, `first_seen`, `last_seen`; of clients also `why`, `software`,
//! `max_version`; of servers `why`, `port`, `versions`, `chain`, `clients`; of certificates (without
//! `ip`) `issuer`, `key`, `signature`, `not_after`.
//!
//! **Who may ask.** A loopback address is open to whoever is on the machine; any other wants a
//! [`Token`], as `Authorization: Bearer …` or as the password of HTTP's Basic scheme, with any user
//! name. A request must name the host that it asks (`localhost`, an address, the machine's own name):
//! a page from elsewhere that makes its own name point here (DNS rebinding) is refused. With a token
//! any name will do, as no such page knows it. Only GET and HEAD are answered. There are so many
//! connections at once and no more, and a slow one is cut off.

mod body;
mod gate;
mod metrics;
mod routes;
mod server;
mod state;
mod tables;
mod token;
mod view;

#[cfg(test)]
mod tests;

pub use server::{ListenError, Listener};
pub use state::{CensusState, InterfaceState, State, Wire, WireInterface};
pub use token::{Token, TokenError};
pub use view::{Feed, View};
