// The form of settings: what is asked for, with the defaults and limits of a model.
import { has, say, onLanguage } from "./words.js";
import { make } from "./pictures.js";

const NAMES = ["label", "text", "n", "seed", "solver", "steps", "spacing", "eta", "scale"];

export class Settings {
  constructor(changed) {
    this.form = document.getElementById("form");
    this.changed = changed;
    this.form.addEventListener("input", () => { this.fit(); changed(); });
    document.getElementById("dice").addEventListener("click", () => {
      this.form.elements.seed.value = Math.floor(Math.random() * 1e6);
      changed();
    });
    onLanguage(() => { if (this.model) this.fit(); });
  }

  use(model, limits, given) {
    this.model = model;
    const { elements } = this.form, sampler = model.sampler;
    const byClass = model.condition === "class", byText = model.condition === "text";
    document.getElementById("classes").hidden = !byClass;
    document.getElementById("prompt").hidden = !byText;
    const chips = document.querySelector("#classes .chips");
    chips.replaceChildren();
    if (byClass) {
      const wide = model.classes.some((name) => name.length > 2);
      chips.classList.toggle("words", wide);
      model.classes.forEach((name) => chips.append(chip(["all", "None"].includes(name) ? `class:${name}` : name, name)));
      chips.append(chip("all", say("every"), "every"));
    }
    elements.solver.replaceChildren(...model.solvers.map(({ name }) => new Option(name, name)));
    elements.spacing.replaceChildren(...model.spacings.map((name) => new Option(name, name)));
    elements.n.max = limits.n;
    elements.steps.max = Math.min(100, limits.steps, model.timesteps || 100);
    document.getElementById("scale-row").hidden = !model.guided;
    const usual = { label: byClass ? chips.querySelector("input").value : "", text: "", n: 16, seed: 0, solver: "ddim", steps: 20, spacing: sampler.spacing, eta: 0, scale: model.scale ?? 1 };
    if (byClass) usual.label = chips.querySelectorAll("input")[Math.min(7, model.classes.length - 1)].value;
    for (const name of NAMES) {
      const wanted = given.get(name) ?? usual[name], field = elements[name];
      if (field === null || field === undefined) continue;
      if (field instanceof RadioNodeList || field.type === "radio") {
        for (const each of field instanceof RadioNodeList ? field : [field]) each.checked = each.value === wanted;
        if (![...this.form.querySelectorAll("input[name=label]")].some((each) => each.checked)) chips.querySelector("input").checked = true;
      } else if (field.tagName === "SELECT") {
        field.value = wanted;
        if (field.selectedIndex < 0) field.value = usual[name];
      } else {
        const numeric = ["number", "range"].includes(field.type);  // an address may say anything
        field.value = numeric && !/^\d+(\.\d+)?$/.test(wanted) ? usual[name] : wanted;
      }
    }
    this.solver = elements.solver.value;
    this.fit();
  }

  // Shows what the chosen solver has, and the values of sliders.
  fit() {
    const { elements } = this.form, found = this.model.solvers.find(({ name }) => name === elements.solver.value);
    if (this.solver !== found.name) elements.spacing.value = found.spacing;
    this.solver = found.name;
    document.getElementById("eta-row").hidden = !found.has_eta;
    document.getElementById("solver-help").textContent = has(`about-${found.name}`) ? say(`about-${found.name}`) : found.help;
    for (const output of this.form.querySelectorAll("output")) output.value = elements[output.htmlFor.value].value;
    const every = document.querySelector("[data-every]");
    if (every) every.textContent = say("every");
  }

  // The request, as the server takes it.
  asked(changes = {}) {
    const { elements } = this.form, model = this.model;
    const solver = changes.solver ?? elements.solver.value, found = model.solvers.find(({ name }) => name === solver);
    const asked = {
      model: model.name, n: Number(elements.n.value), seed: Number(elements.seed.value), solver, steps: Number(elements.steps.value),
      spacing: solver === elements.solver.value ? elements.spacing.value : found.spacing,
    };
    if (found.has_eta) asked.eta = Number(elements.eta.value);
    if (model.condition === "class") asked.label = this.form.querySelector("input[name=label]:checked")?.value;
    if (model.condition === "text" && elements.text.value) asked.text = elements.text.value;
    if (model.guided && (asked.label || asked.text)) asked.scale = Number(elements.scale.value);
    return { ...asked, ...changes };
  }

  kept() {
    const kept = new URLSearchParams();
    if (!this.model) return kept;
    for (const [name, value] of Object.entries(this.asked())) if (value !== undefined) kept.set(name, value);
    return kept;
  }
}

function chip(value, words, kind) {
  const shown = make("span", kind ? { "data-every": true } : {}, words);
  return make("label", kind ? { class: "span" } : {}, make("input", { type: "radio", name: "label", value }), shown);
}
