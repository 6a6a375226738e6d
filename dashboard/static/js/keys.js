// The keyboard: search, rows, help. Keys are left alone where somebody types, and with Ctrl, Alt or Meta.
const rows = () => [...document.querySelectorAll("tbody[data-rows] > tr")];

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  all[at]?.classList.remove("at");
  next.classList.add("at");
  // What has the focus is what a screen reader says, and what Enter opens.
  const link = next.querySelector("a[href]");
  if (link) link.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function mark() {
  const box = document.querySelector("tbody[data-rows] > tr.at input[type=checkbox]");
  if (box) box.click();
}

const ACTS = {
  "/": () => document.getElementById("find")?.focus(),
  "?": () => document.getElementById("help").showModal(),
  j: () => move(1),
  k: () => move(-1),
  x: mark,
  p: () => document.getElementById("live").click(),
};

export function startKeys() {
  const help = document.getElementById("help-open");
  help.hidden = false;
  help.addEventListener("click", ACTS["?"]);
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (field && event.key === "Escape") field.blur();
    if (field || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const act = ACTS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
