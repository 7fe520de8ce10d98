// What its reader asks for: which rows, in which order. It stands in the address, behind `#`.

const DEFAULTS = { view: "clients", q: "", outcome: "", reason: "", owner: "", site: "", network: "",
  software: "", policy: "", sort: "", page: "1", open: "" };
const ROWS = 50;

/** What the address asks for. */
function asked() {
  const wanted = { ...DEFAULTS };
  const hash = location.hash.slice(1);
  if (hash.includes("=")) {
    for (const [name, value] of new URLSearchParams(hash)) {
      if (name in DEFAULTS) wanted[name] = value;
    }
  }
  if (!["clients", "servers", "certificates"].includes(wanted.view)) wanted.view = "clients";
  return wanted;
}

/** Put what is asked for into the address: only what differs from what everybody gets. */
function remember(state) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (value !== DEFAULTS[name]) parts.set(name, value);
  }
  const hash = parts.toString();
  const base = location.href.split("#")[0];
  history.replaceState(null, "", hash ? `${base}#${hash}` : base);
}

/** Which policy the tables speak of. */
function policyAt(state) {
  return Math.max(0, pack.policies.findIndex((policy) => policy.id === state.policy));
}
