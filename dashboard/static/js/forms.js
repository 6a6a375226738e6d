// Small helps for forms; each form works without them.
function dropZone(zone) {
  const input = zone.querySelector("input[type=file]");
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function markAll(box) {
  const boxes = () => [...document.querySelectorAll(`input[name="${box.dataset.marks}"]`)];
  box.hidden = false;
  box.addEventListener("change", () => boxes().forEach((each) => (each.checked = box.checked)));
}

/** The boxes that mark all rows; those that came with new rows as well. */
export function startMarks() {
  document.querySelectorAll("input[data-marks][hidden]").forEach(markAll);
}

export function startForms() {
  document.querySelectorAll(".drop").forEach(dropZone);
  // A second click must not act twice.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    for (const button of event.target.querySelectorAll("button:not([type=button])")) {
      setTimeout(() => (button.disabled = true));
    }
  });
  // Back from the next page, a form can be sent again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("button[disabled]").forEach((button) => (button.disabled = false));
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}
