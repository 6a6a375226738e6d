// Light or dark: as the system, until the reader chooses; kept in this browser.
const root = document.documentElement;

function isDark() {
  if (root.dataset.theme) return root.dataset.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** On a narrow screen the pages stand in one row; the present one should be in sight. */
export function showPlace() {
  const list = document.querySelector(".side ul");
  const link = list?.querySelector("[aria-current]");
  if (link) list.scrollLeft = link.offsetLeft - list.offsetLeft - (list.clientWidth - link.offsetWidth) / 2;
}

export function startTheme() {
  const button = document.getElementById("theme");
  const word = document.getElementById("theme-word");
  const show = () => {
    word.textContent = isDark() ? "Use the light theme" : "Use the dark theme";
    button.title = word.textContent;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    show();
    document.body.dispatchEvent(new CustomEvent("theme"));
  });
  show();
}
