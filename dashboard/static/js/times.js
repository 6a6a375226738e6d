// Moments in the reader's zone; UTC stays in the title. What is recent is said as "3 min ago".
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const UNITS = [[60, 1, "s"], [3600, 60, "min"], [86_400, 3600, "h"], [30 * 86_400, 86_400, "d"]];

function ago(moment) {
  const seconds = (Date.now() - moment) / 1000;
  const unit = UNITS.find(([limit]) => Math.abs(seconds) < limit);
  if (!unit) return inZone(moment);
  const count = Math.floor(Math.abs(seconds) / unit[1]);
  if (Math.abs(seconds) < 1) return "now";
  return seconds < 0 ? `in ${count} ${unit[2]}` : `${count} ${unit[2]} ago`;
}

function inZone(moment) {
  const now = new Date();
  if (moment.toDateString() === now.toDateString()) return clock.format(moment);
  const date = moment.getFullYear() === now.getFullYear() ? day : year;
  return `${date.format(moment)} ${clock.format(moment)}`;
}

export function showTimes() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const text = "relative" in element.dataset ? ago(moment) : inZone(moment);
    if (element.textContent !== text) element.textContent = text;
  }
}
