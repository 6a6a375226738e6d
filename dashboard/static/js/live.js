// One stream a tab. It says that something happened; htmx then asks for the live parts of this page anew. Of a log that
// grows it tells what is new.
import { grow, keepPlace, startTail, watching, whose } from "./tail.js";

const OFTEN = 3000; // A page is asked for at most so often, however much happens (ms).
const LATE = 6000; // Once more after the last event: events are numbered before they are committed.

const root = document.body;
const button = document.getElementById("live");
const word = document.getElementById("live-word");
let stream, after, following, asked = 0, waiting, paused = sessionStorage.getItem("paused") === "yes";

function show(state, text) {
  button.dataset.is = state;
  button.setAttribute("aria-pressed", String(state === "paused"));
  word.textContent = text;
}

function concerns(change) {
  const job = Number(root.dataset.liveJob);
  return !job || change.many || change.jobs.includes(job);
}

function refresh() {
  clearTimeout(waiting);
  const left = asked + OFTEN - Date.now();
  if (left > 0) return void (waiting = setTimeout(refresh, left));
  if (paused || document.hidden) return;
  // Nothing moves under a reader's hands.
  if (document.querySelector("dialog[open], details.menu[open], tbody input:checked")) return;
  asked = Date.now();
  htmx.trigger(root, "live");
}

function open() {
  if (stream || paused || document.hidden) return;
  following = whose();
  stream = new EventSource(`${root.dataset.root}/live?${[after && `after=${after}`, watching()].filter(Boolean).join("&")}`);
  stream.onopen = () => show("live", "Live");
  stream.onerror = () => show("lost", "Reconnecting");
  stream.addEventListener("change", (event) => {
    after = event.lastEventId;
    button.toggleAttribute("data-beat");
    if (!concerns(JSON.parse(event.data))) return;
    refresh();
    setTimeout(refresh, LATE);
  });
  stream.addEventListener("log", (event) => grow(JSON.parse(event.data)));
}

function close() {
  stream?.close();
  stream = undefined;
}

// Another attempt has begun, or this one has ended.
function followAnother() {
  if (!stream || following === whose()) return;
  close();
  open();
}

// What the reader has opened stays open in what takes its place.
function keepOpen({ detail }) {
  for (const opened of detail.target.querySelectorAll("details[id][open]")) {
    detail.fragment.querySelector(`#${opened.id}`)?.setAttribute("open", "");
  }
}

export function startLive() {
  if (!root.hasAttribute("hx-get") || !window.htmx) return;
  root.addEventListener("htmx:oobBeforeSwap", keepOpen);
  root.addEventListener("htmx:oobBeforeSwap", keepPlace);
  root.addEventListener("htmx:oobAfterSwap", followAnother);
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    if (paused) close();
    else open();
    show(paused ? "paused" : "live", paused ? "Paused" : "Live");
    if (!paused) refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!paused) open(), refresh();
  });
  // Of running work only its stage changes, and workers come and go: neither is an event.
  setInterval(() => document.querySelector("[data-runs]") && refresh(), 5000);
  show(paused ? "paused" : "live", paused ? "Paused" : "Live");
  startTail();
  open();
}
