// A film: several walks of images, one shown at x_t, x̂₀ and ε̂ with a slider, and a sheet of all.
import { say } from "./words.js";
import { make, show, blank, toByte } from "./pictures.js";

// A moment as bytes [h,w,c] for three views: x divided by its deviation, x̂₀, and ε̂ (white is 2, black −2).
export function developed({ level, x, x0 }, [channels, height, width]) {
  const area = height * width, std = Math.hypot(level.alpha, level.sigma);
  const laid = (of) => Uint8Array.from({ length: channels * area }, (_, i) => toByte(of((i % channels) * area + Math.floor(i / channels))));
  return {
    level,
    x: laid((j) => x[j] / std),
    x0: x0 && laid((j) => x0[j]),
    eps: x0 && level.sigma > 0 ? laid((j) => (x[j] - level.alpha * x0[j]) / level.sigma / 2) : null,
  };
}

export class Film {
  constructor(prefix, shape) {
    this.shape = shape;
    this.walks = [];
    this.chosen = 0;
    const view = (name, mark, words) => {
      this[name] = make("canvas", { role: "img", id: `${prefix}-${name}`, "aria-label": say(words) });
      return make("figure", {}, this[name], make("figcaption", {}, make("b", {}, mark), " ", say(words)));
    };
    const triptych = make("div", { class: "triptych" }, view("x", "xₜ", "x"), view("x0", "x̂₀", "x0"), view("eps", "ε̂", "eps"));
    const icon = make("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, make("path", { d: "M5 3l12 7-12 7z" }));
    this.button = make("button", { type: "button", id: `${prefix}-play`, "aria-label": say("playback"), onclick: () => this.play() }, icon);
    this.slider = make("input", { type: "range", id: `${prefix}-moment`, min: 0, max: 0, step: 1, value: 0, "aria-label": say("moment"), oninput: () => { this.stop(); this.at(Number(this.slider.value)); } });
    this.where = make("output", { for: `${prefix}-moment` });
    this.sheet = make("div", { class: "sheet" });
    this.element = make("div", { class: "film" }, triptych, make("div", { class: "walk" }, this.button, this.slider, this.where), this.sheet);
    this.at(0);
  }

  // A film of the same walks with the words of the language that is chosen now.
  takeOver(other) {
    for (const [i, moments] of other.walks.entries()) {
      for (const moment of moments) this.push(i, moment);
    }
    this.chosen = other.chosen;
    this.press();
    this.slider.value = other.slider.value;
    this.at(Number(other.slider.value));
  }

  push(i, moment) {
    if (!this.walks[i]) {
      this.walks[i] = [];
      const canvas = make("canvas", { role: "img", "aria-label": say("whichImage") + ` ${i + 1}` });
      this.sheet.append(make("button", { type: "button", "aria-pressed": String(i === this.chosen), onclick: () => this.choose(i) }, canvas));
      if (i > 0) this.choose(i);
    }
    this.walks[i].push(moment);
    show(this.sheet.children[i].firstChild, moment.x0 ?? moment.x, this.shape);
    if (i !== this.chosen) return;
    this.slider.max = this.walks[i].length - 1;
    this.slider.value = this.slider.max;
    this.at(this.walks[i].length - 1);
  }

  choose(i) {
    this.chosen = i;
    this.press();
    this.slider.max = Math.max(0, this.walks[i].length - 1);
    this.at(Math.min(Number(this.slider.value), this.walks[i].length - 1));
  }

  press() { for (const [k, each] of [...this.sheet.children].entries()) each.setAttribute("aria-pressed", String(k === this.chosen)); }

  at(k) {
    const moment = this.walks[this.chosen]?.[k];
    for (const name of ["x", "x0", "eps"]) moment?.[name] ? show(this[name], moment[name], this.shape) : blank(this[name], this.shape);
    this.where.value = moment ? say("where", { step: k, steps: Math.max(this.walks[this.chosen].length - 1, 0), alpha: moment.level.alpha.toFixed(3), sigma: moment.level.sigma.toFixed(3) }) : "";
  }

  stop() { clearInterval(this.timer); }

  play() {
    this.stop();
    let k = 0;
    this.timer = setInterval(() => {
      if (!this.element.isConnected || k > Number(this.slider.max)) { this.stop(); return; }
      this.slider.value = k;
      this.at(k++);
    }, 90);
  }

  // What was drawn, one after the other, as bytes.
  finished() {
    const ends = this.walks.map((moments) => moments.at(-1).x), out = new Uint8Array(ends.reduce((n, each) => n + each.length, 0));
    let place = 0;
    for (const each of ends) { out.set(each, place); place += each.length; }
    return out;
  }
}
