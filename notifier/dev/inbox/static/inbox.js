"use strict";
// Without this file every page still works: the list then needs a reload, and deleting asks nothing.

const live = document.querySelector("[data-live]");
const news = document.querySelector("[data-news]");
const FAST = 1000;
const SLOW = 15000;
let pause = FAST;
let tag = "";
let timer = 0;

function total() {
  const node = live.querySelector("[data-total]");
  return node ? Number(node.dataset.total) : 0;
}

function show(html) {
  const before = total();
  // Replacing the list would drop the keyboard's place in it.
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const more = total() - before;
  if (more > 0) news.textContent = more === 1 ? "1 new email" : `${more} new emails`;
}

async function poll() {
  try {
    const answer = await fetch(live.dataset.live, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer.ok) {
      const fresh = answer.headers.get("ETag") || "";
      const first = tag === "";
      tag = fresh;
      const html = await answer.text();
      if (!first || live.innerHTML.trim() !== html.trim()) show(html);
    }
    pause = FAST;
  } catch {
    pause = Math.min(pause * 2, SLOW); // the inbox was stopped; it may come back
  }
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, pause);
}

if (live) {
  document.addEventListener("visibilitychange", () => {
    pause = FAST;
    schedule();
  });
  schedule();
}

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

const frame = document.querySelector(".stage iframe");
if (frame && window.matchMedia("(max-width: 640px)").matches) {
  // On a phone the phone's width is the one that can be seen whole.
  document.querySelector("input[value=phone]").checked = true;
  frame.className = "phone";
}
for (const choice of document.querySelectorAll("input[name=width]")) {
  choice.addEventListener("change", () => {
    frame.className = choice.value;
  });
}
