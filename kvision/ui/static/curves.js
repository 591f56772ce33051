// Curves of runs that may still be training: drawn by uPlot, asked for what is new every two seconds while one of them runs.
"use strict";

const EVERY_MS = 2000;
const COLOURS = ["#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#eab308", "#06b6d4", "#ec4899"];
const STEPS = "Loss while training";
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const number = value => value == null ? "—" : Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));

// A table that grows: rows of metrics.csv (x: epoch), or of the training's progress (x: step).
class Table {
  constructor() { this.token = ""; this.columns = []; this.rows = []; }

  // Takes in what is new; tells whether anything is.
  add(news) {
    this.token = news.token;
    if (news.fresh) { this.columns = news.columns; this.rows = []; }
    for (const row of news.rows) {
      while (this.rows.length && this.rows.at(-1)[0] >= row[0]) this.rows.pop(); // a resumed run does some steps again
      this.rows.push(row);
    }
    return news.fresh || news.rows.length > 0;
  }

  column(name) {
    const place = this.columns.indexOf(name);
    return this.rows.map(row => row[place] ?? null);
  }
}

class Run {
  constructor(name) { this.name = name; this.epochs = new Table(); this.steps = new Table(); this.running = true; this.panels = []; }

  // Whether anything is new: nothing, rows, or a file that was begun anew, whose panels may be others.
  async more() {
    const path = this.name.split("/").map(encodeURIComponent).join("/");
    const response = await fetch(`/curves/${path}?` + new URLSearchParams({epochs: this.epochs.token, steps: this.steps.token}));
    if (!response.ok) throw new Error(response.statusText);
    const news = await response.json();
    this.running = news.running;
    const anew = news.epochs.fresh || this.epochs.rows.length === 0;
    if (news.panels) this.panels = news.panels;
    const added = [this.epochs.add(news.epochs), this.steps.add(news.steps)];
    return {anew: anew && news.epochs.rows.length > 0, added: added.some(Boolean)};
  }
}

// The lines of each chart. One run: the panels of its report. Several: a chart a column, a line a run.
function wanted(runs) {
  const line = (run, table, column, label, place) => ({run, table, column, label, colour: COLOURS[place % COLOURS.length]});
  const found = [];
  if (runs.length === 1) {
    for (const panel of runs[0].panels)
      found.push({title: panel.title, lines: panel.columns.map((name, place) => line(runs[0], "epochs", name, name, place))});
  } else {
    const ends = name => runs.some(run => ["_low", "_high"].some(end => name.endsWith(end) && run.epochs.columns.includes(name.slice(0, -end.length))));
    const columns = [...new Set(runs.flatMap(run => run.epochs.columns))].filter(name => !["epoch", "step", "lr"].includes(name) && !ends(name));
    for (const name of [...columns, "lr"]) {
      const lines = runs.map((run, place) => line(run, "epochs", name, run.name, place)).filter(each => each.run.epochs.columns.includes(name));
      if (lines.length) found.push({title: name, lines});
    }
  }
  const lines = runs.map((run, place) => line(run, "steps", "loss", runs.length > 1 ? run.name : "loss", place)).filter(each => each.run.steps.rows.length);
  if (lines.length) found.push({title: STEPS, lines});
  return found;
}

class Chart {
  constructor({title, lines}) {
    this.title = title;
    this.lines = lines;
    this.x = lines[0].table === "epochs" ? "epoch" : "step";
    this.plot = element("div", {className: "plot", tabIndex: 0});
    this.plot.setAttribute("role", "img");
    this.said = element("p", {className: "hidden"});
    this.said.setAttribute("aria-live", "polite");
    this.values = element("details", {}, element("summary", {textContent: "As a table"}));
    this.values.addEventListener("toggle", () => this.list());
    this.card = element("div", {className: "card chart"}, element("h3", {textContent: title}), this.plot, this.said, this.values);
    this.plot.addEventListener("keydown", event => this.key(event));
  }

  // Ends of intervals, which are drawn as a band, stand behind the lines.
  data() {
    const tables = this.lines.flatMap(({run, table, column}) => {
      const xs = run[table].column(this.x);
      const bands = run[table].columns.includes(`${column}_low`) ? [`${column}_high`, `${column}_low`] : [];
      return [[xs, run[table].column(column)], ...bands.map(name => [xs, run[table].column(name)])];
    });
    return uPlot.join(tables);
  }

  draw() {
    const text = () => getComputedStyle(this.plot).color, faint = () => getComputedStyle(this.plot).borderTopColor; // those of ui.css
    const axis = {stroke: text, grid: {stroke: faint, width: 1}, ticks: {stroke: faint, width: 1}};
    const told = (uplot, value, place, index) => number(index == null ? uplot.data[place].findLast(each => each != null) : value); // the last, where nothing is pointed at
    const series = [{label: this.x, value: told}], bands = [];
    for (const {run, table, column, label, colour} of this.lines) {
      const few = run[table].rows.length <= 60;
      series.push({label, stroke: colour, width: 2, points: {show: few && table === "epochs", size: 5, fill: colour}, value: told});
      if (run[table].columns.includes(`${column}_low`)) {
        series.push(...[0, 1].map(() => ({class: "end", stroke: "transparent", points: {show: false}})));
        bands.push({series: [series.length - 2, series.length - 1], fill: `${colour}33`});
      }
    }
    const options = {
      width: this.plot.clientWidth, height: 220, series, bands, scales: {x: {time: false}}, cursor: {drag: {x: false, y: false}},
      axes: [{...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8]}, {...axis, size: 56, values: (_, ticks) => ticks.map(number)}],
    };
    this.uplot?.destroy();
    this.uplot = new uPlot(options, this.data(), this.plot);
    new ResizeObserver(() => this.uplot.setSize({width: this.plot.clientWidth, height: 220})).observe(this.plot);
    this.tell();
  }

  refresh() {
    this.uplot.setData(this.data());
    this.tell();
    this.list();
  }

  // What the chart says to those who can't see it.
  tell() {
    const last = this.lines.map(({run, table, column, label}) => `${label} ${number(run[table].column(column).at(-1))}`);
    this.plot.setAttribute("aria-label", `${this.title} by ${this.x}, at last ${last.join(", ")}. The arrow keys go from value to value.`);
  }

  // Left and right, home and end: from value to value.
  key(event) {
    const data = this.uplot.data, last = data[0].length - 1, now = this.uplot.cursor.idx;
    const place = {ArrowLeft: now == null ? last : now - 1, ArrowRight: now == null ? 0 : now + 1, Home: 0, End: last}[event.key];
    if (place === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(last, place));
    this.uplot.setCursor({left: this.uplot.valToPos(data[0][index], "x"), top: 10});
    const values = this.uplot.series.slice(1).map((each, k) => each.class ? "" : `${each.label} ${number(data[k + 1][index])}`).filter(Boolean);
    this.said.textContent = `${this.x} ${data[0][index]}: ${values.join(", ")}`;
  }

  // The same numbers as a table, made when it is asked for.
  list() {
    this.values.querySelector(".scroll")?.remove();
    if (!this.values.open) return;
    const shown = this.uplot.series.map((each, place) => place).filter(place => !this.uplot.series[place].class), data = this.uplot.data;
    const head = element("tr", {}, ...shown.map(place => element("th", {scope: "col", className: "figure", textContent: this.uplot.series[place].label})));
    const rows = data[0].map((_, row) => element("tr", {}, ...shown.map(place => element("td", {className: "figure", textContent: number(data[place][row])}))));
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
    const box = element("div", {className: "scroll", tabIndex: 0}, table);
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", this.title);
    this.values.append(box);
  }
}

async function main() {
  const place = document.getElementById("charts");
  const runs = JSON.parse(place.dataset.runs).map(name => new Run(name));
  let charts = [];

  async function look() {
    const found = await Promise.all(runs.filter(run => run.running).map(run => run.more()));
    const titles = wanted(runs).map(each => each.title).join("\n");
    if (found.some(each => each.anew) || titles !== charts.map(each => each.title).join("\n")) {
      charts = wanted(runs).map(each => new Chart(each));
      place.replaceChildren(...charts.map(chart => chart.card));
      for (const chart of charts) chart.draw();
    } else if (found.some(each => each.added)) {
      for (const chart of charts) chart.refresh();
    }
    document.getElementById("waiting").hidden = runs.some(run => run.epochs.rows.length);
  }

  document.addEventListener("theme", () => charts.forEach(chart => chart.uplot.redraw(false)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("theme")));
  for (;;) {
    try {
      if (!document.hidden) await look();
    } catch (error) {
      if (error instanceof TypeError) trouble(GONE); else throw error;
    }
    if (!runs.some(run => run.running)) return;
    await new Promise(resolve => setTimeout(resolve, EVERY_MS));
  }
}
main();
