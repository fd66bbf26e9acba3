// Paint: draw or load a picture, say what happened to it, and see several answers, their mean and their spread.
import { say } from "./words.js";
import { Refused, json } from "./server.js";
import { Pad, blank, bytes, make, show, text } from "./pictures.js";

const LARGEST = 20_000_000;  // bytes of a picture that is loaded; it is read in this page and never sent whole

export class Paint {
  constructor(settings, draw) {
    this.settings = settings;
    this.draw = draw;
    this.panel = document.getElementById("panel-paint");
    this.chosen = { task: "inpaint", method: "pigdm", strength: "0.5", n: "8", label: "" };
  }

  use(model) {
    this.model = model;
    this.pad = null;
    this.result = null;
    this.build();
  }

  translated() { this.build(); }
  visible(yes) { if (yes) this.status(""); }

  status(words) { document.getElementById("status").textContent = words; }

  build() {
    const before = this.pad, model = this.model;
    const canvas = make("canvas", { class: "pad", role: "img", "aria-label": say("paintTitle"), id: "paint-pad" });
    this.pad = new Pad(canvas, model.shape);
    if (before) {
      this.pad.data = before.data;
      this.pad.hole = before.hole;
      this.pad.brush = before.brush;
    } else this.example();
    this.pad.paint();
    const brushes = ["ink", "eraser", "hole"].map((name) => make("button", { type: "button", "aria-pressed": String(this.pad.brush === name), onclick: (event) => {
      this.pad.brush = name;
      for (const each of event.currentTarget.parentElement.querySelectorAll("[aria-pressed]")) each.setAttribute("aria-pressed", String(each === event.currentTarget));
    } }, say(name)));
    const file = make("input", { type: "file", accept: "image/*", class: "file", "aria-label": say("load"), onchange: () => this.load(file.files[0]) });
    const select = (name, options) => {
      const made = make("select", { onchange: () => { this.chosen[name] = made.value; this.fit(); } }, ...options.map(([value, words]) => make("option", { value, selected: value === this.chosen[name] }, words)));
      return made;
    };
    this.method = make("label", {}, make("span", {}, say("method")), select("method", model.methods.map((name) => [name, name])));
    const strength = make("input", { type: "range", min: 0.1, max: 1, step: 0.05, value: this.chosen.strength, oninput: () => { this.chosen.strength = strength.value; shown.value = strength.value; } });
    const shown = make("output", {}, this.chosen.strength);
    this.strength = make("label", {}, make("span", {}, say("strength"), " ", shown), strength);
    const count = make("input", { type: "number", min: 1, max: 8, value: this.chosen.n, onchange: () => { this.chosen.n = count.value; } });
    const label = model.condition === "class" ? [make("label", {}, make("span", {}, say("labelShown")), select("label", [["", say("unknown")], ...model.classes.map((name) => [name, name])]))] : [];
    this.go = make("button", { type: "button", class: "main narrow", id: "run-paint", onclick: () => this.run() }, say("runPaint"));
    this.out = make("div", {});
    this.panel.replaceChildren(make("div", { class: "easel" },
      make("div", { class: "card" },
        make("h2", {}, say("paintTitle")), make("p", {}, say("paintText")), canvas,
        make("div", { class: "actions brushes", role: "group", "aria-label": say("brush") }, ...brushes, make("button", { type: "button", onclick: () => this.pad.clear() }, say("clear"))),
        make("div", { class: "actions" }, make("button", { type: "button", onclick: () => file.click() }, say("load")), file, make("button", { type: "button", onclick: () => this.take() }, say("take"))),
        make("div", { class: "row2" }, make("label", {}, make("span", {}, say("task")), select("task", ["inpaint", "downsample", "blur", "sdedit"].map((name) => [name, say(name)]))), this.method, this.strength, ...label, make("label", {}, make("span", {}, say("answers")), count)),
        this.go),
      this.out));
    this.fit();
    this.show();
  }

  fit() {
    this.method.hidden = this.chosen.task === "sdedit";
    this.strength.hidden = this.chosen.task !== "sdedit";
  }

  example() {
    const [, height, width] = this.model.shape, at = (x, y) => [x * width, y * height];
    const round = Array.from({ length: 25 }, (_, i) => at(0.5 + 0.19 * Math.sin((i * Math.PI) / 12), 0.5 - 0.27 * Math.cos((i * Math.PI) / 12)));
    for (let i = 1; i < round.length; i++) this.pad.stroke(round[i - 1], round[i]);
    this.pad.brush = "hole";
    for (const y of [0.62, 0.7, 0.78]) this.pad.stroke(at(0.2, y), at(0.8, y));
    this.pad.brush = "ink";
  }

  take() {
    const { frames, begun } = this.draw;
    if (!frames.length) { this.status(say("first")); return; }
    this.pad.set(frames.at(-1).x0.subarray(0, begun.shape.reduce((a, b) => a * b)));
  }

  // The picture, scaled to the model's size in this page.
  async load(file) {
    if (!file || file.size > LARGEST) return;
    const [channels, height, width] = this.model.shape;
    let bitmap;
    try { bitmap = await createImageBitmap(file); } catch { this.status(say("needPicture")); return; }
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d"), scale = Math.max(width / bitmap.width, height / bitmap.height);
    context.drawImage(bitmap, (width - bitmap.width * scale) / 2, (height - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
    const { data } = context.getImageData(0, 0, width, height);
    const value = (p, c) => (channels === 3 ? data[4 * p + c] : Math.round(0.299 * data[4 * p] + 0.587 * data[4 * p + 1] + 0.114 * data[4 * p + 2]));
    this.pad.set(Uint8Array.from({ length: width * height * channels }, (_, i) => value(Math.floor(i / channels), i % channels)));
  }

  async run() {
    const { pad, model, chosen } = this;
    if (!pad.data.some((value) => value > 0)) { this.status(say("needPicture")); return; }
    if (chosen.task === "inpaint" && !pad.hole.some((value) => value > 0)) { this.status(say("needHole")); return; }
    const asked = { model: model.name, picture: text(pad.data), task: chosen.task, method: chosen.method, strength: Number(chosen.strength), n: Number(chosen.n), seed: this.settings.asked().seed };
    if (chosen.task === "inpaint") asked.hole = text(pad.hole);
    if (chosen.label) asked.label = chosen.label;
    this.go.disabled = true;
    this.status("…");
    try {
      this.result = await json("/v1/restorations", asked);
      this.status(say("restored", { n: this.result.n, seconds: this.result.seconds.toFixed(1) }));
      this.show();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.status(error.message);
    } finally {
      this.go.disabled = false;
    }
  }

  show() {
    const found = this.result;
    const figure = (name, data) => {
      const canvas = make("canvas", { role: "img", "aria-label": say(name) });
      if (data) show(canvas, data, found.shape);
      else blank(canvas, this.model.shape);
      return make("figure", {}, canvas, make("figcaption", {}, say(name)));
    };
    const [channels, height, width] = this.model.shape, size = channels * height * width, answers = [];
    const all = found ? bytes(found.answers) : null;
    for (let i = 0; i < (found ? found.n : 0); i++) {
      const canvas = make("canvas", { role: "img", "aria-label": `${say("answers")} ${i + 1}` });
      show(canvas, all.subarray(i * size, (i + 1) * size), found.shape);
      answers.push(canvas);
    }
    this.out.replaceChildren(
      make("div", { class: "triptych" }, figure("input", found && bytes(found.input)), figure("mean", found && bytes(found.mean)), figure("sd", found && bytes(found.sd))),
      make("div", { class: "answers" }, ...answers));
    if (found) this.panel.dataset.done = found.seconds.toFixed(2);
  }
}
