// Explain: the step of the walk with its numbers, the schedule with the current moment, and the way forward.
import { say, current } from "./words.js";
import { Pad, gaussian, make, show, toByte } from "./pictures.js";

export class Explain {
  constructor(draw) {
    this.draw = draw;
    this.seed = 1;
    this.amount = 0.5;
    this.panel = document.getElementById("panel-explain");
    draw.listeners.push(() => this.step());
  }

  use(model) {
    this.model = model;
    this.drawn = null;
    this.build();
  }

  visible(yes) {
    this.shown = yes;
    if (yes) this.step();
  }

  translated() { this.build(); }

  build() {
    const before = this.pad?.data;
    this.stepCard = make("div", { class: "card" });
    this.curveCard = make("div", { class: "card" });
    this.panel.replaceChildren(this.stepCard, this.curveCard, this.forwardCard());
    if (before && before.length === this.pad.data.length) this.pad.set(before);
    else this.example();
    this.step();
  }

  // ---- one step

  step() {
    if (!this.shown || !this.stepCard) return;
    const { begun, frames, step } = this.draw;
    this.curve(begun, step);
    if (!begun || !frames.length) {
      this.stepCard.replaceChildren(
        make("h2", {}, say("formula")), make("p", {}, say("first")),
        make("button", { type: "button", class: "main", onclick: () => this.draw.go() }, say("drawNow")),
      );
      return;
    }
    if (!this.slider || this.slider.closest("#panel-explain") === null || this.language !== current()) this.stepParts();
    this.slider.max = begun.steps;
    this.slider.value = step;
    const level = begun.plan[step], next = begun.plan[step + 1], does = begun.coefficients[step];
    const where = say("where", { step, steps: begun.steps, alpha: level.alpha.toFixed(3), sigma: level.sigma.toFixed(3) });
    this.where.value = where;
    this.slider.setAttribute("aria-valuetext", where);
    const frame = frames[step], after = frames[step + 1], size = begun.shape.reduce((a, b) => a * b);
    const picture = (data, letter, below) => {
      const canvas = make("canvas", { role: "img", "aria-label": letter + below });
      show(canvas, data.subarray(0, size), begun.shape);
      return make("figure", {}, canvas, make("figcaption", {}, letter, make("sub", {}, below)));
    };
    const number = (value) => make("span", { class: "number" }, value.toFixed(3));
    const sign = (words) => make("span", {}, words);
    if (!does || !after) this.equation.replaceChildren(picture(frame.x, "x", "0"), sign(say("end")));
    else {
      const parts = [picture(after.x, "x", step + 1 === begun.steps ? "0" : "s"), sign("=")];
      if (does.x !== 0) parts.push(number(does.x), sign("·"), picture(frame.x, "x", "t"), sign("+"));
      parts.push(number(does.x0), sign("·"), picture(frame.x0, "x̂", "0"));
      if (does.z !== 0) parts.push(sign("+"), number(does.z), sign("·"), make("span", {}, make("i", {}, "z"), ` (${say("fresh")})`));
      this.equation.replaceChildren(...parts);
    }
    const words = !does || !after ? "" : next.sigma === 0 ? say("last") : begun.order > 1 ? say("formula2", { order: begun.order }) : "";
    this.note.textContent = words;
    this.note.hidden = !words;
    const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
    const share = level.sigma === 0 ? "1 : 0" : level.alpha === 0 ? "0 : 1" : level.alpha > level.sigma ? `${(level.alpha / level.sigma).toFixed(2)} : 1` : `1 : ${(level.sigma / level.alpha).toFixed(2)}`;
    this.facts.replaceChildren(
      fact(say("t"), level.t === null ? "–" : Number(level.t.toFixed(4)).toString()), fact("α", level.alpha.toFixed(4)), fact("σ", level.sigma.toFixed(4)),
      fact(say("logsnr"), level.logsnr === null ? (level.alpha === 0 ? "−∞" : "+∞") : level.logsnr.toFixed(2)), fact(say("share"), share),
    );
  }

  stepParts() {
    this.language = current();
    const text = make("p", {});
    say("formulaText").split("<t>").forEach((part, i, all) => text.append(part, ...(i < all.length - 1 ? [make("sub", {}, "t")] : [])));
    this.slider = make("input", { type: "range", min: 0, step: 1, "aria-label": say("moment"), oninput: () => this.draw.showAt(Number(this.slider.value)) });
    this.where = make("output", {});
    this.equation = make("div", { class: "equation" });
    this.note = make("p", { class: "hint" });
    this.facts = make("dl", { class: "facts" });
    this.stepCard.replaceChildren(
      make("h2", {}, say("formula")), text, make("div", { class: "walk" }, this.slider, this.where), this.equation, this.note, this.facts,
    );
  }

  // ---- the schedule

  curve(begun, step) {
    const W = Math.max(300, Math.min(760, this.curveCard.clientWidth || 760)), H = Math.round(W < 500 ? 190 : 220), left = 34, right = 14, top = 12, bottom = 30, levels = this.model.curve;
    const most = Math.max(1, ...levels.map(({ sigma }) => sigma)), angle = ({ alpha, sigma }) => (2 / Math.PI) * Math.atan2(sigma, alpha);
    const x = (level) => left + (1 - angle(level)) * (W - left - right), y = (value) => top + (1 - value / most) * (H - top - bottom);
    const line = (name, kind) => make("polyline", { fill: "none", stroke: kind, "stroke-width": 2, points: levels.map((level) => `${x(level).toFixed(1)},${y(level[name]).toFixed(1)}`).join(" ") });
    const svg = make("svg", { class: "curve", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": say("curveText") });
    for (const value of [0, most / 2, most]) {
      svg.append(make("line", { x1: left, x2: W - right, y1: y(value), y2: y(value), stroke: "#d9d1c0" }), make("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(2)).toString()));
    }
    svg.append(make("text", { x: left, y: H - 8 }, say("noisier")), make("text", { x: W - right, y: H - 8, "text-anchor": "end" }, say("cleaner")));
    svg.append(line("alpha", "#1d1b18"), line("sigma", "#4b6a88"));
    if (begun) {
      for (const level of begun.plan) svg.append(make("circle", { cx: x(level), cy: y(level.alpha), r: 3.2, fill: "#1d1b18" }), make("circle", { cx: x(level), cy: y(level.sigma), r: 3.2, fill: "#4b6a88" }));
      if (step !== undefined) svg.append(make("line", { x1: x(begun.plan[step]), x2: x(begun.plan[step]), y1: top, y2: H - bottom, stroke: "#a5352a", "stroke-width": 2 }));
    }
    const key = make("ul", { class: "key" }, make("li", {}, make("i", { class: "k0" }), "α"), make("li", {}, make("i", { class: "k2" }), "σ"));
    this.curveCard.replaceChildren(make("h2", {}, say("curve")), make("p", {}, say("curveText")), svg, key);
  }

  // ---- the way forward

  forwardCard() {
    const figure = (canvas, ...words) => make("figure", {}, canvas, make("figcaption", {}, ...words));
    const own = make("canvas", { class: "pad", role: "img", "aria-label": say("yours") });
    this.noiseCanvas = make("canvas", { role: "img", "aria-label": say("noise") });
    this.mixedCanvas = make("canvas", { role: "img", "aria-label": say("mixed") });
    this.pad = new Pad(own, [1, ...this.model.shape.slice(1)], () => this.forward());
    this.mixedText = make("figcaption", {});
    this.amountInput = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: this.amount, id: "amount", oninput: () => { this.amount = Number(this.amountInput.value); this.forward(); } });
    const button = (key, action) => make("button", { type: "button", onclick: action }, say(key));
    return make("div", { class: "card" },
      make("h2", {}, say("forward")), make("p", {}, say("forwardText")),
      make("div", { class: "quad" }, figure(own, say("yours")), figure(this.noiseCanvas, say("noise")), make("figure", {}, this.mixedCanvas, this.mixedText)),
      make("label", { class: "row", for: "amount" }, make("span", {}, say("amount")), this.amountText = make("output", {}), this.amountInput),
      make("div", { class: "actions" }, button("clear", () => this.pad.clear()), button("take", () => this.take()), button("otherNoise", () => { this.seed += 1; this.forward(); })),
    );
  }

  // A seven of two strokes, so that the squares are not empty before anybody draws.
  example() {
    const [, height, width] = this.model.shape, at = (x, y) => [x * width, y * height];
    this.pad.stroke(at(0.28, 0.27), at(0.7, 0.25));
    this.pad.stroke(at(0.7, 0.25), at(0.44, 0.8));
  }

  take() {
    const { frames, begun } = this.draw;
    if (!frames.length) { this.draw.go(); return; }
    const [channels, height, width] = begun.shape, data = new Uint8Array(height * width), from = frames.at(-1).x0;
    for (let p = 0; p < data.length; p++) data[p] = from[p * channels];
    this.pad.set(data);
  }

  forward() {
    const levels = this.model.curve, level = levels[Math.round((1 - this.amount) * (levels.length - 1))], { alpha, sigma } = level;
    const [, height, width] = this.model.shape, eps = gaussian(this.seed, height * width), shape = [1, height, width], scale = Math.hypot(alpha, sigma);
    show(this.noiseCanvas, Uint8Array.from(eps, (value) => toByte(value / 2)), shape);
    show(this.mixedCanvas, Uint8Array.from(eps, (value, p) => toByte((alpha * (this.pad.data[p] / 127.5 - 1) + sigma * value) / scale)), shape);
    this.mixedText.textContent = `x = ${alpha.toFixed(2)}·x₀ + ${sigma.toFixed(2)}·ε`;
    this.amountText.value = `σ/α = ${alpha === 0 ? "∞" : (sigma / alpha).toFixed(2)}`;
    this.amountInput.setAttribute("aria-valuetext", this.amountText.value);
  }
}
