"use strict";
// The data of the page. Rows are lists; this file alone knows what stands where in them (as
// `pack.rs` wrote them). What hosts said of themselves is text: it is never read as markup.

const WORDS = { b: "breaks", a: "at risk", u: "not known", r: "goes on working" };
const EDGE_WORDS = { b: "breaks", u: "not known", n: "unchanged", g: "upgrades",
  2: "upgrades to TLS\u00a01.2", 3: "upgrades to TLS\u00a01.3" };
const CLASSES = { b: "breaks", a: "risk", u: "unknown", r: "ready", n: "ready", g: "ready",
  2: "ready", 3: "ready" };
const WEIGHTS = { b: 4, a: 3, u: 2, r: 1 };

/** A pack as objects: what is listed once is shared by all rows that name it. */
function unpack(raw) {
  const text = raw.text;
  const texts = (places) => places.map((place) => text[place]);
  const remedies = (list) => list.map(([id, title]) => ({ id: text[id], title: text[title] }));
  const counts = (list) => list.map(([name, number]) => ({ name: text[name], number }));
  const offers = raw.offers.map((o) => ({
    versions: o[0], suites: o[1], groups: o[2], schemes: o[3], alpn: o[4], sslv2: o[5], cut: o[6],
  }));
  const verdict = (v) => ({
    letter: v[0], reasons: texts(v[1]), why: text[v[2]], excepted: text[v[3]],
  });
  const kinds = raw.kinds.map((k) => ({
    transport: k[0], ja4: text[k[1]], ja3: text[k[2]], version: k[3], retryOf: text[k[4]],
    offer: k[5] < 0 ? null : offers[k[5]],
    software: k[6].map(([name, confidence, clues]) => (
      { name: text[name], confidence, clues: text[clues] })),
    verdicts: k[7].map(verdict),
    remedies: remedies(k[8]),
  }));
  const findings = raw.findings.map((f) => ({
    id: f[0], severity: f[1], text: text[f[2]], fix: text[f[3]], policies: f[4], excepted: text[f[5]],
  }));
  const found = (list) => list.map(([place, number]) => ({ finding: findings[place], number }));
  const chains = raw.chains.map((c) => ({
    status: c[0], why: text[c[1]], trusted: texts(c[2]), root: text[c[3]], issuer: text[c[4]],
  }));
  // Of a stack only its kind is looked at before it is opened.
  const stack = (s) => ({
    kind: kinds[s[0]], connections: s[1], first: s[2], last: s[3],
    get findings() { return found(s[4]); },
    get edges() {
      return s[5].map((e) => ({
        server: text[e[0]], sni: text[e[1]], connections: e[2], last: e[3], letters: e[4],
        versions: counts(e[5]), suites: counts(e[6]), ended: counts(e[7]), alerts: counts(e[8]),
      }));
    },
    names() { return s[5].map((e) => `${text[e[0]]} ${text[e[1]]}`); },
  });
  return {
    policies: raw.policies.map(([id, title]) => ({ id, title })),
    clients: raw.clients.map((c, at) => ({
      key: c[0], at, ip: c[0], names: texts(c[1]), owner: text[c[2]], site: text[c[3]], mac: c[4],
      internal: (c[5] & 1) > 0, several: (c[5] & 2) > 0, connections: c[6], first: c[7], last: c[8],
      letters: c[9], others: c[10], stacks: c[11].map(stack), maker: text[c[12]],
    })),
    servers: raw.servers.map((s, at) => ({
      key: text[s[0]], at, server: text[s[0]], ip: s[1], port: s[2], application: text[s[3]],
      names: texts(s[4]), owner: text[s[5]], site: text[s[6]], mac: s[7], internal: s[8] > 0,
      snis: texts(s[9]), versions: counts(s[10]), suites: counts(s[11]), chain: chains[s[12]],
      certificates: texts(s[13]), clients: s[14], connections: s[15], first: s[16], last: s[17],
      times: s[18],
      verdicts: s[19].map((v) => ({ ...verdict(v), names: texts(v[4]) })),
      found: found(s[20]), remedies: remedies(s[21]), peers: s[22], maker: text[s[23]],
    })),
    certificates: raw.certificates.map((c, at) => ({
      key: c[0], at, sha256: c[0], sha1: c[1], subject: text[c[2]], issuer: text[c[3]],
      serial: text[c[4]], from: c[5], until: c[6], keyType: text[c[7]], signature: text[c[8]],
      san: texts(c[9]), connections: c[10], first: c[11], last: c[12], servers: texts(c[13]),
      clients: c[14],
    })),
  };
}

/** A moment to the minute. */
function minute(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", "\u00a0");
}

/** A span of time to the minute; one moment stands alone. */
function span(first, last) {
  const [from, to] = [minute(first), minute(last)];
  return from === to ? `${from} UTC` : `${from} to ${to} UTC`;
}

/** A day; certificates may name years that a Date does not know. */
function day(seconds) {
  if (seconds === null) return "";
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? String(seconds) : at.toISOString().slice(0, 10);
}

function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function count(number, one, many) {
  return `${grouped(number)}\u00a0${number === 1 ? one : many}`;
}

/** An element with attributes (`on…`: listeners) and children: nodes, or text that stays text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") element.append(child);
  }
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {
  breaks: "M4 4L12 12M12 4L4 12", risk: "M8 3V9M8 12V13", ready: "M3.5 8.5L6.5 12L12.5 4.5",
  unknown: "M5.5 6C5.5 2.5 10.5 2.5 10.5 6C10.5 8 8 8 8 10M8 12.5V13.5",
};

/** The sign of an outcome; words stand beside it. */
function sign(kind) {
  const svg = document.createElementNS(SVG, "svg");
  const rect = document.createElementNS(SVG, "rect");
  const path = document.createElementNS(SVG, "path");
  const set = (element, attributes) =>
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  set(svg, { class: `sign ${kind}`, viewBox: "0 0 16 16", "aria-hidden": "true" });
  set(rect, { width: 16, height: 16, rx: 3 });
  set(path, { d: SHAPES[kind] });
  svg.append(rect, path);
  return svg;
}

/** An outcome: its sign, its word, and that it is excepted if its letter is a capital. */
function badge(letter, words = WORDS) {
  const small = (letter || "u").toLowerCase();
  const excepted = small !== letter && letter;
  return make("span", { class: "badge" }, sign(CLASSES[small]), words[small],
    excepted && make("span", { class: "excepted" }, "excepted"));
}
