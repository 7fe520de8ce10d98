// What the page does when it is opened, and when somebody chooses something.

let state = asked();
const parts = {};

/** Somebody chose something. */
function change(what) {
  const stays = "page" in what || "open" in what;
  state = { ...state, ...(stays ? {} : { page: "1" }), ...what };
  remember(state);
  draw();
}

/** Open or close a row. */
function toggle(key) {
  const open = new Set(state.open.split(" ").filter(Boolean));
  if (!open.delete(key)) open.add(key);
  change({ open: [...open].join(" ") });
}

/** Show what is known of something that is named elsewhere. */
function follow(view, key) {
  change({ ...DEFAULTS, policy: state.policy, view, q: key, open: encodeURIComponent(key) });
  document.getElementById("hosts").scrollIntoView();
  parts.tabs.querySelector("[aria-selected=true]").focus({ preventScroll: true });
}

/** Choose another table: filters that it does not have are let go. */
function turn(view) {
  change({ view, sort: "", open: "", reason: "", software: "" });
}

/** Draw what is asked for, at once or when it has come. */
function draw() {
  drawTabs();
  drawFilters();
  const began = performance.now();
  source.ask(state, (answer) => {
    show(answer);
    document.body.dataset.drawn = (performance.now() - began).toFixed(1);
  });
}

/** Draw rows; what has the focus keeps it. With `keeps`, nobody asked: there is new data, and whatever
 * did not change stays as it is. */
function show(answer, keeps = false) {
  const view = views[state.view];
  const { rows, matched, page } = answer;
  const all = source.total(state.view);
  const focus = focused();
  const table = drawTable(state, rows, all);
  if (keeps) keep(parts.table.firstChild, table);
  else parts.table.replaceChildren(table);
  parts.pager.replaceChildren(...pager(page, Math.max(1, Math.ceil(matched / ROWS))));
  for (const tab of parts.tabs.children) {
    tab.querySelector(".number").textContent = grouped(source.total(tab.dataset.view));
  }
  if (answer.choices) fillFilters(answer.choices, keeps);
  drawFilters(keeps);
  const words = matched === all ? count(all, view.one, view.many)
    : `${grouped(matched)} of ${count(all, view.one, view.many)}`;
  parts.count.textContent = words;
  if (!keeps) say(words);
  restore(focus);
}

/** Which control has the focus, so that it can be found again in what is drawn anew. */
function focused() {
  const { activeElement: one } = document;
  if (!one || !parts.root.contains(one)) return null;
  for (const name of ["data-sort", "data-key", "data-page", "id"]) {
    if (one.hasAttribute(name)) return `[${name}="${CSS.escape(one.getAttribute(name))}"]`;
  }
  return null;
}

function restore(focus) {
  if (focus) parts.root.querySelector(focus)?.focus({ preventScroll: true });
}

function pager(page, pages) {
  if (pages === 1) return [];
  const to = (label, target, name) => make("button", { type: "button", "data-page": name,
    disabled: target < 1 || target > pages || target === page,
    onclick: () => { change({ page: String(target) }); parts.root.scrollIntoView(); } }, label);
  return [to("First", 1, "first"), to("Previous", page - 1, "previous"),
    make("span", {}, `Page ${grouped(page)} of ${grouped(pages)}`),
    to("Next", page + 1, "next"), to("Last", pages, "last")];
}

function drawTabs() {
  for (const tab of parts.tabs.children) {
    const chosen = tab.dataset.view === state.view;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  parts.panel.setAttribute("aria-labelledby", `tab-${state.view}`);
}

/** Filters show what is asked for; those that the table does not have are hidden. */
function drawFilters(keeps = false) {
  const view = views[state.view];
  const has = { outcome: view.letter, reason: view.reasons, owner: view.owned, site: view.owned,
    network: view.owned, software: view.software, policy: view.letter, q: true };
  for (const [name, control] of Object.entries(parts.controls)) {
    const alone = control.tagName === "SELECT" && control.options.length < (name === "policy" ? 2 : 3)
      && name !== "outcome" && !state[name];
    control.closest("label").hidden = !has[name] || alone;
    if (keeps && control === document.activeElement) continue;
    if (control.value !== state[name]) control.value = state[name];
    // A value of the address that is no choice is one all the same: the filter holds.
    if (control.tagName === "SELECT" && control.value !== state[name] && name !== "policy") {
      control.append(make("option", { value: state[name] }, state[name]));
      control.value = state[name];
    }
  }
  if (!state.policy) parts.controls.policy.value = pack.policies[0]?.id || "";
  parts.reset.hidden = !["q", "outcome", "reason", "owner", "site", "network", "software"]
    .some((name) => state[name]);
}

/** What can be chosen depends on the table. */
function fillFilters(found, keeps) {
  const fill = (name, all, list, words = (item) => item) => {
    const control = parts.controls[name];
    // A list that somebody chooses from is not changed under their eyes.
    if (keeps && control === document.activeElement) return;
    control.replaceChildren(make("option", { value: "" }, all), ...list.map(([item, number]) =>
      make("option", { value: item }, `${words(item)} (${grouped(number)})`)));
  };
  found.outcome.sort((a, b) => WEIGHTS[b[0]] - WEIGHTS[a[0]]);
  fill("outcome", "Any outcome", found.outcome, (letter) => WORDS[letter]);
  fill("reason", "Any reason", found.reason, spoken);
  fill("owner", "Any owner", found.owner);
  fill("site", "Any site", found.site);
  fill("software", "Any software", found.software);
}

function build() {
  const tabs = Object.entries(views).map(([name, view]) => make("button", { type: "button",
    role: "tab", id: `tab-${name}`, "data-view": name, "aria-controls": "panel",
    onclick: () => turn(name) }, view.title,
  make("span", { class: "number" }, grouped(source.total(name)))));
  parts.tabs = make("div", { role: "tablist", "aria-label": "Tables", class: "tabs",
    onkeydown: arrows }, tabs);
  const control = (name, label, tag, attributes = {}) => {
    const element = make(tag, { id: `filter-${name}`, ...attributes });
    const wait = tag === "INPUT" || tag === "input" ? 120 : 0;
    let timer = 0;
    element.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => choose(name, element.value), wait);
    });
    parts.controls[name] = element;
    return make("label", { class: `f-${name}` }, make("span", {}, label), element);
  };
  parts.controls = {};
  const filters = make("div", { class: "filters", role: "search", "aria-label": "Filter" },
    control("q", "Search", "input", { type: "search", placeholder: "address, name, software, JA4 …",
      autocomplete: "off", spellcheck: "false" }),
    control("outcome", "Outcome", "select"), control("reason", "Reason", "select"),
    control("owner", "Owner", "select"), control("site", "Site", "select"),
    control("network", "Network", "input", { placeholder: "10.20.0.0/16", autocomplete: "off",
      spellcheck: "false" }),
    control("software", "Software", "select"), control("policy", "Policy", "select"));
  parts.controls.policy.append(...pack.policies.map((policy) =>
    make("option", { value: policy.id, title: policy.title }, policy.id)));
  parts.reset = make("button", { type: "button", id: "reset", onclick: () => {
    change({ ...DEFAULTS, view: state.view, policy: state.policy });
    parts.controls.q.focus();
  } }, "Clear filters");
  parts.count = make("strong", { id: "count" });
  parts.table = make("div", { class: "scroll tablebox" });
  parts.pager = make("nav", { class: "pager", "aria-label": "Pages" });
  parts.panel = make("div", { role: "tabpanel", id: "panel" }, filters,
    make("div", { class: "bar" }, parts.count, parts.reset,
      make("button", { type: "button", id: "export", onclick: saveShown }, "Save as CSV")),
    parts.table, parts.pager);
  parts.root = document.getElementById("tables");
  parts.root.replaceChildren(parts.tabs, parts.panel);
}

function choose(name, value) {
  const first = pack.policies[0]?.id;
  change({ [name]: name === "policy" && value === first ? "" : value });
}

/** All pages of what is asked for, as a file. */
async function saveShown() {
  const wanted = state;
  try {
    const rows = await source.all(wanted);
    save(`tlscensus-${wanted.view}.csv`, csv(wanted, rows), "text/csv");
    say("Saved.");
  } catch (error) {
    fail(error);
  }
}

/** What was asked for cannot be had. */
function fail(error) {
  parts.count.textContent = error.message;
  say(error.message);
}

/** Arrows walk over the tabs, as they do everywhere. */
function arrows(event) {
  const names = Object.keys(views);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = names[(names.indexOf(state.view) + step + names.length) % names.length];
  turn(next);
  document.getElementById(`tab-${next}`).focus();
}

/** Light and dark: the system's choice until somebody makes one. */
function themes() {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const stored = (value) => {
    try {
      if (value) localStorage.setItem("tlscensus-theme", value);
      return localStorage.getItem("tlscensus-theme");
    } catch { return null; }
  };
  const is = () => (root.dataset.theme || (dark.matches ? "dark" : "light"));
  const show = () => { button.textContent = is() === "dark" ? "Light" : "Dark"; };
  const known = stored();
  if (known === "dark" || known === "light") root.dataset.theme = known;
  button.addEventListener("click", () => {
    root.dataset.theme = is() === "dark" ? "light" : "dark";
    stored(root.dataset.theme);
    show();
  });
  dark.addEventListener("change", show);
  button.hidden = false;
  show();
}

/** Links within the page leave the address to the filters; a fix that is linked to is opened. */
function anchors() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    const target = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView();
    if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
    target.focus({ preventScroll: true });
  });
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=") && location.hash) return;
    state = asked();
    draw();
  });
}

build();
draw();
themes();
anchors();
document.querySelectorAll("#fixes .fix").forEach((fix) => buttons(fix, fix.id.slice(4)));
