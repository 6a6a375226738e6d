// Charts from the tables beside them: the table has the numbers, so both say the same.
const tone = (name) => {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
};

// What is counted, and places in a row, are whole.
const WHOLE = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

// In the reader's zone, as all moments are; midnight as the day that begins.
function hour(seconds) {
  const moment = new Date(seconds * 1000);
  const isMidnight = moment.getHours() === 0 && moment.getMinutes() === 0;
  const parts = isMidnight ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return moment.toLocaleString(undefined, parts);
}

// As the pages write errors: 8.3e-14.
const scientific = (value, digits) =>
  value.toExponential(digits).replace(/e([+-])(\d)$/, (_, sign, power) => `e${sign}0${power}`);

// The first column is where, those with a tone are how much; others are words.
const drawn = (table) => [...table.tHead.rows[0].cells].filter((head, index) => index === 0 || head.dataset.tone);

function numbers(table) {
  const rows = [...table.tBodies[0].rows];
  return drawn(table).map((head) =>
    rows.map((row) => {
      const value = row.cells[head.cellIndex].dataset.value;
      return value === undefined || value === "" ? null : Number(value);
    }),
  );
}

function options({ dataset }, table, width) {
  const heads = drawn(table);
  const log = dataset.scale === "log";
  const named = dataset.x === "names";
  const timed = dataset.x === "time";
  const bars = dataset.chart === "bars";
  const place = named ? (at) => names(table)[at] ?? "" : timed ? hour : String;
  const amount = log ? (value) => scientific(value, 1) : (value) => value.toLocaleString();
  // Where the pointer is not, the legend has names alone.
  const said = (words) => (_, value) => (value === null || value === undefined ? "" : words(value));
  const decades = (_, ticks) => (log ? ticks.map((tick) => (/^1e/.test(tick.toExponential()) ? tick : null)) : ticks);
  const axis = { stroke: tone("muted"), grid: { stroke: tone("line"), width: 1 }, ticks: { stroke: tone("line") }, font: "11px system-ui" };
  return {
    width,
    height: Number(dataset.height || 220),
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    legend: { live: true },
    scales: { x: { time: timed, range: bars ? (_, min, max) => [min - 0.7, max + 0.7] : undefined }, y: log ? { distr: 3, log: 10 } : { range: (_, __, max) => [0, Math.max(max * 1.08, 1)] } },
    axes: [
      {
        ...axis,
        incrs: timed ? undefined : WHOLE,
        values: (_, ticks) => ticks.map(place),
      },
      {
        ...axis,
        size: 64,
        incrs: log ? undefined : WHOLE,
        filter: decades,
        grid: { ...axis.grid, filter: decades },
        ticks: { ...axis.ticks, filter: decades },
        values: log ? (_, ticks) => ticks.map((tick) => (tick === null ? "" : scientific(tick, 0))) : undefined,
      },
    ],
    series: heads.map((head, index) =>
      index === 0
        ? { label: head.textContent, value: said(place) }
        : {
            label: head.textContent,
            stroke: tone(head.dataset.tone || "accent"),
            width: bars ? 0 : 1.75,
            dash: head.dataset.dash ? [5, 4] : undefined,
            // Two to a place, side by side.
            paths: bars ? uPlot.paths.bars({ size: [0.4, 40], align: index === 1 ? -1 : 1 }) : undefined,
            points: { show: !bars && dataset.points !== "no" && !head.dataset.dash, size: 5 },
            fill: bars ? tone(head.dataset.tone) : head.dataset.wash ? tone(head.dataset.wash) : undefined,
            spanGaps: true,
            value: said(amount),
          },
    ),
  };
}

const names = (table) => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent.trim());

function draw(figure) {
  const table = figure.querySelector("table");
  const place = figure.querySelector(".plot");
  const rows = table.tBodies[0].rows.length;
  if (!rows || place.dataset.drawn === "yes") return;
  place.dataset.drawn = "yes";
  place.replaceChildren();
  const plot = new uPlot(options(figure, table, place.clientWidth), numbers(table), place);
  figure.plot = plot;
  new ResizeObserver(() => {
    if (place.clientWidth) plot.setSize({ width: place.clientWidth, height: plot.height });
  }).observe(place);
}

export function startCharts() {
  if (!window.uPlot) return;
  document.querySelectorAll("figure.chart[data-chart]").forEach(draw);
}

document.body.addEventListener("theme", () => {
  for (const figure of document.querySelectorAll("figure.chart[data-chart]")) {
    figure.plot?.destroy();
    delete figure.querySelector(".plot").dataset.drawn;
  }
  startCharts();
});
