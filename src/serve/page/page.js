"use strict";
// The line above the report: how the wire stands, and that there is something new. The report itself
// is shown anew only when its reader asks for it, and then at the place where they were.
const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const SECONDS = 2000;
let shown = 0;

function percent(share) {
  if (share === 0) return "0 %";
  return share < 0.0001 ? "under 0.01 %" : (100 * share).toFixed(2) + " %";
}

function wire(one) {
  return `${one.name}: ${number.format(one.packets_per_s)} packets/s, ` +
    `${(one.bits_per_s / 1e6).toFixed(1)} Mbit/s, lost ${number.format(one.lost)} ` +
    `(${percent(one.lost_share)}; while a handshake was open ${percent(one.open_lost_share)})`;
}

function tell(state) {
  const parts = state.interfaces.map(wire);
  if (state.live) {
    parts.push(`${number.format(state.connections)} TLS connections`);
    parts.push(`up ${Math.floor(state.uptime_s / 3600)} h ${Math.floor(state.uptime_s / 60) % 60} min`);
  }
  if (state.made) parts.push(`report of ${state.made.slice(0, 19).replace("T", " ")} UTC`);
  at("state").textContent = parts.join(" · ");
  at("trouble").textContent = state.troubles.join("; ");
  at("trouble").hidden = state.troubles.length === 0;
  if (shown === 0) shown = state.version;
  at("new").hidden = !(state.stale || state.version > shown);
}

async function ask() {
  try {
    const answer = await fetch("api/state", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    tell(await answer.json());
  } catch {
    at("trouble").textContent = "the sensor does not answer";
    at("trouble").hidden = false;
  }
}

at("new").addEventListener("click", () => {
  const frame = at("report");
  const place = frame.contentWindow.scrollY;
  frame.addEventListener("load", () => frame.contentWindow.scrollTo(0, place), { once: true });
  // Filters stand in its address, which stays.
  frame.contentWindow.location.reload();
  shown = 0;
  at("new").hidden = true;
});

ask();
setInterval(ask, SECONDS);
