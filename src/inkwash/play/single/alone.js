// The page in one file: settings, and the panels Draw and Paint.
import { current, onLanguage, say, speak } from "./words.js";
import { Pad, make, show, blank } from "./pictures.js";
import { CLEAN, denoiser, seeded, travel, walk } from "./sampler.js";
import { manifest, network } from "./network.js";
import { Film, developed } from "./film.js";

const JUMP = 10;  // steps that RePaint goes back
const form = document.getElementById("form"), status = document.getElementById("status"), go = document.getElementById("go"), stop = document.getElementById("stop");
const area = manifest.shape[1] * manifest.shape[2], size = manifest.shape[0] * area, classes = manifest.condition === "none" ? [] : manifest.classes;
let netOf = null, drawn = null, stopped = false, busy = false, film = null, answers = null, pad = null;
const painting = { label: "", n: "4", passes: "1" };

const asked = () => {
  const value = (name) => form.elements[name].value, ddpm = value("solver") === "ddpm";
  return {
    label: form.elements.label?.value ? Number(value("label")) : null, solver: value("solver"), n: Number(value("n")), seed: Number(value("seed")),
    steps: value("steps"), eta: ddpm ? 1 : Number(value("eta")), scale: Number(value("scale")),
  };
};

// One walk: yields {step, level, x, x0}. `image` is the place in the request, as in `inkwash sample --n`.
export function walked({ label = null, steps = manifest.steps, eta = manifest.eta, scale = manifest.scale, seed = 0, image = 0, known = null, passes = 1 }) {
  const told = classes.length ? label : null, levels = [...manifest.plans[steps], CLEAN], jump = Math.max(1, Math.min(JUMP, levels.length - 2));
  const denoise = denoiser(netOf(told), { label: told, scale, interval: manifest.interval, limit: manifest.limit });
  const plan = known ? travel(levels, jump, passes - 1) : levels;
  return walk(denoise, plan, seeded(seed, image, size), { eta, large: manifest.large, start: manifest.starts[steps], known });
}

// Draws the images of a request into a film; false where it was stopped.
async function fill(into, request, words) {
  busy = true;
  stopped = false;
  go.disabled = true;
  stop.hidden = false;
  const began = performance.now(), run = document.getElementById("fill");
  if (run) run.disabled = true;
  try {
    for (let image = 0; image < request.n; image++) {
      let k = 0;
      for await (const moment of walked({ ...request, image })) {
        into().push(image, developed(moment, manifest.shape));
        status.textContent = say("counted", { i: image + 1, n: request.n, step: k++, steps: manifest.plans[request.steps].length });
        if (stopped) { status.textContent = say("ended0"); return; }
      }
    }
    status.textContent = say(words, { n: request.n, seconds: ((performance.now() - began) / 1000).toFixed(1) });
  } finally {
    busy = false;
    go.disabled = false;
    stop.hidden = true;
    if (document.getElementById("fill")) document.getElementById("fill").disabled = false;
  }
}

// ---- Draw

const quoted = (word) => (/^[\w.+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

// The command that draws what is shown, to a grey level.
function command({ label, n, seed, solver, steps, eta, scale }) {
  const { name, spacing, limit, large, guided } = manifest;
  const flags = [`--n ${n}`, `--seed ${seed}`, `--solver ${solver}`, `--steps ${steps}`, `--spacing ${quoted(spacing)}`, `--limit ${quoted(limit)}`];
  if (solver !== "ddpm") flags.push(`--eta ${eta}`);
  if (large) flags.push("--variance large");
  if (label !== null) flags.unshift(`--label ${quoted(classes[label])}`);
  if (label !== null && guided) flags.push(`--scale ${scale}`);
  return `inkwash sample ${quoted(name)} ${flags.join(" ")}`;
}

function buildDraw() {
  const before = film, fresh = new Film("draw", manifest.shape);
  film = fresh;
  if (before) fresh.takeOver(before);
  const same = drawn ? [make("p", { class: "hint" }, say("saidBy")), make("pre", { id: "command", tabindex: "0" }, command(drawn))] : [];
  document.getElementById("panel-draw").replaceChildren(fresh.element, make("div", { class: "actions" }, make("button", { type: "button", id: "save", onclick: save }, say("savePng"))), ...same);
}

function save() {
  if (!film.walks.length) return;
  const canvas = make("canvas");
  show(canvas, film.finished(), manifest.shape);
  canvas.toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: "inkwash.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (busy || !netOf) return;
  film = null;
  drawn = asked();
  buildDraw();
  await fill(() => film, drawn, "finished");
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
});
stop.addEventListener("click", () => { stopped = true; });
document.getElementById("dice").addEventListener("click", () => { form.elements.seed.value = Math.floor(Math.random() * 1e6); refresh(); });
form.addEventListener("input", refresh);

function refresh() {
  const ddpm = form.elements.solver.value === "ddpm";
  document.getElementById("eta-row").hidden = ddpm;
  for (const name of ["eta", "scale"]) document.querySelector(`output[for="${name}"]`).value = form.elements[name].value;
  document.getElementById("solver-help").textContent = say(ddpm ? "about-ddpm" : "about-ddim");
}

// ---- Paint

const fromBytes = (data) => Float32Array.from({ length: size }, (_, i) => data[(i % area) * manifest.shape[0] + Math.floor(i / area)] / 127.5 - 1);

function example() {
  const [, height, width] = manifest.shape, at = (x, y) => [x * width, y * height];
  const round = Array.from({ length: 25 }, (_, i) => at(0.5 + 0.19 * Math.sin((i * Math.PI) / 12), 0.5 - 0.27 * Math.cos((i * Math.PI) / 12)));
  for (let i = 1; i < round.length; i++) pad.stroke(round[i - 1], round[i]);
  pad.brush = "hole";
  for (const y of [0.62, 0.7, 0.78]) pad.stroke(at(0.2, y), at(0.8, y));
  pad.brush = "ink";
}

async function load(file) {
  if (!file || file.size > 20_000_000) return;
  const [channels, height, width] = manifest.shape;
  let bitmap;
  try { bitmap = await createImageBitmap(file); } catch { status.textContent = say("needPicture"); return; }
  const canvas = make("canvas", { width, height }), context = canvas.getContext("2d"), by = Math.max(width / bitmap.width, height / bitmap.height);
  context.drawImage(bitmap, (width - bitmap.width * by) / 2, (height - bitmap.height * by) / 2, bitmap.width * by, bitmap.height * by);
  const { data } = context.getImageData(0, 0, width, height);
  const value = (p, c) => (channels === 3 ? data[4 * p + c] : Math.round(0.299 * data[4 * p] + 0.587 * data[4 * p + 1] + 0.114 * data[4 * p + 2]));
  pad.set(Uint8Array.from({ length: size }, (_, i) => value(Math.floor(i / channels), i % channels)));
}

function buildPaint() {
  const before = pad, canvas = make("canvas", { class: "pad", role: "img", id: "pad", "aria-label": say("paintTitle") });
  pad = new Pad(canvas, manifest.shape);
  if (before) {
    Object.assign(pad, { data: before.data, hole: before.hole, brush: before.brush });
    pad.paint();
  } else example();
  const brushes = ["ink", "eraser", "hole"].map((name) => make("button", { type: "button", "aria-pressed": String(pad.brush === name), onclick: (event) => {
    pad.brush = name;
    for (const each of event.currentTarget.parentElement.children) if (each.hasAttribute("aria-pressed")) each.setAttribute("aria-pressed", String(each === event.currentTarget));
  } }, say(name)));
  const file = make("input", { type: "file", accept: "image/*", class: "file", tabindex: "-1", "aria-label": say("load"), onchange: () => load(file.files[0]) });
  const number = (name, most) => {
    const made = make("input", { type: "number", min: 1, max: most, id: `paint-${name}`, value: painting[name], onchange: () => { painting[name] = String(Math.min(most, Math.max(1, Math.round(Number(made.value)) || 1))); made.value = painting[name]; } });
    return made;
  };
  const label = make("select", { id: "paint-label", onchange: () => { painting.label = label.value; } }, ...options(painting.label));
  const shown = new Film("paint", manifest.shape);
  if (answers) shown.takeOver(answers);
  answers = shown;
  document.getElementById("panel-paint").replaceChildren(make("div", { class: "easel" },
    make("div", { class: "card" },
      make("h2", {}, say("paintTitle")), make("p", {}, say("fillText")), canvas,
      make("div", { class: "actions brushes", role: "group", "aria-label": say("brush") }, ...brushes, make("button", { type: "button", onclick: () => pad.clear() }, say("clear"))),
      make("div", { class: "actions" }, make("button", { type: "button", onclick: () => file.click() }, say("load")), file, make("button", { type: "button", id: "take", onclick: take }, say("take"))),
      make("div", { class: "row2" },
        ...(classes.length ? [make("label", {}, make("span", {}, say("labelShown")), label)] : []),
        make("label", {}, make("span", {}, say("answers")), number("n", 16)),
        make("label", {}, make("span", {}, say("passes")), number("passes", 10))),
      make("button", { type: "button", class: "main narrow", id: "fill", disabled: !netOf || busy, onclick: restore }, say("fillHole"))),
    make("div", {}, shown.element, make("div", { class: "triptych", id: "moments" }))));
  moments();
}

function take() {
  if (!film.walks.length) { status.textContent = say("first"); return; }
  pad.set(film.walks[film.chosen].at(-1).x);
}

async function restore() {
  if (busy || !netOf) return;
  if (!pad.data.some((value) => value > 0)) { status.textContent = say("needPicture"); return; }
  if (!pad.hole.some((value) => value > 0)) { status.textContent = say("needHole"); return; }
  const mask = Uint8Array.from({ length: size }, (_, i) => 1 - pad.hole[i % area]);
  answers = null;
  buildPaint();
  const request = { ...asked(), n: Number(painting.n), passes: Number(painting.passes), label: painting.label === "" ? null : Number(painting.label), known: { y: fromBytes(pad.data), mask } };
  await fill(() => answers, request, "filled");
  moments();
  document.body.dataset.filled = String(Number(document.body.dataset.filled ?? 0) + 1);
}

// The mean of the answers, and their standard deviation, white where it is 1.
function moments() {
  const place = document.getElementById("moments"), ends = answers.walks.filter((each) => each.at(-1).level.sigma === 0).map((each) => each.at(-1).x);
  const figure = (name, data) => {
    const canvas = make("canvas", { role: "img", "aria-label": say(name) });
    if (data) show(canvas, data, manifest.shape);
    else blank(canvas, manifest.shape);
    return make("figure", {}, canvas, make("figcaption", {}, say(name)));
  };
  if (ends.length < 2) { place.replaceChildren(); return; }
  const mean = Float64Array.from({ length: size }, (_, i) => ends.reduce((sum, each) => sum + each[i], 0) / ends.length);
  const sd = mean.map((middle, i) => 2 * Math.sqrt(ends.reduce((sum, each) => sum + (each[i] - middle) ** 2, 0) / (ends.length - 1)));
  place.replaceChildren(figure("mean", Uint8Array.from(mean, Math.round)), figure("sd", Uint8Array.from(sd, (value) => Math.min(255, Math.round(value)))));
}

// ---- the page

// The classes, and "not said" where the model may be asked without one.
function options(chosen) {
  const rows = classes.map((name, i) => [String(i), name]);
  if (manifest.must_be_told) { if (chosen === "") painting.label = "0"; } else rows.unshift(["", say("unknown")]);
  return rows.map(([value, words]) => make("option", { value, selected: value === chosen }, words));
}

function buildClasses() {
  const field = document.getElementById("classes"), chips = field.querySelector(".chips"), now = form.elements.label?.value ?? "0";
  field.hidden = classes.length === 0;
  chips.classList.toggle("words", classes.some((name) => name.length > 2));
  const chip = (value, words, wide) => make("label", wide ? { class: "span" } : {}, make("input", { type: "radio", name: "label", value, checked: value === now }), make("span", {}, words));
  if (classes.length) chips.replaceChildren(...classes.map((name, i) => chip(String(i), name)), ...(manifest.must_be_told ? [] : [chip("", say("unknown"), true)]));
}

function choose(panel, focus = false) {
  for (const name of ["draw", "paint"]) {
    const tab = document.getElementById(`tab-${name}`), chosen = name === panel;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    document.getElementById(`panel-${name}`).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  document.querySelector("main").classList.toggle("wide", panel === "paint");
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => choose(tab.id.slice(4)));
  tab.addEventListener("keydown", (event) => {
    if (["ArrowLeft", "ArrowRight"].includes(event.key)) choose(tab.id === "tab-draw" ? "paint" : "draw", true);
  });
}
for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => speak(button.dataset.language));
for (const steps of Object.keys(manifest.plans)) form.elements.steps.append(make("option", { value: steps, selected: Number(steps) === manifest.steps }, steps));
Object.assign(form.elements.eta, { value: manifest.eta });
Object.assign(form.elements.scale, { value: manifest.scale });
form.elements.solver.value = manifest.solver === "ddpm" ? "ddpm" : "ddim";
document.getElementById("scale-row").hidden = !manifest.guided;
onLanguage(() => {
  buildClasses();
  buildDraw();
  buildPaint();
  refresh();
  document.getElementById("about").textContent = `${say("aboutFile", { recipe: manifest.recipe, steps: manifest.shape.slice(1).join("×"), digest: manifest.checkpoint.slice(0, 12) })} · ${say("differs", { value: manifest.largest_difference.toExponential(1) })}`;
  status.textContent = say(netOf ? (classes.length ? "ready" : "readyPlain") : "preparing");
});
choose("draw");
speak(/^zh\b/i.test(navigator.language) ? "zh" : "en");
try {
  const began = performance.now();
  netOf = await network();
  document.body.dataset.ready = ((performance.now() - began) / 1000).toFixed(2);
  go.disabled = false;
  document.getElementById("fill").disabled = false;
  status.textContent = say(classes.length ? "ready" : "readyPlain");
} catch (error) {
  status.textContent = say("failed", { reason: error.message });
  throw error;
}
// For the console: all moments of one walk, x as arrays.
globalThis.inkwash = { manifest, async trajectory(request) {
  const out = [];
  for await (const { x } of walked(request)) out.push(Array.from(x));
  return out;
} };
