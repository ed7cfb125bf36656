// The charts of one instance: its series drawn by uPlot, kept up to date by server-sent events. No request leaves this console.
//
// The server answers {time: [s], step: s, marks: [{at, kind, text}], charts: {key: {unit, lines: [{name, colour, values}], limits:
// [{name, colour, value}]}}}; a point that comes later is {time, charts: {key: [{name, colour, value}]}}.

const uPlot = window.uPlot;
const SPANS = { "1h": 3600, "24h": 86400, "7d": 604800, "180d": 15552000 }; // seconds
const MISSING = 4; // steps without a point, behind which a line ends: a sample is there one step after it began, and more on a busy machine
const RETRY = 5000; // milliseconds before the series are asked for again

const UNITS = {
  percent: (value) => `${Number(value.toFixed(1))} %`,
  seconds: (value) => (value < 0.9995 ? `${Number((value * 1000).toPrecision(value < 0.001 ? 2 : 3))} ms` : `${Number(value.toPrecision(3))} s`),
  bytes: (value) => (value >= 2 ** 30 ? `${Number((value / 2 ** 30).toFixed(2))} GiB` : `${Math.round(value / 2 ** 20)} MiB`),
  rate: (value) => `${Number(value.toPrecision(3))}/s`,
  number: (value) => value.toLocaleString("en"),
};
const MARKS = { start: "quiet", reload: "accent", scaling: "good", incident: "bad" };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (name) => `color-mix(in srgb, ${colour(name)} 10%, transparent)`;

function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

// In the reader's own zone, days for what is longer than one.
function moment(seconds, range) {
  const at = new Date(seconds * 1000);
  const midnight = !at.getHours() && !at.getMinutes();
  if (range === "1h" || (range === "24h" && !midnight)) return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

function swatch(name) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("aria-hidden", "true");
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const shape = { x: 0, y: 4, width: 12, height: 4, rx: 1, fill: colour(name) };
  Object.entries(shape).forEach(([key, value]) => bar.setAttribute(key, value));
  picture.append(bar);
  return picture;
}

// No two ticks read alike: times have them at whole minutes or days, sizes at powers of two.
const DAY = 86400;
const TICKS = {
  "1h": [60, 120, 300, 600, 900, 1800],
  "24h": [300, 900, 1800, 3600, 7200, 10800, 21600],
  "7d": [DAY, 2 * DAY],
  "180d": [DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 60 * DAY],
};
const STEPS = { bytes: [...Array(30).keys()].map((power) => 2 ** (power + 14)) };

class Chart {
  constructor(figure, sync) {
    this.figure = figure;
    this.sync = sync;
    this.place = figure.querySelector(".plot");
    this.keys = figure.querySelector(".keys");
    this.plot = null;
  }

  draw(board, range) {
    this.board = board;
    this.told = board.charts[this.figure.dataset.chart];
    this.plot?.destroy();
    this.plot = null;
    if (!this.told?.lines.length || !board.time.length) {
      this.place.replaceChildren(element("p", "Nothing was measured in this time."));
      this.keys.replaceChildren();
      return;
    }
    this.format = UNITS[this.told.unit];
    this.name();
    this.place.replaceChildren();
    this.plot = new uPlot(this.options(range), this.columns(), this.place);
    this.say();
  }

  columns() {
    return [this.board.time, ...this.told.lines.map((line) => line.values)];
  }

  options(range) {
    const { told } = this;
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const highest = told.unit === "percent" ? () => [0, 100] : (_, low, high) => [0, Math.max(this.near(high) * 1.1, told.least)];
    return {
      width: this.place.clientWidth,
      height: this.place.clientHeight,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: this.sync.key }, points: { size: 6 }, y: false, drag: { x: true, y: false } },
      scales: { x: { range: (_, low, high) => this.zoomed(low, high, range) }, y: { range: highest } },
      axes: [
        { ...axis, space: 70, size: 26, incrs: TICKS[range], values: (_, ticks) => ticks.map((tick) => moment(tick, range)) },
        { ...axis, size: 62, space: 34, incrs: STEPS[told.unit], values: (_, ticks) => ticks.map((tick) => this.format(tick)) },
      ],
      series: [{}, ...told.lines.map((line, index) => this.line(line, index))],
      hooks: { draw: [(plot) => this.overlay(plot)], setCursor: [() => this.say()] },
    };
  }

  // A limit is drawn to scale where that leaves the lines legible.
  near(high) {
    return this.told.limits.map((limit) => limit.value).filter((value) => value < 3 * high).reduce((most, value) => Math.max(most, value), high ?? 0);
  }

  // All of the range that is known, and at least a part of it: the first minutes of a server can be seen, too.
  zoomed(low, high, range) {
    const { time } = this.board;
    const whole = low <= time[0] && high >= time.at(-1);
    if (!whole) return [low, high];
    const [end, span] = [time.at(-1), SPANS[range]];
    return [Math.max(end - span, Math.min(time[0], end - span / 12)), end];
  }

  line(line, index) {
    return {
      label: line.name,
      stroke: colour(line.colour),
      width: 1.6,
      fill: this.told.bars ? colour(line.colour) : index === 0 && this.told.filled ? faint(line.colour) : undefined,
      paths: this.told.bars ? uPlot.paths.bars({ size: [0.7, 12], align: 1 }) : undefined,
      points: { show: (plot) => plot.data[0].length < 3 },
      spanGaps: false,
    };
  }

  // Limits lie across; what has happened stands upright.
  overlay(plot) {
    const { ctx: pen, bbox: box } = plot;
    pen.save();
    pen.lineWidth = devicePixelRatio;
    pen.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const limit of this.told.limits) {
      const y = Math.round(plot.valToPos(limit.value, "y", true));
      if (y < box.top) continue;
      this.stroke(pen, colour(limit.colour), box.left, y, box.left + box.width, y);
    }
    pen.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const mark of this.board.marks) {
      const x = Math.round(plot.valToPos(mark.at, "x", true));
      if (x < box.left || x > box.left + box.width) continue;
      this.stroke(pen, colour(MARKS[mark.kind] ?? "quiet"), x, box.top, x, box.top + box.height);
    }
    pen.restore();
  }

  stroke(pen, style, fromX, fromY, toX, toY) {
    pen.strokeStyle = style;
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  }

  name() {
    this.values = this.told.lines.map((line) => {
      const item = element("li");
      const value = element("b");
      item.append(swatch(line.colour), element("span", line.name), value);
      return { item, value };
    });
    const limits = this.told.limits.map((limit) => {
      const item = element("li");
      item.append(swatch(limit.colour), element("span", limit.name), element("b", this.format(limit.value)));
      return item;
    });
    this.keys.replaceChildren(...this.values.map(({ item }) => item), ...limits);
  }

  // The values under the pointer, or else the latest.
  say() {
    const at = this.plot?.cursor.idx ?? this.board.time.length - 1;
    this.told.lines.forEach((line, index) => {
      const value = line.values[at];
      this.values[index].value.textContent = value == null ? "–" : this.format(value);
    });
    const first = this.told.lines[0];
    const known = first.values.filter((value) => value != null);
    if (!known.length) return;
    const highest = known.reduce((most, value) => Math.max(most, value), 0);
    const title = this.figure.querySelector("h3").textContent;
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", `${title}: ${first.name} now ${this.format(known.at(-1))}, highest ${this.format(highest)}`);
  }

  renew() {
    this.plot?.setData(this.columns());
    this.say();
  }

  resize() {
    this.plot?.setSize({ width: this.place.clientWidth, height: this.place.clientHeight });
  }
}

class Board {
  constructor(place) {
    this.place = place;
    this.range = place.dataset.range;
    const sync = uPlot.sync("instance");
    this.charts = [...place.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure, sync));
    this.marks = place.querySelector(".marks");
  }

  async load() {
    try {
      const answer = await fetch(`${this.place.dataset.series}?range=${this.range}`, { headers: { Accept: "application/json" } });
      if (answer.redirected) return location.reload(); // to the login
      if (!answer.ok) throw new Error((await answer.json()).detail);
      this.told = await answer.json();
      this.draw();
    } catch (error) {
      for (const chart of this.charts) chart.place.replaceChildren(element("p", `The series cannot be had. ${error.message}`));
      return new Promise((resolve) => setTimeout(resolve, RETRY)).then(() => this.load());
    }
  }

  draw() {
    this.place.dataset.points = this.told.time.length;
    for (const chart of this.charts) chart.draw(this.told, this.range);
    this.list();
  }

  list() {
    const latest = this.told.marks.slice(-6).reverse();
    this.marks.replaceChildren(
      ...latest.map((mark) => {
        const item = element("li");
        item.append(element("span", `${this.when(mark.at)} ${mark.text}`));
        item.className = "state " + ({ incident: "bad", scaling: "good", reload: "busy" }[mark.kind] ?? "off");
        return item;
      }),
    );
  }

  when(seconds) {
    const at = new Date(seconds * 1000);
    return this.range === "1h" ? at.toLocaleTimeString("en-GB") : at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  }

  // A second is a point of an hour. What is longer has its own points, which are asked for again when there is another one.
  follow() {
    if (this.range !== "1h") return void setInterval(() => this.load(), this.told.step * 1000);
    const source = new EventSource(this.place.dataset.live);
    source.addEventListener("point", (event) => this.append(JSON.parse(event.data)));
    source.addEventListener("mark", (event) => {
      this.told.marks.push(JSON.parse(event.data));
      this.list();
    });
    addEventListener("pagehide", () => source.close());
  }

  append(point) {
    const { time, step } = this.told;
    const last = time.at(-1) ?? 0;
    if (point.time <= last) return;
    // Where nobody has measured, no line leads on.
    if (last && point.time - last > MISSING * step) this.extend({ time: last + step, charts: {} });
    this.extend(point);
  }

  extend(point) {
    const { time, charts } = this.told;
    const start = point.time - SPANS[this.range];
    const old = Math.max(0, time.findIndex((at) => at >= start));
    time.splice(0, old);
    time.push(point.time);
    let met = time.length === 1;
    for (const [key, { lines }] of Object.entries(charts)) met = this.lengthen(lines, point.charts[key] ?? [], old) || met;
    this.place.dataset.points = time.length;
    for (const chart of this.charts) met ? chart.draw(this.told, this.range) : chart.renew();
  }

  // Gives each line its new end; says whether one is there that was not before, such as that of a new worker.
  lengthen(lines, ends, old) {
    const strange = ends.filter((end) => !lines.some((line) => line.name === end.name));
    for (const { name, colour } of strange) lines.push({ name, colour, values: Array(this.told.time.length - 1 + old).fill(null) });
    for (const line of lines) {
      line.values.splice(0, old);
      line.values.push(ends.find((end) => end.name === line.name)?.value ?? null);
    }
    return strange.length > 0;
  }
}

for (const place of document.querySelectorAll("[data-series]")) {
  const board = new Board(place);
  board.load().then(() => board.follow());
  const watcher = new ResizeObserver(() => board.charts.forEach((chart) => chart.resize()));
  board.charts.forEach((chart) => watcher.observe(chart.place));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board.told && board.draw());
}
