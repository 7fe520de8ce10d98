//! The page itself: head, sections in their order, the style, the script and its data.

use std::io::{self, Write};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::{answer, charts, fixes, json, list, seen};
use crate::report::inventory::Inventory;

/// What both scripts begin with.
macro_rules! parts {
    () => {
        concat!(
            include_str!("script/data.js"),
            include_str!("script/filter.js"),
            include_str!("script/detail.js"),
            include_str!("script/table.js"),
            include_str!("script/export.js"),
        )
    };
}

/// The one style.
const STYLE: &str = include_str!("style.css");
/// The one script, in the order in which its parts need each other. In a file all rows are in the
/// page; served, a page of them is, and the others are asked for.
const SCRIPT: &str =
    concat!(parts!(), include_str!("script/local.js"), include_str!("script/main.js"));
const SERVED: &str = concat!(
    parts!(),
    include_str!("script/remote.js"),
    include_str!("script/main.js"),
    include_str!("script/keep.js"),
    include_str!("script/live.js"),
);
/// The sign in the browser's tab: a lock in the colour of what works.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 \
                    16'%3E%3Crect x='2' y='7' width='12' height='8' rx='2' \
                    fill='%232f7fb3'/%3E%3Cpath d='M5 7V5a3 3 0 0 1 6 0v2' fill='none' \
                    stroke='%232f7fb3' stroke-width='2'/%3E%3C/svg%3E";

/// Write the page. The data for the script is written as it is made: it may be long.
///
/// A page from a file asks nobody for anything. One that is served, under a `tag`, asks the program
/// that serves it, and only that, for what is new and for rows.
pub(super) fn write(
    inventory: &Inventory,
    tag: Option<&str>,
    data: &impl Serialize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let script = if tag.is_some() { SERVED } else { SCRIPT };
    let (top, bottom) = (top(inventory, tag, script), bottom(script));
    out.write_all(top.into_string().as_bytes())?;
    out.write_all(b"<script type=\"application/json\" id=\"data\">")?;
    json::write(data, out)?;
    out.write_all(b"</script>\n")?;
    out.write_all(bottom.into_string().as_bytes())
}

/// Everything before the data: `<body>` stays open.
fn top(inventory: &Inventory, tag: Option<&str>, script: &str) -> Markup {
    let policy = inventory.policies.first().map_or("", |policy| &policy.id);
    PreEscaped(
        html! {
            (DOCTYPE)
            html lang="en" data-live=[tag] {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy_of_the_page(tag.is_some(), script));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    meta name="color-scheme" content="light dark";
                    title { "TLS readiness: " (policy) }
                    link rel="icon" href=(ICON);
                    style { (PreEscaped(STYLE)) }
                }
                body { (body(inventory, tag.is_some())) }
            }
        }
        .into_string()
        .replace("</body></html>", "\n"),
    )
}

fn body(inventory: &Inventory, served: bool) -> Markup {
    html! {
        a.skip href="#hosts" { "Skip to the hosts" }
        header.top {
            p.brand { "tlscensus" span { "TLS readiness" } }
            nav aria-label="Sections" {
                a href="#answer" { "Answer" }
                a href="#pictures" { "Pictures" }
                a href="#hosts" { "Hosts" }
                a href="#findings" { "Findings" }
                a href="#fixes" { "Fixes" }
                a href="#seen" { "What was seen" }
            }
            button #theme type="button" hidden { "Dark" }
        }
        @if served {
            p #wire { span #wire-now { "Without a script this page stays as it was when it was opened." } " " strong #wire-trouble role="alert" {} }
        }
        main {
            (answer::section(inventory))
            (charts::section(inventory))
            section #hosts aria-labelledby="hosts-h" {
                h2 #hosts-h { "Hosts" }
                div #tables {}
                noscript { (list::worst(inventory)) }
            }
            (list::findings(inventory))
            (fixes::section(inventory))
            (seen::section(inventory))
        }
        footer {
            p {
                "tlscensus " (env!("CARGO_PKG_VERSION")) ". All times are UTC. "
                @if served {
                    "This page asks the program that serves it for what is new, and nobody else. "
                    a href="report" { "As one file" } " it can be kept, mailed and opened offline."
                } @else {
                    "This page asks nobody for anything: it can be kept, mailed and opened offline."
                }
            }
        }
        p #say .quiet role="status" aria-live="polite" {}
    }
}

/// Everything behind the data.
fn bottom(script: &str) -> Markup {
    html! {
        script { (PreEscaped(script)) }
        (PreEscaped("</body></html>\n"))
    }
}

/// What the page may do: show what is in it, run its one script, and nothing else.
fn policy_of_the_page(served: bool, script: &str) -> String {
    let connect = if served { "connect-src 'self'; " } else { "" };
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; {connect}img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(script),
    )
}

/// A source expression for an inline element (CSP Level 3, 2.3.1).
fn hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}
