// What a row opens to: evidence, peers, findings, fixes with buttons to copy them.

/** A list of terms; what has no value is left out. */
function terms(pairs) {
  const list = make("dl", { class: "terms" });
  for (const [term, value] of pairs) {
    const empty = value === "" || value === null || (Array.isArray(value) && !value.length);
    if (!empty) list.append(make("div", {}, make("dt", {}, term), make("dd", {}, value)));
  }
  return list;
}

/** A small table. */
function small(caption, header, rows) {
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    make("table", {}, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, header.map((cell) => make("th", { scope: "col" }, cell)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))))));
}

function tally(counts) {
  return counts.map(({ name, number }) => (number > 1 ? `${spoken(name)} ×${grouped(number)}`
    : spoken(name))).join(", ");
}

/** `TLS 1.2` of `TLS1.2`, `SSL 3.0` of `SSL3`. */
function spoken(name) {
  const version = /^(DTLS|TLS|SSL)(\d)(\.\d)?$/.exec(name);
  return version ? `${version[1]}\u00a0${version[2]}${version[3] || ".0"}` : name.replace(/_/g, name.startsWith("TLS_") ? "_" : " ");
}

function found(list) {
  if (!list.length) return null;
  // Where policies tell it in several ways, whose way it is.
  const ids = list.map(({ finding }) => finding.id);
  const under = ({ id, policies }) => policies.length && ids.indexOf(id) !== ids.lastIndexOf(id)
    ? ` (under ${policies.map((at) => pack.policies[at].id).join(" and ")})` : "";
  return [make("h4", {}, "Findings"), make("ul", { class: "found" }, list.map(({ finding, number }) =>
    make("li", {}, make("span", { class: `severity s-${finding.severity}` }, finding.severity), " ",
      make("code", {}, finding.id), under(finding), " ", finding.text, ` (${count(number, "connection", "connections")}) `,
      finding.excepted && make("span", { class: "excepted" }, finding.excepted))))];
}

/** What is asked of hosts under each policy. */
function verdicts(list) {
  return make("ul", { class: "verdicts" }, list.map((verdict, at) => make("li", {},
    badge(verdict.excepted ? verdict.letter.toUpperCase() : verdict.letter), " ",
    make("strong", {}, pack.policies[at].id), ": ", verdict.why,
    verdict.reasons.length && make("span", { class: "dim" }, ` (${verdict.reasons.map(spoken).join(", ")})`),
    verdict.excepted && make("span", { class: "dim" }, ` ${verdict.excepted}`))));
}

/** The fixes of a row: copies of what stands under “Fixes” on the page. */
function fixes(list) {
  if (!list.length) return null;
  const shown = list.map(({ id, title }, at) => {
    const whole = document.getElementById(`fix-${id}`);
    if (!whole) return make("p", {}, title);
    const copy = make("details", { class: "fix", open: at === 0 },
      make("summary", {}, make("span", { class: "title" }, title)),
      whole.querySelector(".steps").cloneNode(true));
    copy.querySelectorAll("button").forEach((button) => button.remove());
    buttons(copy, id);
    return copy;
  });
  return [make("h4", {}, "What to change"), shown];
}

/** Buttons on every text that can be copied. */
function buttons(place, id) {
  place.querySelectorAll(".snippet").forEach((snippet) => {
    const code = snippet.querySelector("code").textContent;
    const title = snippet.querySelector("figcaption");
    const name = title.textContent;
    title.append(" ", make("button", { type: "button", "aria-label": `Copy: ${name}`,
      onclick: (event) => copy(code, event.currentTarget) }, "Copy"));
    if (name.includes(".reg")) {
      title.append(" ", make("button", { type: "button",
        onclick: () => save(`${id}.reg`, code.replace(/\n/g, "\r\n"), "text/plain") }, "Save .reg"));
    }
  });
  place.querySelectorAll("td:first-child > code").forEach((code) => {
    code.after(" ", make("button", { type: "button", class: "tiny", "aria-label": "Copy key",
      onclick: (event) => copy(code.textContent, event.currentTarget) }, "Copy"));
  });
}

function offered(offer) {
  if (!offer) return null;
  const list = (items) => (items.length ? items.join(", ") : "none");
  return make("details", {}, make("summary", {}, "What it offers"), terms([
    ["Versions", list(offer.versions)], ["Cipher suites", list(offer.suites)],
    ["Groups", list(offer.groups)], ["Signature algorithms", list(offer.schemes)],
    ["ALPN", offer.alpn.join(", ")], ["Format", offer.sslv2 ? "SSL 2.0 hello" : ""],
    ["Seen", offer.cut ? "in part only" : ""],
  ]));
}

const PEERS = 100;

function stackDetail(stack) {
  const { kind } = stack;
  const edges = stack.edges;
  const over = { tcp: "", udp: " over UDP (DTLS)", quic: " over QUIC" }[kind.transport];
  const title = kind.offer ? `Offers at most ${kind.version || "no known version"}${over}`
    : `No ClientHello was seen${over}`;
  const peers = edges.slice(0, PEERS).map((edge) => [
    make("button", { type: "button", class: "link", onclick: () => follow("servers", edge.server) },
      edge.server), edge.sni || "–", grouped(edge.connections), tally(edge.versions) || "nothing",
    [tally(edge.ended), edge.alerts.length ? `; ${tally(edge.alerts)}` : ""],
    badge(edge.letters[policyAt(state)], EDGE_WORDS), minute(edge.last)]);
  return make("section", { class: "stack" },
    make("h3", {}, title),
    kind.retryOf && make("p", {}, `A retry with less after a failure of the offer ${kind.retryOf}: not counted.`),
    verdicts(kind.verdicts),
    terms([
      ["Looks like", kind.software.map(({ name, confidence, clues }, at) => [at ? make("br") : "",
        name, make("span", { class: "dim" }, ` (${confidence}: ${clues})`)])],
      ["Connections", `${grouped(stack.connections)}, ${span(stack.first, stack.last)}`],
      ["JA4", kind.ja4 && make("code", {}, kind.ja4)], ["JA3", kind.ja3 && make("code", {}, kind.ja3)],
    ]),
    found(stack.findings),
    peers.length && small("Talks to", ["Server", "Name asked for", "Connections", "Negotiated",
      "Ended", "If enforced", "Last seen (UTC)"], peers),
    edges.length > PEERS && make("p", {}, `… and ${grouped(edges.length - PEERS)} more.`),
    fixes(kind.remedies), offered(kind.offer));
}

function clientDetail(row) {
  return [terms([
    ["Names", row.names.join(", ")], ["Other addresses", row.others.join(", ")], ["MAC", row.mac && [row.mac, row.maker && make("span", { class: "dim" }, ` (${row.maker})`)]],
    ["Owner", row.owner], ["Site", row.site], ["Network", row.internal ? "ours" : "not ours"],
    ["Seen", span(row.first, row.last)],
    ["Beware", row.several ? "may be several hosts behind one address" : ""],
  ]), row.stacks.map(stackDetail)];
}

function serverDetail(row) {
  const { chain, times } = row;
  return [make("h3", { class: "quiet" }, row.server), verdicts(row.verdicts), terms([
    ["Names", row.names.join(", ")], ["Asked for as", row.snis.join(", ")], ["MAC", row.mac && [row.mac, row.maker && make("span", { class: "dim" }, ` (${row.maker})`)]],
    ["Owner", row.owner], ["Site", row.site], ["Network", row.internal ? "ours" : "not ours"],
    ["Negotiated", tally(row.versions)], ["Cipher suites", tally(row.suites)],
    ["Chain", [spoken(chain.status), chain.why && `: ${chain.why}`]],
    ["Root", chain.root || chain.issuer], ["Trusted by", chain.trusted.join(", ")],
    ["Handshake", times ? `half within ${times[0]} ms, nine of ten within ${times[1]} ms` : ""],
    ["Seen", span(row.first, row.last)],
    ["Certificates", row.certificates.map((one) => make("button", { type: "button", class: "link",
      onclick: () => follow("certificates", one) }, `${one.slice(0, 16)}… `))],
    ["Clients", row.peers.map((ip) => [make("button", { type: "button", class: "link",
      onclick: () => follow("clients", ip) }, ip), " "])],
    ["", row.clients > row.peers.length ? `… and ${grouped(row.clients - row.peers.length)} more clients` : ""],
  ]), found(row.found), fixes(row.remedies)];
}

function certificateDetail(row) {
  return [terms([
    ["Subject", row.subject], ["Issuer", row.issuer], ["Names", row.san.join(", ")],
    ["Serial", make("code", {}, row.serial)], ["Key", row.keyType], ["Signature", row.signature],
    ["Valid", `${day(row.from)} to ${day(row.until)}`],
    ["SHA-256", make("code", {}, row.sha256)], ["SHA-1", make("code", {}, row.sha1)],
    ["Seen", span(row.first, row.last)],
    ["Servers", row.servers.map((name) => [make("button", { type: "button", class: "link",
      onclick: () => follow("servers", name) }, name), " "])],
    ["Sent by clients", row.clients ? count(row.clients, "host", "hosts") : ""],
  ])];
}
