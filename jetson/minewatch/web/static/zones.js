// Draws zones on a camera's picture: corners by clicks, moved by dragging; saved as shares of the picture's sides.
"use strict";

const WIDE = 1600;
const HIGH = 900;
const NEAR = 22; // of WIDE: so close to the first corner a click closes the zone
const SVG = "http://www.w3.org/2000/svg";
const sheet = document.getElementById("sheet");
const list = document.getElementById("zones");
const told = document.getElementById("told");
sheet.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH}`);
sheet.setAttribute("preserveAspectRatio", "none");

let zones = JSON.parse(list.dataset.zones).map((zone) => ({ rule: "helmet", count: true, ...zone }));
let draft = [];
let chosen = -1;
let dragged = null;
const past = [];

function remember() {
  past.push(JSON.stringify({ zones, draft }));
  if (past.length > 200) past.shift();
  told.textContent = "";
}

function undo() {
  if (!past.length) return;
  ({ zones, draft } = JSON.parse(past.pop()));
  chosen = Math.min(chosen, zones.length - 1);
  draw();
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function onSheet(points) {
  return points.map(([x, y]) => `${x * WIDE},${y * HIGH}`).join(" ");
}

function corners(points, zone) {
  const box = sheet.getBoundingClientRect(); // circles that stay round, however the picture is stretched
  const size = (7 * WIDE) / (box.width || WIDE);
  return points.map(([x, y], corner) => {
    const made = element("ellipse", { class: "corner", cx: x * WIDE, cy: y * HIGH, rx: size,
      ry: (size * HIGH * box.width) / (WIDE * box.height || 1) || size });
    made.dataset.zone = zone;
    made.dataset.corner = corner;
    return made;
  });
}

function draw() {
  sheet.replaceChildren();
  zones.forEach((zone, index) => {
    const shape = element("polygon", { class: `rule-${zone.rule}${index === chosen ? " chosen" : ""}`,
      points: onSheet(zone.points) });
    shape.dataset.zone = index;
    const name = element("text", { x: zone.points[0][0] * WIDE + 12, y: zone.points[0][1] * HIGH + 34 });
    name.textContent = zone.name;
    sheet.append(shape, name);
    if (index === chosen) sheet.append(...corners(zone.points, index));
  });
  if (draft.length) sheet.append(element("polyline", { class: "draft", points: onSheet(draft) }), ...corners(draft, -1));
  document.getElementById("undo").disabled = !past.length;
  document.getElementById("save").disabled = !past.length || draft.length > 0;
  document.getElementById("none").hidden = zones.length > 0;
  drawList();
}

function drawList() {
  while (list.children.length > zones.length) list.lastElementChild.remove();
  while (list.children.length < zones.length) list.append(row());
  zones.forEach((zone, index) => {
    const item = list.children[index];
    item.classList.toggle("chosen", index === chosen);
    const name = item.querySelector(".name");
    if (name.value !== zone.name) name.value = zone.name;
    item.querySelector(".rule").value = zone.rule;
    item.querySelector(".count").checked = zone.count;
  });
}

function row() {
  const item = document.getElementById("zone").content.cloneNode(true).firstElementChild;
  const index = () => [...list.children].indexOf(item);
  const change = (key, value) => {
    remember();
    zones[index()][key] = value;
    draw();
  };
  item.addEventListener("focusin", () => {
    chosen = index();
    draw();
  });
  item.querySelector(".name").addEventListener("change", (event) => change("name", event.target.value.trim()));
  item.querySelector(".rule").addEventListener("change", (event) => change("rule", event.target.value));
  item.querySelector(".count").addEventListener("change", (event) => change("count", event.target.checked));
  item.querySelector(".remove").addEventListener("click", () => {
    remember();
    zones.splice(index(), 1);
    chosen = -1;
    draw();
  });
  return item;
}

function place(event) {
  const box = sheet.getBoundingClientRect();
  const share = (value) => Math.min(1, Math.max(0, Math.round(value * 10000) / 10000));
  return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
}

function isNear([x, y], [u, v]) {
  return Math.hypot((x - u) * WIDE, (y - v) * HIGH) < NEAR;
}

function close() {
  if (draft.length < 3) return;
  remember();
  const names = new Set(zones.map((zone) => zone.name));
  let number = 1;
  while (names.has(`${list.dataset.new} ${number}`)) number++;
  zones.push({ name: `${list.dataset.new} ${number}`, points: draft, rule: "helmet", count: true });
  draft = [];
  chosen = zones.length - 1;
  draw();
}

function press(event) {
  if (event.button !== 0) return;
  const { zone, corner } = event.target.dataset;
  const point = place(event);
  if (draft.length) {
    if (draft.length > 2 && isNear(point, draft[0])) return close();
    remember();
    draft.push(point);
  } else if (corner !== undefined) {
    remember();
    dragged = { zone: Number(zone), corner: Number(corner) };
    sheet.setPointerCapture(event.pointerId);
  } else if (zone !== undefined && Number(zone) !== chosen) {
    chosen = Number(zone);
  } else {
    remember();
    chosen = -1;
    draft.push(point);
  }
  draw();
}

function move(event) {
  if (dragged === null) return;
  zones[dragged.zone].points[dragged.corner] = place(event);
  draw();
}

function heedDrawingKeys(event) {
  if (event.key === "z" && event.ctrlKey) {
    event.preventDefault();
    return undo();
  }
  if (event.target.matches("input, select")) return;
  if (event.key === "Enter" && draft.length > 2) {
    event.preventDefault();
    close();
  }
  if (event.key === "Escape" && draft.length) {
    remember();
    draft = [];
    draw();
  }
}

async function save() {
  const answer = await fetch(location.pathname, { method: "POST", body: JSON.stringify({ zones }),
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.token } }).catch(() => null);
  if (answer?.ok) {
    past.length = 0;
    told.textContent = told.dataset.saved;
    told.className = "";
  } else {
    const why = answer ? (await answer.json().catch(() => ({}))).error ?? answer.status : "";
    told.textContent = told.dataset.failed + why;
    told.className = "wrong";
  }
  draw();
}

sheet.addEventListener("pointerdown", press);
sheet.addEventListener("pointermove", move);
sheet.addEventListener("pointerup", () => { dragged = null; });
sheet.addEventListener("pointercancel", () => { dragged = null; });
addEventListener("keydown", heedDrawingKeys);
addEventListener("resize", draw);
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("save").addEventListener("click", save);
addEventListener("beforeunload", (event) => { if (past.length) event.preventDefault(); });
draw();
