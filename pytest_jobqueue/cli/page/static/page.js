// Keeps the page up to date: when the server says that something is new, the same address is asked for again,
// and the parts that are different are shown anew, with focus and what was unfolded as they were.
"use strict";

const live = document.getElementById("live");
const shown = new Map(); // part → its HTML as the server sent it
const unfolded = new Set(); // jobs, also while one is in another list for a moment
let busy = false, again = false, skipped = false, events = null, timer = 0;

for (const part of document.querySelectorAll("[data-part]")) shown.set(part.dataset.part, part.innerHTML);

// Places

const sign = (element) => `${element.tagName} ${element.value || element.getAttribute("href") || ""}`;
const rows = (part) => [...part.querySelectorAll("[data-job]")];
const rowOf = (part, key) => rows(part).find((row) => row.dataset.job === key);

function placeOf(part) {
  const element = document.activeElement;
  if (!element || element === part || !part.contains(element)) return null;
  const row = element.closest("[data-job]");
  return { sign: sign(element), job: row && row.dataset.job, index: row && rows(part).indexOf(row) };
}

function goBack(part, place) {
  const all = rows(part);
  const row = place.job === null ? part : rowOf(part, place.job) || all[Math.min(place.index, all.length - 1)];
  const same = row && [...row.querySelectorAll("a, button, summary, pre")].find((one) => sign(one) === place.sign);
  (same || part.querySelector("h2") || part).focus({ preventScroll: true });
}

function remember(row) {
  const details = row.querySelector("details");
  if (details) unfolded[details.open ? "add" : "delete"](row.dataset.job);
}

function isRead(part) {
  const selection = document.getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

// Showing

function show(fresh, { submitted = false } = {}) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!next || shown.get(part.dataset.part) === next.innerHTML) continue;
    if (isRead(part) && !submitted) { skipped = true; continue; }
    const place = placeOf(part);
    for (const row of rows(part)) remember(row);
    shown.set(part.dataset.part, next.innerHTML);
    part.innerHTML = next.innerHTML;
    for (const row of rows(part)) {
      const details = row.querySelector("details");
      if (details) details.open = unfolded.has(row.dataset.job);
    }
    if (place) goBack(part, place);
  }
  const token = fresh.querySelector("input[name=token]");
  if (token) for (const input of document.querySelectorAll("input[name=token]")) input.value = token.value;
  const names = fresh.getElementById("names");
  if (names) document.getElementById("names").innerHTML = names.innerHTML;
  if (submitted) {
    for (const id of ["notice", "enqueue-error"]) {
      const text = fresh.getElementById(id);
      if (text) document.getElementById(id).textContent = text.textContent;
    }
  }
  tick();
}

async function read(response) {
  const text = await response.text();
  if (!(response.headers.get("content-type") || "").startsWith("text/html")) throw new Error(text);
  return new DOMParser().parseFromString(text, "text/html");
}

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    show(await read(await fetch(location.href)));
  } catch { /* the next event brings it */ }
  busy = false;
  if (again) { again = false; refresh(); }
}

// Sending

document.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form));
  if (event.submitter) fields.set(event.submitter.name, event.submitter.value);
  try {
    show(await read(await fetch(form.getAttribute("action"), { method: "POST", body: fields })), { submitted: true });
  } catch (error) {
    document.getElementById("notice").textContent = `This did not work: ${error.message}`;
  }
});

// Listening. A hidden page does not: a browser has only a few connections for each address.

function listen() {
  clearTimeout(timer);
  if (events) events.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("/events");
  events.onopen = () => { live.textContent = "Live"; };
  events.onmessage = refresh;
  events.onerror = () => {
    live.textContent = "Not connected; trying again …";
    if (events.readyState === EventSource.CLOSED) timer = setTimeout(listen, 1000);
  };
}

document.addEventListener("visibilitychange", listen);
document.addEventListener("selectionchange", () => {
  if (skipped && document.getSelection().isCollapsed) { skipped = false; refresh(); }
});

// Time

const UNITS = [["s", 1, 120], ["min", 60, 7200], ["h", 3600, 172800], ["days", 86400, Infinity]];

function until(seconds) {
  if (seconds <= 0) return "due";
  const [unit, length] = UNITS.find((one) => seconds < one[2]);
  return `in ${Math.ceil(seconds / length)} ${unit}`;
}

function tick() {
  for (const due of document.querySelectorAll("[data-due]")) {
    due.textContent = until(Number(due.dataset.due) - Date.now() / 1000);
  }
}

setInterval(tick, 1000);
listen();
