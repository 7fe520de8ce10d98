// The tables: what their columns are, and how a page of them is drawn. Columns are called as in the
// tables that the program serves. The weight of a row is less the worse it is.

const unique = (list) => [...new Set(list)];

/** The stacks that make a host what it is under a policy. */
function deciding(row, at) {
  const letter = (row.letters[at] || "u").toLowerCase();
  return row.stacks.filter(({ kind }) => !kind.retryOf && kind.verdicts[at]?.letter === letter);
}

const few = (list, limit = 3) => (list.length > limit
  ? `${list.slice(0, limit - 1).join(", ")} and ${list.length - limit + 1} more` : list.join(", "));

const software = (row) => unique(row.stacks.flatMap(({ kind }) => kind.software.map((one) => one.name)));
const lowest = (row) => row.stacks.map(({ kind }) => kind.version).filter(Boolean)
  .reduce((low, version) => (!low || weigh(version) < weigh(low) ? version : low), "");
const weigh = (version) => (version.startsWith("SSL") ? 0 : 10) + Number(/[\d.]+$/.exec(version)?.[0] || 0);

const views = {
  clients: {
    title: "Clients", one: "client host", many: "client hosts", sort: "outcome", owned: true,
    letter: (row, at) => row.letters[at],
    weight: (row, at) => -WEIGHTS[(row.letters[at] || "u").toLowerCase()],
    reasons: (row, at) => row.stacks.flatMap(({ kind }) => kind.verdicts[at]?.reasons || []),
    software,
    words: (row) => [row.ip, ...row.others, ...row.names, row.mac, row.maker, row.owner, row.site,
      ...row.stacks.flatMap((stack) => [stack.kind.ja4, stack.kind.ja3, stack.kind.version,
        ...stack.kind.software.map((one) => one.name), ...stack.names()])],
    detail: clientDetail,
    columns: [
      { id: "ip", label: "Host", key: (row) => row.at, cell: (row) => [row.ip,
        row.names.length ? make("span", { class: "sub" }, few(row.names, 2)) : ""] },
      { id: "outcome", label: "Outcome", key: (row, at) => views.clients.weight(row, at),
        cell: (row, at) => badge(row.letters[at]) },
      { id: "why", label: "Why", key: (row, at) => deciding(row, at)[0]?.kind.verdicts[at].why || "",
        cell: (row, at) => few(unique(deciding(row, at).map(({ kind }) => kind.verdicts[at].why)), 2) },
      { id: "software", label: "Looks like", key: (row) => software(row)[0] || "\uffff",
        cell: (row, at) => few(unique(deciding(row, at).flatMap(({ kind }) =>
          kind.software.map((one) => one.name))), 2) },
      { id: "max_version", label: "Offers at most", key: (row) => weigh(lowest(row)),
        cell: (row) => unique(row.stacks.map(({ kind }) => kind.version || "?")).join(", ") },
      { id: "owner", label: "Owner", key: (row) => row.owner.toLowerCase() || "\uffff",
        cell: (row) => [row.owner, row.site && make("span", { class: "sub" }, row.site)] },
      { id: "connections", label: "Connections", number: true, key: (row) => row.connections,
        cell: (row) => grouped(row.connections) },
      { id: "last_seen", label: "Last seen", key: (row) => row.last, cell: (row) => minute(row.last) },
    ],
  },
  servers: {
    title: "Servers", one: "server", many: "servers", sort: "outcome", owned: true,
    letter: (row, at) => excepted(row.verdicts[at]),
    weight: (row, at) => -WEIGHTS[row.verdicts[at]?.letter || "u"] - (row.internal ? 0.5 : 0),
    reasons: (row, at) => row.verdicts[at]?.reasons || [],
    words: (row) => [row.server, ...row.names, ...row.snis, row.mac, row.maker, row.owner, row.site,
      row.chain.root, row.chain.issuer, row.chain.status, ...row.certificates],
    detail: serverDetail,
    columns: [
      { id: "ip", label: "Server", key: (row) => row.at, cell: (row) => [row.server,
        make("span", { class: "sub" }, few([...row.names, ...row.snis], 2))] },
      { id: "outcome", label: "Outcome", key: (row, at) => views.servers.weight(row, at),
        cell: (row, at) => badge(excepted(row.verdicts[at])) },
      { id: "why", label: "Why", key: (row, at) => row.verdicts[at]?.why || "",
        cell: (row, at) => row.verdicts[at]?.why || "" },
      { id: "versions", label: "Negotiated", key: (row) => row.versions[0]?.name || "",
        cell: (row) => tally(row.versions) },
      { id: "chain", label: "Chain", key: (row) => row.chain.status,
        cell: (row) => spoken(row.chain.status) },
      { id: "owner", label: "Owner", key: (row) => row.owner.toLowerCase() || "\uffff",
        cell: (row) => [row.owner || (row.internal ? "ours" : "others"),
          row.site && make("span", { class: "sub" }, row.site)] },
      { id: "clients", label: "Clients", number: true, key: (row) => row.clients,
        cell: (row) => grouped(row.clients) },
      { id: "last_seen", label: "Last seen", key: (row) => row.last, cell: (row) => minute(row.last) },
    ],
  },
  certificates: {
    title: "Certificates", one: "certificate", many: "certificates", sort: "-connections",
    weight: () => 0,
    words: (row) => [row.sha256, row.sha1, row.subject, row.issuer, row.serial, row.keyType,
      ...row.san, ...row.servers],
    detail: certificateDetail,
    columns: [
      { id: "name", label: "Subject", key: (row) => row.subject.toLowerCase(),
        cell: (row) => row.subject || row.sha256.slice(0, 16) },
      { id: "issuer", label: "Issuer", key: (row) => row.issuer.toLowerCase(), cell: (row) => row.issuer },
      { id: "key", label: "Key", key: (row) => row.keyType, cell: (row) => row.keyType },
      { id: "signature", label: "Signature", key: (row) => row.signature, cell: (row) => row.signature },
      { id: "not_after", label: "Valid until", key: (row) => row.until ?? 0, cell: (row) => day(row.until) },
      { id: "connections", label: "Connections", number: true, key: (row) => row.connections,
        cell: (row) => grouped(row.connections) },
      { id: "last_seen", label: "Last seen", key: (row) => row.last, cell: (row) => minute(row.last) },
    ],
  },
};

function excepted(verdict) {
  if (!verdict) return "u";
  return verdict.excepted ? verdict.letter.toUpperCase() : verdict.letter;
}

/** A page of rows as a table. */
function drawTable(state, rows, total) {
  const view = views[state.view];
  const at = policyAt(state);
  const sort = state.sort || view.sort;
  const head = view.columns.map((column) => {
    const sense = sort === column.id ? "ascending" : sort === `-${column.id}` ? "descending" : "none";
    const next = sense === "descending" || (sense === "none" && !column.number)
      ? column.id : `-${column.id}`;
    return make("th", { scope: "col", "aria-sort": sense, class: column.number ? "number" : null },
      make("button", { type: "button", "data-sort": column.id, onclick: () => change({ sort: next }) },
        column.label, make("span", { class: "arrow", "aria-hidden": "true" },
          { ascending: " ▲", descending: " ▼", none: "" }[sense])));
  });
  const open = new Set(state.open.split(" ").filter(Boolean));
  const body = rows.flatMap((row) => drawRow(view, row, at, open));
  if (!rows.length) {
    body.push(make("tr", {}, make("td", { class: "empty", colspan: view.columns.length },
      total ? "Nothing fits these filters." : `No ${view.one} was seen.`)));
  }
  return make("table", { class: "list hosts" }, make("caption", { class: "quiet" }, view.title),
    make("thead", {}, make("tr", {}, head)), make("tbody", {}, body));
}

function drawRow(view, row, at, open) {
  const key = encodeURIComponent(row.key);
  const isOpen = open.has(key);
  const id = `row-${state.view}-${key}`;
  const cells = view.columns.map((column, place) => {
    const content = column.cell(row, at);
    if (place > 0) {
      return make("td", { "data-label": column.label, class: column.number ? "number" : null },
        make("div", {}, content));
    }
    return make("th", { scope: "row" }, make("button", { type: "button", class: "opener",
      "aria-expanded": String(isOpen), "aria-controls": id, "data-key": row.key,
      onclick: () => toggle(key) },
    make("span", { class: "mark", "aria-hidden": "true" }), make("span", {}, content)));
  });
  const line = make("tr", { class: isOpen ? "open" : null, "data-row": key }, cells);
  if (!isOpen) return [line];
  return [line, make("tr", { class: "detail", id },
    make("td", { colspan: view.columns.length }, make("div", { class: "inside" }, view.detail(row))))];
}
