// Rows that are all in the page: how they are filtered and sorted here.

/** An address as four numbers of 32 bits, IPv4 mapped into IPv6; null if it is none. */
function address(text) {
  let words = text;
  const dotted = /^(.*?)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (dotted) {
    const bytes = dotted.slice(2).map(Number);
    if (bytes.some((byte) => byte > 255)) return null;
    const [high, low] = [bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]];
    words = `${dotted[1] || "::ffff:"}${high.toString(16)}:${low.toString(16)}`;
  }
  const halves = words.split("::");
  if (halves.length > 2 || !/^[0-9a-f:]+$/i.test(words)) return null;
  const parts = halves.map((half) => (half ? half.split(":") : []));
  const missing = 8 - parts.flat().length;
  if (halves.length === 2 ? missing < 0 : missing !== 0) return null;
  const all = halves.length === 2 ? [...parts[0], ...Array(missing).fill("0"), ...parts[1]] : parts[0];
  const numbers = all.map((part) => (/^[0-9a-f]{1,4}$/i.test(part) ? parseInt(part, 16) : NaN));
  if (numbers.some(Number.isNaN)) return null;
  return [0, 2, 4, 6].map((at) => numbers[at] * 65536 + numbers[at + 1]);
}

/** A test for a network (`10.0.0.0/8`), an address, or the beginning of one (`10.20.`). */
function network(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const [base, length] = wanted.split("/");
  const parts = address(base);
  if (!parts || (length !== undefined && !/^\d{1,3}$/.test(length))) {
    return (ip) => ip.startsWith(wanted);
  }
  const all = base.includes(".") ? 32 : 128;
  const bits = Math.min(length === undefined ? all : Number(length), all) + 128 - all;
  const masks = [0, 1, 2, 3].map((at) => {
    const own = Math.max(0, Math.min(32, bits - at * 32));
    return own === 0 ? 0 : (0xffffffff << (32 - own)) >>> 0;
  });
  return (ip) => {
    const own = address(ip);
    return own !== null && masks.every((mask, at) => ((own[at] ^ parts[at]) & mask) === 0);
  };
}

/** What a row is searched in: made when it is first asked for, and kept. */
function haystack(row, view) {
  if (row.hay === undefined) row.hay = views[view].words(row).join("\n").toLowerCase();
  return row.hay;
}

/** Make what rows are searched in before somebody searches, a few at a time. */
function prepare() {
  const left = [["clients", 0], ["servers", 0], ["certificates", 0]];
  const of = pack;
  const step = () => {
    if (of !== pack || !left.length) return;
    const until = performance.now() + 12;
    while (left.length && performance.now() < until) {
      const [view, at] = left[0];
      pack[view].slice(at, at + 100).forEach((row) => haystack(row, view));
      left[0][1] += 100;
      if (left[0][1] >= pack[view].length) left.shift();
    }
    if (left.length) setTimeout(step, 4);
    else document.body.dataset.prepared = "";
  };
  setTimeout(step, 50);
}

/** The rows that are asked for, sorted. */
function select(state) {
  const view = views[state.view];
  const at = policyAt(state);
  const tests = [];
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const near = network(state.network);
  if (state.outcome && view.letter) {
    tests.push((row) => state.outcome.includes((view.letter(row, at) || "u").toLowerCase()));
  }
  if (state.reason && view.reasons) tests.push((row) => view.reasons(row, at).includes(state.reason));
  if (state.owner && view.owned) tests.push((row) => row.owner === state.owner);
  if (state.site && view.owned) tests.push((row) => row.site === state.site);
  if (state.software && view.software) {
    tests.push((row) => view.software(row).includes(state.software));
  }
  if (near && view.owned) tests.push((row) => near(row.ip) || (row.others || []).some(near));
  if (words.length) {
    tests.push((row) => words.every((word) => haystack(row, state.view).includes(word)));
  }
  const rows = pack[state.view].filter((row) => tests.every((test) => test(row)));
  const sort = state.sort || view.sort;
  const falling = sort.startsWith("-");
  const column = view.columns.find((one) => one.id === sort.replace("-", "")) || view.columns[0];
  const weight = (row) => view.weight(row, at);
  const keyed = rows.map((row) => ({ row, key: column.key(row, at), weight: weight(row) }));
  // Texts are many times the same ones: each is compared once, then only its rank.
  if (typeof keyed[0]?.key === "string") {
    const texts = [...new Set(keyed.map((one) => one.key))].sort();
    const ranks = new Map(texts.map((text, rank) => [text, rank]));
    keyed.forEach((one) => { one.key = ranks.get(one.key); });
  }
  const sense = falling ? -1 : 1;
  // Equal rows keep one order whatever they are sorted by: the worst, then the busiest first.
  keyed.sort((a, b) => (a.key - b.key) * sense || a.weight - b.weight
    || b.row.connections - a.row.connections || a.row.at - b.row.at);
  return keyed.map((one) => one.row);
}

/** What can be chosen in a filter, with how many rows have it. */
function choices(list) {
  const numbers = new Map();
  for (const item of list) if (item) numbers.set(item, (numbers.get(item) || 0) + 1);
  return [...numbers].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** What can be chosen in the filters of a table. */
function choicesOf(state) {
  const view = views[state.view];
  const at = policyAt(state);
  const rows = pack[state.view];
  return {
    outcome: view.letter ? choices(rows.map((row) => (view.letter(row, at) || "u").toLowerCase())) : [],
    reason: view.reasons ? choices(rows.flatMap((row) => unique(view.reasons(row, at)))) : [],
    owner: view.owned ? choices(rows.map((row) => row.owner)) : [],
    site: view.owned ? choices(rows.map((row) => row.site)) : [],
    software: view.software ? choices(rows.flatMap((row) => view.software(row))).slice(0, 200) : [],
  };
}

/** Where rows come from: the page itself. */
const source = {
  filled: "",
  total: (view) => pack[view].length,
  ask(state, then) {
    const rows = select(state);
    const page = Math.max(1, Math.min(Math.ceil(rows.length / ROWS), Number.parseInt(state.page, 10) || 1));
    const filled = `${state.view} ${policyAt(state)}`;
    const fresh = filled !== this.filled;
    this.filled = filled;
    then({ rows: rows.slice((page - 1) * ROWS, page * ROWS), matched: rows.length, page,
      choices: fresh ? choicesOf(state) : null });
  },
  all: async (state) => select(state),
};

let pack = unpack(JSON.parse(document.getElementById("data").textContent));
prepare();
