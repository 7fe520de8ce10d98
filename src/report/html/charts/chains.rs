//! Where the chains of servers lead: to which root, or why to none.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Picture, WIDTH, amount, bar, label, table, unit};
use crate::policy::Outcome;
use crate::report::inventory::{Inventory, Server};
use crate::report::text::{count, grouped, percent, printable};
use crate::x509::ChainStatus;

/// Roots that are drawn.
const ROOTS: usize = 9;

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let mut roots: BTreeMap<(u8, String), u64> = BTreeMap::new();
    for server in &inventory.servers {
        *roots.entry(end(server)).or_default() += 1;
    }
    let mut roots: Vec<_> = roots.into_iter().collect();
    roots.sort_by(|((left, name), few), ((right, other), many)| {
        (left, Reverse(few), name).cmp(&(right, Reverse(many), other))
    });
    let all = inventory.servers.len() as u64;
    let bad: u64 = roots.iter().filter(|((rank, _), _)| *rank == 0).map(|(_, number)| number).sum();
    let says = match (all, bad) {
        (0, _) => "No server was seen.".to_owned(),
        (_, 0) => "No chain that was seen leads nowhere.".to_owned(),
        _ => format!(
            "{} ({}) {} a chain that the given trust does not accept.",
            count(bad, "server", "servers"),
            percent(bad, all),
            if bad == 1 { "sends" } else { "send" },
        ),
    };
    let cells: Vec<_> =
        roots.iter().map(|((_, name), number)| vec![name.clone(), grouped(*number)]).collect();
    let title = "Certificate chains by root";
    Picture {
        id: "chains",
        title,
        says,
        drawing: (!roots.is_empty()).then(|| draw(&roots)),
        table: table(title, &["Root, or why none", "servers"], &cells),
    }
    .figure()
}

/// How good the end of a chain is (0 bad, 1 unseen, 2 private, 3 public), and its name.
fn end(server: &Server) -> (u8, String) {
    let chain = &server.chain;
    let root = chain.root_subject.as_deref().or(chain.issuer.as_deref()).map(common_name);
    let with = |what: &str| match &root {
        Some(root) => format!("{what}: {root}"),
        None => what.to_owned(),
    };
    match chain.status {
        ChainStatus::PublicRoot => (3, root.unwrap_or_else(|| "public root".to_owned())),
        ChainStatus::PrivateRoot => (2, with("own root")),
        ChainStatus::Hidden => (1, "hidden by TLS 1.3".to_owned()),
        ChainStatus::Resumed => (1, "session resumed: none sent".to_owned()),
        ChainStatus::NotSeen => (1, "not seen".to_owned()),
        ChainStatus::SelfSigned => (0, "self-signed".to_owned()),
        other => (0, with(&other.to_string().replace('_', " "))),
    }
}

/// The name of a root as people know it: its CN, or else its organisation.
fn common_name(subject: &str) -> String {
    let part = |key: &str| {
        subject.split(',').map(str::trim).find_map(|part| part.strip_prefix(key)).map(str::to_owned)
    };
    let name = part("CN=").or_else(|| part("O=")).unwrap_or_else(|| subject.to_owned());
    printable(&name).into_owned()
}

fn draw(roots: &[((u8, String), u64)]) -> (f64, Markup) {
    let most = roots.iter().map(|(_, number)| *number).max().unwrap_or(1).max(1);
    let mut y = 0.0;
    let body = html! {
        @for ((rank, name), number) in roots.iter().take(ROOTS) {
            @let outcome = match rank { 0 => Outcome::Breaks, 1 => Outcome::Unknown, _ => Outcome::Ready };
            @let wide = ((WIDTH - 50.0) * amount(*number) / amount(most)).max(3.0);
            (label(0.0, y + 12.0, name, 12.0, WIDTH, "start"))
            (bar(0.0, y + 17.0, wide, 9.0, outcome, &format!("{name}: {number}")))
            text.number.faint x=(unit(wide + 6.0)) y=(unit(y + 25.5)) font-size="11" { (grouped(*number)) }
            @let () = y += 34.0;
        }
        @if roots.len() > ROOTS {
            text.faint x="0" y=(unit(y + 12.0)) font-size="11" { "… and " (grouped((roots.len() - ROOTS) as u64)) " more: see the table" }
            @let () = y += 20.0;
        }
        @let mut x = 0.0;
        @for (outcome, words) in [(Outcome::Breaks, "not accepted"), (Outcome::Unknown, "not visible"), (Outcome::Ready, "trusted")] {
            (bar(x, y + 6.0, 14.0, 12.0, outcome, words))
            text x=(unit(x + 19.0)) y=(unit(y + 16.5)) font-size="12" { (words) }
            @let () = x += 30.0 + super::width(words, 12.0);
        }
    };
    (y + 20.0, body)
}

#[cfg(test)]
mod tests {
    use super::common_name;

    #[test]
    fn roots_by_the_name_people_know() {
        assert_eq!(common_name("C=US, O=Internet Security, CN=ISRG Root X1"), "ISRG Root X1");
        assert_eq!(common_name("C=DE, O=Example"), "Example");
        assert_eq!(common_name("something"), "something");
    }
}
