// What every page does beyond being read. Each part works alone, and no page needs any of them.
import { startCharts } from "./charts.js";
import { startForms, startMarks } from "./forms.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { showPlace, startTheme } from "./look.js";
import { showTimes } from "./times.js";

startTheme();
showPlace();
startKeys();
startForms();
startLive();
const draw = () => {
  showTimes();
  startCharts();
  startMarks();
};
draw();
// After htmx has put new parts into the page.
document.body.addEventListener("htmx:afterSettle", draw);
document.body.addEventListener("htmx:oobAfterSwap", draw);
setInterval(showTimes, 15_000);
