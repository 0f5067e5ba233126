// Keeps an open page true: the server sends the parts that have changed. Without this, a page is as true as its last load.
"use strict";

const told = document.querySelector("p.live");
const [word, button] = told.children;
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const shown = {}; // the text of each part, as the browser writes it
let waiting = {}; // parts that are newer than what is shown
let held = false;

function say(text, kind) {
  if (word.textContent !== text) word.textContent = text;
  told.dataset.kind = kind;
  told.hidden = false;
}

function length(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  for (const [size, unit, smaller, smallUnit] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / smaller);
      return `${Math.floor(whole / size)} ${unit}` + (rest ? ` ${rest} ${smallUnit}` : "");
    }
  }
  return `${whole} s`;
}

function inWords(time, at, now) {
  const seconds = (now - at) / 1000;
  if (time.classList.contains("ago")) return length(seconds);
  if (time.classList.contains("soon")) return seconds < 0 ? `in ${length(-seconds)}` : "now";
  if (at.toDateString() === now.toDateString()) return clock.format(at);
  return (Math.abs(seconds) < 300 * 86400 ? day : year).format(at);
}

function tell(times) {
  const now = new Date();
  for (const time of times) {
    const at = new Date(time.dateTime);
    time.textContent = inWords(time, at, now);
    time.title = at.toString();
  }
}

function isInUse(part) {
  const selected = document.getSelection();
  const isWritten = (each) => each === document.activeElement || (each.type !== "hidden" && each.value !== each.defaultValue);
  return [...part.querySelectorAll("input")].some(isWritten) || part.querySelector("select:focus") ||
    (!selected.isCollapsed && part.contains(selected.anchorNode));
}

function replace(part, fresh) {
  const kept = [...part.querySelectorAll("details, pre, .wide")].map((each) => ({
    open: each.open, left: each.scrollLeft, top: each.matches("pre") && each.scrollTop + each.clientHeight >= each.scrollHeight - 4 ? 1e9 : each.scrollTop,
  }));
  const focus = [...part.querySelectorAll("a, button, summary, pre")].indexOf(document.activeElement);
  part.replaceChildren(fresh.content);
  part.querySelectorAll("details, pre, .wide").forEach((each, number) => {
    if (!kept[number]) return;
    each.open = kept[number].open;
    each.scrollLeft = kept[number].left;
    each.scrollTop = kept[number].top;
  });
  if (focus >= 0) part.querySelectorAll("a, button, summary, pre")[focus]?.focus({ preventScroll: true });
  tell(part.querySelectorAll("time"));
}

function put(parts) {
  waiting = { ...waiting, ...parts };
  if (held) return;
  for (const [name, text] of Object.entries(waiting)) {
    const part = document.getElementById(`part-${name}`);
    if (part && isInUse(part)) continue;
    delete waiting[name];
    const fresh = document.createElement("template");
    fresh.innerHTML = text;
    if (!part || fresh.innerHTML === shown[name]) continue;
    shown[name] = fresh.innerHTML;
    replace(part, fresh);
  }
}

function standing() {
  say(held ? "held still" : "live", held ? "held" : "live");
}

function listen() {
  const source = new EventSource(document.body.dataset.live);
  source.addEventListener("parts", (event) => { standing(); put(JSON.parse(event.data)); });
  source.addEventListener("trouble", (event) => say(JSON.parse(event.data), "lost"));
  source.onerror = async () => {
    say("the connection is lost: this is as it was", "lost");
    if (source.readyState !== EventSource.CLOSED) return;
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") location.reload(); // whoever it was has to log in again
    else setTimeout(listen, 1000);
  };
}

button.addEventListener("click", () => {
  held = !held;
  button.setAttribute("aria-pressed", String(held));
  standing();
  put({});
});
for (const part of document.querySelectorAll("[id^=part-]")) shown[part.id.slice(5)] = part.innerHTML;
tell(document.querySelectorAll("time"));
setInterval(() => { tell(document.querySelectorAll("time.ago, time.soon")); put({}); }, 1000);
for (const log of document.querySelectorAll("pre")) log.scrollTop = log.scrollHeight;
listen();
