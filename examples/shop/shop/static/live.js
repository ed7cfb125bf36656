// Open pages hear of what changes: the stock of what they show, and what is said in the chat.
"use strict";

const position = document.currentScript.dataset.position;  // where the bus was before the page read what it shows
const talk = document.querySelector("[data-chat]");
const shelves = document.querySelectorAll("[data-stock]");

function stocked({ product, pieces }) {
  for (const shelf of shelves) {
    if (shelf.dataset.stock !== product) continue;
    shelf.textContent = `${pieces} in stock`;
    shelf.classList.remove("fresh");
    void shelf.offsetWidth;  // so that the same colour can flash again
    shelf.classList.add("fresh");
  }
}

// Lines come by the bus, with the answer to one's own, and after an interruption: each is shown once, in order.
function said({ id, who, text }) {
  const list = talk.querySelector("ol");
  if (list.querySelector(`[data-line="${id}"]`)) return;
  const line = document.createElement("li"), name = document.createElement("b");
  line.dataset.line = id;
  name.textContent = who;
  line.append(name, ` ${text}`);
  const next = [...list.children].find((other) => Number(other.dataset.line) > id);
  list.insertBefore(line, next ?? null);
  talk.querySelector(".silence").hidden = true;
  list.scrollTop = list.scrollHeight;
}

async function catchUp() {
  const last = talk.querySelector("ol").lastElementChild?.dataset.line ?? 0;
  const answer = await fetch(`${talk.dataset.chat}?after=${last}`, { headers: { Accept: "application/json" } });
  if (answer.ok) (await answer.json()).forEach(said);
}

async function say(event) {
  event.preventDefault();
  const form = event.target, status = talk.querySelector(".state");
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    said(told);
    form.text.value = "";
    status.textContent = "";
  } catch (error) {
    status.textContent = error.message;
  }
}

if (talk) {
  talk.querySelector("form").addEventListener("submit", say);
  talk.querySelector("ol").scrollTop = 1e6;
}
if (window.Bus && (talk || shelves.length)) {
  const channels = [...(talk ? ["chat"] : []), ...(shelves.length ? ["stock"] : [])];
  new Bus({
    channels,
    last: position ? Number(position) : null,
    onmessage: (payload, channel) => (channel === "chat" ? said(payload) : stocked(payload)),
    onlost: () => location.reload(),
    onstate: (state) => {
      document.documentElement.dataset.live = state;
      if (state === "open" && talk) catchUp();
    },
  });
}
