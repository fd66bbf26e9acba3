// Puts the page together: models, settings, panels, and the state in the address.
import { current, onLanguage, say, speak } from "./words.js";
import { json, keepToken, notice } from "./server.js";
import { Settings } from "./settings.js";
import { Draw } from "./draw.js";
import { Explain } from "./explain.js";
import { Compare } from "./compare.js";
import { Paint } from "./paint.js";
import { Training } from "./training.js";

const state = new URLSearchParams(location.hash.slice(1));
if (state.has("token")) {
  keepToken(state.get("token"));
  state.delete("token");
}
const panels = ["draw", "explain", "compare", "paint", "training"];
const parts = {};
let models = [], open = panels.includes(state.get("panel")) ? state.get("panel") : "draw";

// The address that restores this state.
export function keep() {
  const now = settings.kept();
  now.set("panel", open);
  now.set("lang", current());
  history.replaceState(null, "", `#${now}`);
}

const settings = new Settings(keep);

function choose(panel, focus = false) {
  open = panel;
  for (const name of panels) {
    const tab = document.getElementById(`tab-${name}`), chosen = name === panel;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    document.getElementById(`panel-${name}`).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  document.querySelector("main").classList.toggle("wide", ["paint", "training"].includes(panel));
  for (const [name, part] of Object.entries(parts)) part.visible?.(name === panel);
  if (models.length) keep();
}

document.querySelector(".tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const next = event.key === "Home" ? 0 : event.key === "End" ? panels.length - 1 : step && (panels.indexOf(open) + step + panels.length) % panels.length;
  if (next !== undefined) {
    event.preventDefault();
    choose(panels[next], true);
  }
});
for (const name of panels) document.getElementById(`tab-${name}`).addEventListener("click", () => choose(name));
for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => { speak(button.dataset.language); keep(); });

async function begin() {
  if (matchMedia("(max-width: 860px)").matches) document.getElementById("sampler").open = false;
  speak(state.get("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
  choose(open);
  let found;
  try {
    found = await json("/v1/models");
  } catch (error) {
    notice(error.message);
    return;
  }
  models = found.models;
  const select = document.getElementById("model");
  for (const model of models) select.add(new Option(model.name, model.name));
  const use = (model, given) => {
    settings.use(model, found.limits, given);
    for (const part of Object.values(parts)) part.use?.(model);
    const [c, h, w] = model.shape;
    document.getElementById("about").textContent = `${model.name}: ${model.recipe}, ${h}×${w}×${c}, ${model.schedule}, ${model.prediction}, sha256 ${model.digest.slice(0, 12)}`;
  };
  parts.draw = new Draw(settings, keep);
  parts.explain = new Explain(parts.draw);
  parts.compare = new Compare(settings);
  parts.paint = new Paint(settings, parts.draw);
  parts.training = new Training();
  select.value = models.some((model) => model.name === state.get("model")) ? state.get("model") : models[0].name;
  select.addEventListener("change", () => { use(models.find((model) => model.name === select.value), new URLSearchParams()); keep(); });
  use(models.find((model) => model.name === select.value), state);
  onLanguage(() => { for (const part of Object.values(parts)) part.translated?.(); });
  choose(open);
  document.body.dataset.ready = "yes";
}

begin();
