// Compare: samplers in columns from one noise, and a grid of steps by η.
import { say } from "./words.js";
import { Refused, json, walk } from "./server.js";
import { blank, bytes, make, show } from "./pictures.js";

const STEPS = [5, 10, 20, 50], ETAS = [0, 0.5, 1];

export class Compare {
  constructor(settings) {
    this.settings = settings;
    this.panel = document.getElementById("panel-compare");
    this.chosen = new Set(["ddim", "ddpm", "dpmpp2m", "heun"]);
  }

  use(model) {
    this.abort?.abort();
    this.model = model;
    this.build();
  }

  translated() { this.build(); }

  build() {
    const checks = this.model.solvers.map(({ name }) => {
      const box = make("input", { type: "checkbox", checked: this.chosen.has(name), onchange: () => (box.checked ? this.chosen.add(name) : this.chosen.delete(name)) });
      return make("label", {}, box, make("span", {}, name));
    });
    this.columns = make("div", { class: "columns" });
    this.said = make("p", { class: "hint", role: "status" });
    this.grid = make("div", { class: "scroll" });
    this.panel.replaceChildren(
      make("div", { class: "card" },
        make("h2", {}, say("solvers")), make("p", {}, say("solversText")), make("div", { class: "checks" }, ...checks),
        make("div", { class: "row2" }, make("button", { type: "button", class: "main narrow", id: "run-compare", onclick: () => this.solvers() }, say("runCompare"))),
        this.said, this.columns, make("p", { class: "hint" }, say("spreadText"))),
      make("div", { class: "card" },
        make("h2", {}, say("grid")), make("p", {}, say("gridText")),
        make("div", { class: "row2" }, make("button", { type: "button", class: "main narrow", id: "run-grid", onclick: () => this.pairs() }, say("runGrid"))),
        this.grid),
    );
  }

  begin() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.said.textContent = "";
    return this.abort.signal;
  }

  // Walks one request on a canvas; the last images, or null where it was refused or stopped.
  async column(canvas, asked, signal, told = () => {}) {
    let begun, last = null, evaluations = 0;
    try {
      for await (const [what, about] of walk(asked, signal)) {
        if (what === "begun") begun = about;
        if (what === "frame") {
          last = bytes(about.x0 ?? about.x);
          show(canvas, last, begun.shape);
          evaluations = about.evaluations;
        }
      }
      told(say("evaluations", { n: evaluations }));
      return last;
    } catch (error) {
      if (!signal.aborted) {
        if (!(error instanceof Refused)) throw error;
        told(error.message);
      }
      return null;
    }
  }

  async solvers() {
    const signal = this.begin();
    this.columns.replaceChildren();
    await Promise.all([...this.chosen].map(async (solver) => {
      const canvas = make("canvas", { role: "img", "aria-label": solver }), cost = make("figcaption", {}), spread = make("figcaption", {});
      blank(canvas, this.model.shape);
      this.columns.append(make("figure", {}, make("h3", {}, solver), canvas, cost, spread));
      const asked = this.settings.asked({ solver });
      const images = await this.column(canvas, asked, signal, (words) => { cost.textContent = words; });
      if (images === null) return;
      try {
        const theory = await json("/v1/theory", asked, signal);
        if (theory.spread === null) {
          spread.textContent = say("theoryOff");
          return;
        }
        const measured = asked.n > 1 ? say("spreadMeasured", { value: (deviation(images, asked.n) / theory.data).toFixed(2) }) : say("measuredFew");
        spread.textContent = `${say("spreadTheory", { value: theory.spread.toFixed(2) })} · ${measured}`;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Refused)) throw error;
        spread.textContent = error.message;
      }
    }));
    this.panel.dataset.done = "solvers";
  }

  async pairs() {
    const signal = this.begin(), asked = this.settings.asked();
    const solver = this.model.solvers.find(({ name }) => name === asked.solver).has_eta ? asked.solver : "ddim";
    const head = make("tr", {}, make("td", {}), ...STEPS.map((steps) => make("th", { scope: "col" }, `${say("steps")} ${steps}`)));
    const table = make("table", { class: "matrix" }, make("thead", {}, head));
    const body = make("tbody", {}), todo = [];
    for (const eta of ETAS) {
      const row = make("tr", {}, make("th", { scope: "row" }, `η ${eta}`));
      for (const steps of STEPS.filter((count) => count <= (this.model.timesteps || count))) {
        const canvas = make("canvas", { role: "img", "aria-label": `${say("steps")} ${steps}, η ${eta}` });
        blank(canvas, this.model.shape);
        row.append(make("td", {}, canvas));
        todo.push([canvas, this.settings.asked({ solver, steps, eta, n: 1 })]);
      }
      body.append(row);
    }
    table.append(body);
    this.grid.replaceChildren(table);
    await Promise.all(todo.map(([canvas, each]) => this.column(canvas, each, signal, () => {})));
    this.panel.dataset.done = "grid";
  }
}

// The total standard deviation of n images, in units of [−1, 1]: the root of the sum of the pixels' variances.
function deviation(images, n) {
  const size = images.length / n;
  let total = 0;
  for (let p = 0; p < size; p++) {
    let sum = 0, squares = 0;
    for (let i = 0; i < n; i++) {
      const value = images[i * size + p] / 127.5;
      sum += value;
      squares += value * value;
    }
    total += (squares - (sum * sum) / n) / (n - 1);
  }
  return Math.sqrt(total);
}
