// The heartbeat of the laboratory: asks /who five times a second and draws the answers; the buttons start something slow.
"use strict";

const EVERY = 200, KEPT = 120, LATE = 30000;
const beats = [], colours = new Map();
const byId = (id) => document.getElementById(id);
const canvas = byId("beats");
let answers = 0, failed = 0;

function colour(pid) {
  if (!colours.has(pid)) colours.set(pid, `hsl(${(14 + colours.size * 137.5) % 360} 62% 52%)`);
  return colours.get(pid);
}

async function beat() {
  const mark = { began: performance.now(), took: null, pid: null };
  beats.push(mark);
  if (beats.length > KEPT) beats.shift();
  try {
    const answer = await fetch("/who", { cache: "no-store", signal: AbortSignal.timeout(LATE) });
    if (!answer.ok) throw new Error(answer.status);
    mark.pid = (await answer.json()).pid;
    answers += 1;
  } catch {
    failed += 1;
  }
  mark.took = performance.now() - mark.began;
}

function draw() {
  const ratio = window.devicePixelRatio || 1, wide = canvas.clientWidth, tall = canvas.clientHeight;
  if (canvas.width !== wide * ratio) [canvas.width, canvas.height] = [wide * ratio, tall * ratio];
  const pen = canvas.getContext("2d"), now = performance.now();
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, tall);
  rule(pen, wide, tall);
  const step = wide / KEPT;
  beats.forEach((mark, place) => {
    pen.fillStyle = mark.took === null ? "#999" : mark.pid === null ? "#d11" : colour(mark.pid);
    const high = height(mark.took ?? now - mark.began, tall);
    pen.fillRect(wide - (beats.length - place) * step, tall - high, Math.max(1, step - 1.5), high);
  });
  tell();
  requestAnimationFrame(draw);
}

// One millisecond is at the bottom and ten seconds are at the top.
function height(ms, tall) {
  return Math.max(3, Math.min(1, Math.log10(Math.max(1, ms)) / 4) * tall);
}

function rule(pen, wide, tall) {
  const style = getComputedStyle(canvas);
  pen.font = "11px system-ui";
  pen.fillStyle = style.color;
  pen.strokeStyle = style.borderColor;
  for (const [ms, name] of [[10, "10 ms"], [100, "100 ms"], [1000, "1 s"]]) {
    const y = Math.round(tall - height(ms, tall)) + 0.5;
    pen.beginPath();
    pen.moveTo(0, y);
    pen.lineTo(wide, y);
    pen.stroke();
    pen.fillText(name, 2, y - 4);
  }
}

function tell() {
  const times = beats.filter((mark) => mark.pid !== null).map((mark) => mark.took).sort((a, b) => a - b);
  if (times.length) {
    byId("median").textContent = `${times[times.length >> 1].toFixed(1)} ms`;
    byId("slowest").textContent = `${times[times.length - 1].toFixed(0)} ms`;
  }
  byId("answers").textContent = answers;
  byId("failed").textContent = failed;
  byId("workers").textContent = [...new Set(beats.slice(-15).map((mark) => mark.pid).filter(Boolean))].join(", ") || "–";
}

async function ask(button) {
  const said = button.nextElementSibling, began = performance.now();
  button.disabled = true;
  said.textContent = "asked …";
  try {
    const answer = await fetch(button.dataset.ask, { cache: "no-store" });
    const size = (await answer.blob()).size;
    said.textContent = `${answer.status} after ${((performance.now() - began) / 1000).toFixed(2)} s, ${Math.ceil(size / 1024)} KiB`;
  } catch {
    said.textContent = "no answer: the connection was cut";
  }
  button.disabled = false;
}

// The job goes on without us: we only look how far it has come.
const form = document.querySelector("[data-sync]"), bar = byId("sync");

function show(sync) {
  bar.value = sync.done;
  bar.nextElementSibling.textContent = sync.sync ? `${sync.done.toLocaleString("en")} of ${sync.of.toLocaleString("en")}` : "";
  form.lastElementChild.disabled = sync.running;
  if (sync.running) setTimeout(look, 500);
}

async function look(asked = { cache: "no-store" }) {
  try {
    const answer = await fetch(form.dataset.sync, { ...asked, headers: { Accept: "application/json" } });
    const said = await answer.json();
    if (answer.ok) show(said);
    else throw new Error(said.error);
  } catch (error) {
    bar.nextElementSibling.textContent = error.message;
    form.lastElementChild.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  form.lastElementChild.disabled = true;
  look({ method: "POST", body: new FormData(form) });
});
look();

for (const button of document.querySelectorAll("[data-ask]")) button.addEventListener("click", () => ask(button));
setInterval(beat, EVERY);
requestAnimationFrame(draw);
