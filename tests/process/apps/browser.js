// A browser that is played: sockets, fetch and timers note what is done to them, and a scene says what comes of it.
"use strict";
const [, , script, name] = process.argv;
const note = (...words) => console.log(JSON.stringify(words));
const turn = () => new Promise((done) => setImmediate(done));
let socket, timer, answer, aborted;

globalThis.location = {href: "http://shop.example/page"};
Math.random = () => 0;
globalThis.setTimeout = (call, milliseconds) => { note("timer", milliseconds); timer = call; return 1; };
globalThis.clearTimeout = () => { timer = null; };
globalThis.WebSocket = class {
  constructor(url) { note("socket", String(url)); this.readyState = 0; socket = this; }
  send(text) { note("send", JSON.parse(text)); }
  close() { note("close"); this.ended(""); }
  opened() { this.readyState = 1; this.onopen(); }
  says(said) { this.onmessage({data: JSON.stringify(said)}); }
  ended(reason) { this.readyState = 3; this.onclose({reason}); }
};
globalThis.fetch = (url, {body, signal}) => new Promise((give, fail) => {
  note("fetch", url, JSON.parse(body));
  answer = (status, said) => give({ok: status === 200, headers: new Map(), json: async () => said});
  signal.addEventListener("abort", () => { aborted = true; fail(Object.assign(new Error(), {name: "AbortError"})); });
});
require(script);

process.on("unhandledRejection", (error) => note("thrown", error.message));
const bus = new Bus({
  channels: ["a"],
  onmessage: (...words) => {
    note("message", ...words);
    if (words[0] === "throw") throw new Error("a fault of the page");
  },
  onlost: () => note("lost"),
  onerror: (sentence) => note("error", sentence),
  onstate: (state) => note("state", state),
});
const message = {position: 8, channel: "a", payload: {n: 1}};

function open() {
  socket.opened();
  socket.says({subscribed: ["a"], position: 7});
}

function resume() {
  open();
  socket.says({messages: [message, {position: 9, channel: "", payload: null}]});
  socket.ended('{"retry": 7}');
  timer();
  socket.opened();
  socket.says({subscribed: ["a"], position: 9});
  socket.says({messages: [{position: 12, channel: "", payload: {lost: true}}]});
  bus.close();
}

async function polls() {
  for (let n = 0; n < 3; n++) { socket.ended(""); timer(); }
  answer(200, {messages: [{...message, payload: 1}], position: 8});
  await turn();
  answer(502, {});
  await turn();
  timer();
  socket.ended("");
  timer();
}

const SCENES = {
  resume,
  "resume-closed": () => { resume(); note("end"); if (timer) timer(); },
  throws: () => {
    open();
    socket.says({messages: [8, 9].map((position) => ({position, channel: "a", payload: position === 8 ? "throw" : null}))});
  },
  silent: () => { open(); socket.ended(""); timer(); socket.opened(); },
  outage: async () => {
    for (let n = 0; n < 8; n++) {
      if (n < 3 || n % 2) socket.ended("");
      else { answer(503, {}); await turn(); }
      if (n < 7) timer();
    }
  },
  channels: () => {
    socket.opened();
    bus.subscribe(["b"]);
    socket.says({subscribed: ["a"], position: 7});
    socket.says({subscribed: ["b"], position: 7});
    bus.subscribe(["c"]);
  },
  error: () => { socket.opened(); socket.says({error: "the bus is off"}); },
  polls,
  "polls-closed": async () => { await polls(); bus.close(); await turn(); note(aborted ? "end" : "still polls"); },
};
SCENES[name]();
