// Training: the losses, the speed and the time left of a run that is trained now.
import { say } from "./words.js";
import { Refused, json, walk } from "./server.js";
import { bytes, make, show } from "./pictures.js";

const MOST = 6;  // sheets of a training

export class Training {
  constructor() {
    this.panel = document.getElementById("panel-training");
    this.found = [];
    this.sheets = {};  // by training: what was drawn from its checkpoints, oldest first
  }

  // Draws from a checkpoint that was not seen before, always from the same noise.
  async sheet({ name, saved }) {
    const before = (this.sheets[name] ??= []);
    if (!saved || this.drawing || before.at(-1)?.digest === saved.digest) return;
    this.drawing = true;
    try {
      const { models } = await json("/v1/models"), model = models.find((each) => each.name === name);
      const asked = { model: name, n: 16, seed: 0, steps: Math.min(20, model.timesteps || 20) };
      if (model.condition === "class") asked.label = "all";
      if (model.condition === "text") return;
      let shape, last;
      for await (const [what, about] of walk(asked)) {
        if (what === "begun") shape = about.shape;
        if (what === "frame") last = about.x;
      }
      before.push({ ...saved, shape, images: bytes(last) });
      if (before.length > MOST) before.splice(1, 1);  // the first stays, to compare with
      this.build();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    } finally {
      this.drawing = false;
    }
  }

  translated() { this.build(); }

  visible(yes) {
    clearInterval(this.timer);
    if (!yes) return;
    document.getElementById("status").textContent = "";
    this.look();
    this.timer = setInterval(() => this.look(), 2000);
  }

  async look() {
    try {
      const { trainings } = await json("/v1/trainings");
      this.found = await Promise.all(trainings.map((name) => json(`/v1/trainings/${encodeURIComponent(name)}`)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return;
    }
    this.build();
    for (const training of this.found) await this.sheet(training);
  }

  build() {
    const cards = this.found.map((training) => this.card(training));
    this.panel.replaceChildren(...(cards.length ? cards : [make("div", { class: "card" }, make("h2", {}, say("watchTitle")), make("p", {}, say("watchNone")))]));
  }

  card({ name, running, reports }) {
    const now = reports.findLast((row) => "loss" in row) ?? {}, held = reports.findLast((row) => "held_out" in row);
    const fact = (words, value) => make("div", {}, make("dt", {}, words), make("dd", {}, value));
    const speed = now.images_per_second, steps = now.steps > 0 && now.steps < 1e9 ? now.steps : null;
    const left = running && steps && speed && now.images_seen ? ((steps - now.step) * now.images_seen) / now.step / speed : null;
    return make("div", { class: "card" },
      make("h2", {}, `${name}: ${say(running ? "running" : "ended")}`),
      make("p", {}, steps ? say("stepOf", { step: now.step, steps }) : say("step1", { step: now.step ?? 0 })),
      chart(reports, this.panel.clientWidth - 42),
      make("ul", { class: "key" }, make("li", {}, make("i", { class: "k0" }), say("loss")), make("li", {}, make("i", { class: "k1" }), say("heldOut"))),
      make("dl", { class: "facts" },
        fact(say("loss"), now.loss === undefined ? "–" : now.loss.toFixed(4)), fact(say("heldOut"), held ? held.held_out.toFixed(4) : "–"),
        fact(say("speed"), speed ? Math.round(speed).toString() : "–"), fact(say("left"), left === null ? "–" : clock(left)),
        fact(say("seen"), now.images_seen?.toLocaleString() ?? "–")),
      make("p", { class: "hint" }, say("sheets")),
      make("div", { class: "sheets" }, ...(this.sheets[name] ?? []).map(({ step, shape, images }) => {
        const canvas = make("canvas", { role: "img", "aria-label": say("step1", { step }) });
        show(canvas, images, shape);
        return make("figure", {}, canvas, make("figcaption", {}, say("step1", { step })));
      })));
  }
}

function clock(seconds) {
  const s = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${two(Math.floor(s / 60))}:${two(s % 60)}`;
}

// Losses over steps, on a logarithmic axis.
function chart(reports, width) {
  const W = Math.max(300, width), H = 240, left = 52, right = 14, top = 12, bottom = 30;
  const rows = { loss: [], held_out: [] };
  for (const row of reports) for (const name of Object.keys(rows)) if (row[name] > 0) rows[name].push([row.step, row[name]]);
  const values = [...rows.loss, ...rows.held_out].map(([, value]) => value), steps = [...rows.loss, ...rows.held_out].map(([step]) => step);
  const svg = make("svg", { class: "curve", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": say("loss") });
  if (!values.length) return svg;
  const low = Math.log(Math.min(...values) * 0.95), high = Math.log(Math.max(...values) * 1.05), most = Math.max(1, ...steps);
  const x = (step) => left + (step / most) * (W - left - right), y = (value) => top + ((high - Math.log(value)) / (high - low)) * (H - top - bottom);
  for (let k = 0; k <= 3; k++) {
    const value = Math.exp(low + ((high - low) * k) / 3);
    svg.append(make("line", { x1: left, x2: W - right, y1: y(value), y2: y(value), stroke: "#d9d1c0" }), make("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, value.toPrecision(2)));
  }
  svg.append(make("text", { x: left, y: H - 8 }, "0"), make("text", { x: W - right, y: H - 8, "text-anchor": "end" }, say("step1", { step: most })));
  for (const [name, color] of [["loss", "#1d1b18"], ["held_out", "#a5352a"]]) {
    svg.append(make("polyline", { fill: "none", stroke: color, "stroke-width": 2, points: rows[name].map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }));
  }
  return svg;
}
