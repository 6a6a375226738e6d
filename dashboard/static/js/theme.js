// Runs before the page is drawn, so that nothing flashes: the reader's choice, or else what the system says.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
