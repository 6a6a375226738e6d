// The log of an attempt that runs: it grows by what the stream tells, and stays where its reader is.
const MOST = 1 << 18; // Characters on the page, while its reader looks at the end.
const NEAR = 8; // px

const shown = () => document.querySelector("pre[data-log]");
const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
const toEnd = (log) => (log.scrollTop = log.scrollHeight);

/** Which log the page shows, as the stream is asked for it; undefined: none that grows. */
export function whose() {
  return shown()?.dataset.log;
}

/** And how much of it is here already. */
export function watching() {
  const log = shown();
  return log ? `${log.dataset.log}&said=${log.dataset.said}` : "";
}

/** What the stream tells: `text`, which begins behind `start` characters of the log and ends behind `said`. */
export function grow({ job, attempt, start, said, text }) {
  const log = shown();
  if (!log || log.dataset.log !== `job=${job}&attempt=${attempt}`) return;
  const known = Number(log.dataset.said);
  if (said <= known) return;
  const follow = atEnd(log);
  // The server counts characters, and a string here may have two units for one.
  log.append(start > known ? `\n…\n${text}` : [...text].slice(known - start).join(""));
  log.dataset.said = said;
  if (!follow) return;
  while (log.textContent.length > MOST && log.childNodes.length > 1) log.firstChild.remove();
  toEnd(log);
}

/** Before other parts take the place of the log: keep it where the same one still grows; else remember its reader's place. */
export function keepPlace({ detail }) {
  const now = detail.target.querySelector("pre.log");
  const next = detail.fragment.querySelector("pre.log");
  if (!now || !next) return;
  if (now.dataset.log && now.dataset.log === next.dataset.log) {
    detail.shouldSwap = false;
    return;
  }
  const place = { end: atEnd(now), top: now.scrollTop, begins: now.textContent.slice(0, 200), focused: now === document.activeElement };
  // Told at what has come, not at what has gone.
  document.body.addEventListener("htmx:oobAfterSwap", () => returnTo(place), { once: true });
}

function returnTo(place) {
  const log = document.querySelector("#log pre.log");
  if (place.end) toEnd(log);
  else log.scrollTop = place.top + above(log, log.textContent.indexOf(place.begins));
  if (place.focused) log.focus({ preventScroll: true });
}

// The height of what a stored log has before the part that was shown of it while it grew.
function above(log, length) {
  if (length <= 0) return 0;
  const range = document.createRange();
  range.setStart(log.firstChild, 0);
  range.setEnd(log.firstChild, length);
  return range.getBoundingClientRect().height;
}

export function startTail() {
  const log = shown();
  if (log) toEnd(log);
}
