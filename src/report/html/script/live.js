// Served pages are refreshed as the census grows; the reader's place stays: filters, open rows, what
// is unfolded, what has the focus, and how far the page was scrolled.

const EVERY = 3000;

/** Take over what is new of a page that was fetched anew. */
function takeOver(fresh) {
  const middle = document.elementFromPoint(innerWidth / 2, Math.min(200, innerHeight / 2));
  const anchor = middle?.closest("section, figure") || document.querySelector("#answer");
  const before = anchor.getBoundingClientRect().top;
  for (const id of ["answer", "pictures", "findings", "fixes", "seen"]) {
    const [old, other] = [document.getElementById(id), fresh.getElementById(id)];
    // What somebody is using is not taken away under their hands.
    const used = old.contains(document.activeElement) || getSelection().containsNode?.(old, true);
    if (!other || (used && old !== document.activeElement)) continue;
    const name = (one) => one.id || one.closest("[id]")?.id;
    const open = new Set([...old.querySelectorAll("details[open]")].map(name));
    other.querySelectorAll("details").forEach((one) => { one.open = open.has(name(one)); });
    old.className = other.className;
    old.replaceChildren(...other.childNodes);
    old.querySelectorAll(".fix").forEach((fix) => buttons(fix, fix.id.slice(4)));
  }
  pack = unpack(JSON.parse(fresh.getElementById("data").textContent));
  for (const [name, view] of Object.entries(views)) {
    parts.tabs.querySelector(`[data-view=${name}] .number`).textContent = grouped(pack[name].length);
  }
  const said = document.getElementById("say").textContent;
  fillFilters();
  draw();
  // Who listens is told only what they asked for.
  say(said);
  if (anchor.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - before);
}

/** How the wire stands, in a line. */
function wire(now) {
  const lines = now.interfaces.map((one) => `${one.name}: ${one.condition}, `
    + `${grouped(one.packets_per_s)}\u00a0packets/s, ${grouped(one.packets)} read`);
  const what = now.live ? "Live" : "Census file";
  const line = [`${what}, ${count(now.connections, "connection", "connections")}`, ...lines];
  if (now.made) line.push(`as of ${now.made.slice(11, 19)} UTC`);
  const place = document.getElementById("wire");
  place.classList.toggle("trouble", now.troubles.length > 0);
  place.textContent = [...line, ...now.troubles].join(" · ");
  place.hidden = false;
}

async function refresh(known) {
  let version = known;
  try {
    const now = await (await fetch("api/state")).json();
    wire(now);
    if (now.version !== version || now.stale) {
      const answer = await fetch("./", { cache: "no-cache" });
      if (answer.ok) {
        const page = await answer.text();
        takeOver(new DOMParser().parseFromString(page, "text/html"));
        version = now.stale ? null : now.version;
      }
    }
  } catch (error) {
    const place = document.getElementById("wire");
    place.hidden = false;
    place.classList.add("trouble");
    place.textContent = "The program does not answer: what is shown is what it said last.";
  }
  // A page of many hosts takes longer to fetch: it is asked for less often.
  const wait = Math.max(EVERY, pack.clients.length);
  setTimeout(() => refresh(version), wait);
}

if ("live" in document.documentElement.dataset) setTimeout(() => refresh(null), EVERY / 3);
