// A page that is served takes over what is new as the census grows, and its reader's place stays.

const EVERY = 3000;
/** When the program was started that was asked last: another one numbers its reports anew. */
let run = null;
const SECTIONS = ["answer", "pictures", "findings", "fixes", "seen"];

/** What stands where its reader looks, from the innermost outwards. */
function looked() {
  const list = [];
  let at = document.elementFromPoint(innerWidth / 2, innerHeight / 3);
  for (; at && at !== document.body; at = at.parentElement) {
    list.push([at, at.getBoundingClientRect().top]);
  }
  return list;
}

/** Change the page, and keep what its reader looks at where it is. */
function still(change) {
  const places = scrollY > 0 ? looked() : [];
  change();
  const place = places.find(([one]) => one.isConnected);
  const moved = place ? place[0].getBoundingClientRect().top - place[1] : 0;
  if (moved) scrollBy({ top: moved, behavior: "instant" });
}

/** Take over what is new: the sections of a page that was fetched anew, and rows. */
async function takeOver(fresh) {
  // What its reader asks for may be refused: then the rest is new all the same.
  const rows = await source.again(state).catch((error) => {
    if (error instanceof TypeError) throw error;
    return () => {};
  });
  still(() => {
    for (const id of SECTIONS) {
      const other = fresh.getElementById(id);
      other.querySelectorAll(".fix").forEach((fix) => buttons(fix, fix.id.slice(4)));
      keep(document.getElementById(id), other);
    }
    rows();
  });
}

/** A share of packets, for people. */
function percent(share) {
  if (share === 0) return "0\u00a0%";
  return share < 0.0001 ? "under 0.01\u00a0%" : `${(100 * share).toFixed(2)}\u00a0%`;
}

/** How the wire stands, in a line. */
function tell(now) {
  const line = [now.live ? "Live" : "From a census file"];
  for (const one of now.interfaces) {
    line.push(`${one.name} ${one.condition}: ${count(one.packets_per_s, "packet", "packets")}/s, `
      + `${(one.bits_per_s / 1e6).toFixed(1)}\u00a0Mbit/s, lost ${grouped(one.lost)} `
      + `(${percent(one.lost_share)}; while a handshake was open ${percent(one.open_lost_share)})`);
  }
  if (now.live) {
    line.push(count(now.connections, "TLS connection", "TLS connections"));
    line.push(`up ${Math.floor(now.uptime_s / 3600)}\u00a0h ${Math.floor(now.uptime_s / 60) % 60}\u00a0min`);
  }
  if (now.made) line.push(`report of ${now.made.slice(0, 10)} ${now.made.slice(11, 19)}`);
  document.getElementById("wire-now").textContent = line.join(" · ");
  trouble(now.troubles.join("; "));
}

/** What is wrong is said once, not every few seconds. */
function trouble(words) {
  const place = document.getElementById("wire-trouble");
  if (place.textContent !== words) place.textContent = words;
  document.getElementById("wire").classList.toggle("trouble", words !== "");
}

/** Ask for the state, and for the page if there is another one than that of this tag. */
async function ask(tag) {
  const now = await (await fetch("api/state", { cache: "no-store" })).json();
  still(() => tell(now));
  const again = run !== null && run !== now.started;
  run = now.started;
  if (!again && !now.stale && tag.endsWith(`-${now.version}`)) return tag;
  const known = { "If-None-Match": `"${tag}"` };
  const answer = await fetch("./", { cache: "no-store", headers: known });
  if (answer.status === 304) return tag;
  const text = await answer.text();
  if (!answer.ok) {
    trouble(text.trim());
    return tag;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  await takeOver(fresh);
  return fresh.documentElement.dataset.live;
}

async function watch(before) {
  let tag = before;
  const began = performance.now();
  try {
    if (!document.hidden) tag = await ask(tag);
  } catch {
    trouble("The program does not answer: what is shown is what it said last.");
  }
  // A page of many hosts takes long to fetch and to draw: it is asked for less often.
  setTimeout(() => watch(tag), Math.max(EVERY, 10 * (performance.now() - began)));
}

watch(document.documentElement.dataset.live);
