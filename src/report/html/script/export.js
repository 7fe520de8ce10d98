// What is filtered as CSV, in the columns of `--report FILE.csv`; and texts to the clipboard.

const CSV = ["role", "ip", "addresses", "port", "application", "name", "mac", "owner", "software",
  "max_version", "ja4", "policy", "outcome", "reasons", "connections", "first_seen", "last_seen",
  "peers", "snis", "findings", "remediations"];
const OUTCOMES = { b: "breaks", a: "at_risk", u: "unknown", r: "ready" };

/** A value that no spreadsheet takes for a formula, and that is one item of a list. */
function defused(value) {
  const safe = value.replace(/;/g, "\\u{3b}");
  return /^[=+\-@\t\r＝＋－＠]/.test(safe) ? `'${safe}` : safe;
}

/** A cell: values of whatever origin, sorted, each once (RFC 4180). */
function cell(values) {
  const list = Array.isArray(values) ? unique(values.map((one) => defused(String(one)))).sort()
    : [String(values)];
  let line = "";
  for (const [at, item] of list.entries()) {
    // Spreadsheets cut cells at 32,767 characters without a word.
    if (line.length + item.length > 32000) {
      line += `;(${list.length - at} more)`;
      break;
    }
    line += at ? `;${item}` : item;
  }
  return /[,;"\r\n]/.test(line) ? `"${line.replace(/"/g, '""')}"` : line;
}

const stamp = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
const bare = (version) => version.replace("\u00a0", "");
const under = (list, at) => list.map(({ finding }) => finding)
  .filter((one) => !one.policies.length || one.policies.includes(at)).map((one) => one.id);

function clientLines(row, at) {
  return row.stacks.map((stack) => {
    const { kind } = stack;
    const verdict = kind.verdicts[at];
    return ["client", row.ip, [row.ip, ...row.others], "", "", row.names, row.mac,
      row.owner ? [row.owner] : "", kind.software.map((one) => one.name), bare(kind.version),
      kind.ja4 ? [kind.ja4] : "", [pack.policies[at].id], OUTCOMES[verdict.letter], verdict.reasons,
      stack.connections, stamp(stack.first), stamp(stack.last),
      stack.edges.map((edge) => edge.server.replace(/ \([^()]*\)$/, "")),
      stack.edges.map((edge) => edge.sni).filter(Boolean), under(stack.findings, at),
      kind.remedies.map((one) => one.id)];
  });
}

function serverLines(row, at) {
  const verdict = row.verdicts[at];
  const highest = row.versions.map((one) => one.name).sort((a, b) => weigh(b) - weigh(a))[0] || "";
  return [["server", row.ip, row.ip, row.port, row.application ? [row.application] : "", row.names,
    row.mac, row.owner ? [row.owner] : "", "", highest, "", [pack.policies[at].id],
    OUTCOMES[verdict.letter], verdict.reasons, row.connections, stamp(row.first), stamp(row.last),
    row.peers, row.snis, under(row.found, at), row.remedies.map((one) => one.id)]];
}

/** What is shown, all pages of it, as CSV. */
function csv(state, rows) {
  const at = policyAt(state);
  let header = CSV;
  let lines;
  if (state.view === "certificates") {
    header = ["sha256", "sha1", "subject", "issuer", "serial", "not_before", "not_after", "key",
      "signature", "san", "connections", "first_seen", "last_seen", "servers"];
    lines = rows.map((row) => [row.sha256, row.sha1, [row.subject], [row.issuer], [row.serial],
      day(row.from), day(row.until), [row.keyType], [row.signature], row.san, row.connections,
      stamp(row.first), stamp(row.last), row.servers]);
  } else {
    lines = rows.flatMap((row) => (state.view === "clients" ? clientLines : serverLines)(row, at));
  }
  return [header, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Hand a text over as a file. */
function save(name, content, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Put a text on the clipboard, and say so. */
async function copy(content, button) {
  let done = false;
  try {
    await navigator.clipboard.writeText(content);
    done = true;
  } catch {
    // Older browsers, and pages opened from a file, know only this way.
    const area = make("textarea", { class: "quiet" });
    area.value = content;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const before = button.textContent;
  button.textContent = done ? "Copied" : "Not copied";
  say(done ? "Copied." : "The browser did not allow to copy.");
  setTimeout(() => { button.textContent = before === "Copied" ? "Copy" : before; }, 1500);
}

/** Say something to those who listen. */
function say(words) {
  document.getElementById("say").textContent = words;
}
