// Keeps a page true while it is open: its live parts are fetched again and again, its pictures too, and new alarms sound.
"use strict";

const body = document.body;
const LOST_MS = 3000; // without an answer for so long, what is shown is old
const PATIENCE_MS = 4000;
const EACH_MS = 70; // between two pictures of a page, so that sixty cameras ask no more than six do
let answered = performance.now();

async function fetched(address, options = {}) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), PATIENCE_MS);
  try {
    return await fetch(address, { ...options, signal: giveUp.signal });
  } finally {
    clearTimeout(timer);
  }
}

function takeOver(part) {
  const old = document.getElementById(part.id);
  if (!old || (old.contains(document.activeElement) && document.activeElement.matches("input, textarea, select"))) return;
  if (old.className !== part.className) old.className = part.className;
  if (part.dataset.newest !== undefined) old.dataset.newest = part.dataset.newest;
  if (old.innerHTML !== part.innerHTML) {
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceChildren(...part.childNodes);
    if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

function takeToken(token) {
  if (!token || token === body.dataset.token) return; // another one: the session of a shift ago is over
  body.dataset.token = token;
  for (const field of document.querySelectorAll("input[name=token]")) field.value = token;
}

async function refresh() {
  try {
    const answer = await fetched(location.href, { headers: { "X-Refresh": "1" } });
    if (answer.status === 401) return location.reload();
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of page.querySelectorAll("[data-live]")) takeOver(part);
      takeToken(page.body.dataset.token);
      answered = performance.now();
      soundWhatIsNew();
    }
  } catch {
    // no answer: the bar below says so
  }
}

async function keepFresh(pause) {
  for (;;) {
    await new Promise((done) => setTimeout(done, pause));
    if (!document.hidden || sounding()) await refresh();
    else answered = performance.now() - LOST_MS; // shown again, it is old until it has been refreshed
  }
}

function showLoss(pause) {
  const lost = performance.now() - answered > LOST_MS + pause;
  document.getElementById("lost").hidden = !lost;
  document.getElementById("bar").hidden = lost;
}

async function keepPicture(image) {
  let newest = "";
  for (;;) {
    let pause = "fast" in image.dataset ? 60 : Math.max(400, EACH_MS * pictures.length);
    try {
      if (!document.hidden) {
        const wish = newest && "fast" in image.dataset ? `?after=${newest}` : "";
        const answer = await fetched(image.dataset.picture + wish);
        if (answer.status === 200) {
          newest = answer.headers.get("X-Moment");
          await show(image, await answer.blob());
        } else if (!wish) {
          image.classList.remove("there");
        } else {
          newest = "";
        }
      }
    } catch {
      image.classList.remove("there");
      pause = 1500;
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

async function show(image, blob) {
  const address = URL.createObjectURL(blob);
  const old = image.src;
  image.src = address;
  await image.decode();
  image.classList.add("there");
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

// Sound: two tones, made here, for an alarm that is newer than any that was heard.
let ears = null;
let heard = null;

function sounding() {
  return ears !== null && localStorage.getItem("sound") === "on";
}

function soundWhatIsNew() {
  const newest = Number(document.getElementById("alarms")?.dataset.newest ?? 0);
  if (heard !== null && newest > heard && sounding()) beep();
  heard = Math.max(heard ?? 0, newest);
}

function beep() {
  const start = ears.currentTime;
  for (let tone = 0; tone < 6; tone++) {
    const voice = new OscillatorNode(ears, { type: "square", frequency: tone % 2 ? 660 : 880 });
    const loud = new GainNode(ears, { gain: 0.15 });
    voice.connect(loud).connect(ears.destination);
    voice.start(start + tone * 0.22);
    voice.stop(start + tone * 0.22 + 0.18);
  }
}

function setUpSound(button) {
  const tell = () => {
    button.setAttribute("aria-pressed", String(sounding()));
    button.textContent = sounding() ? button.dataset.on : button.dataset.off;
  };
  button.addEventListener("click", () => {
    const on = !sounding();
    localStorage.setItem("sound", on ? "on" : "off");
    if (on) {
      ears = ears ?? new AudioContext();
      ears.resume();
      beep();
    }
    tell();
  });
  // Browsers keep a page silent until somebody touches it: the wish of last time holds from the first touch on.
  const wake = () => {
    if (localStorage.getItem("sound") === "on" && ears === null) ears = new AudioContext();
    tell();
  };
  for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, wake, { once: true });
  tell();
}

// Keys: A goes to the newest alarm, Ctrl+Enter sends the form, arrows go through the list.
function heedKeys(event) {
  const writing = event.target.matches("input, textarea, select");
  if (event.key === "Enter" && event.ctrlKey) {
    event.preventDefault();
    setTimeout(() => document.querySelector("form.acknowledge")?.requestSubmit()); // at once it would open another tab
  }
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "a") {
    const form = document.querySelector("form.acknowledge");
    if (form) form.querySelector("input:not([type=hidden]), textarea").focus();
    else document.querySelector("[data-key=a]")?.click();
    event.preventDefault();
  }
  if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll(".row a")];
    const next = rows.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
    rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
  }
}

const pictures = document.querySelectorAll("img[data-picture]");
for (const image of pictures) keepPicture(image);
addEventListener("keydown", heedKeys);
const button = document.getElementById("sound");
if (button) setUpSound(button);
soundWhatIsNew();
const pause = Number(body.dataset.refresh);
if (pause && document.getElementById("bar")) {
  keepFresh(pause);
  setInterval(() => showLoss(pause), 500);
}
