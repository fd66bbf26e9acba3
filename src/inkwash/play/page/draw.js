// Draw: pictures sharpen as they are denoised; a slider goes back and forth through the walk.
import { say } from "./words.js";
import { Refused, blob, walk } from "./server.js";
import { blank, bytes, show } from "./pictures.js";

const VIEWS = ["x", "x0", "eps"];

// The images of a frame; at the last level all three are the image, which has no noise.
function unpacked(about) {
  const x = bytes(about.x);
  return { step: about.step, x, x0: about.x0 ? bytes(about.x0) : x, eps: about.eps ? bytes(about.eps) : null };
}

export class Draw {
  constructor(settings, keep) {
    this.settings = settings;
    this.keep = keep;
    this.listeners = [];
    this.frames = [];
    this.canvas = Object.fromEntries(VIEWS.map((name) => [name, document.getElementById(`view-${name}`)]));
    this.beside = Object.fromEntries(VIEWS.map((name) => [name, document.getElementById(`branch-${name}`)]));
    this.branch = null;
    document.getElementById("turn").addEventListener("click", () => this.turn());
    this.slider = document.getElementById("moment");
    settings.form.addEventListener("submit", (event) => { event.preventDefault(); this.go(); });
    document.getElementById("stop").addEventListener("click", () => this.stop());
    this.slider.addEventListener("input", () => { this.pause(); this.showAt(Number(this.slider.value)); });
    document.getElementById("playback").addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", () => this.save(button.dataset.save));
    for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => this.copy(button.dataset.copy));
  }

  use(model) {
    this.stop();
    this.frames = [];
    this.begun = null;
    for (const canvas of Object.values(this.canvas)) blank(canvas, model.shape);
    for (const name of ["actions", "command", "turn-row"]) document.getElementById(name).hidden = true;
    this.forget();
    this.slider.max = this.slider.value = 0;
    this.slider.disabled = document.getElementById("playback").disabled = true;
    this.translated();
    for (const listener of this.listeners) listener();
  }

  translated() {
    if (this.begun) this.showAt(this.step);
    if (this.last) this.status(...this.last);
    else if (!this.begun) this.status(this.settings.model.condition === "class" ? "ready" : "readyPlain");
    if (!this.begun) for (const [name, canvas] of Object.entries(this.canvas)) canvas.setAttribute("aria-label", say(name));
  }

  status(key, given) {
    this.last = [key, given];
    document.getElementById("status").textContent = say(key, given);
  }

  refused(error) {
    this.last = null;
    document.getElementById("status").textContent = error.message;
  }

  forget() {
    this.branch = null;
    document.getElementById("branch").hidden = true;
  }

  // Draws the rest of the finished walk again, from the step shown, with the settings that the form has now.
  async turn() {
    this.stop();
    this.pause();
    const step = Math.min(Math.max(1, this.step), this.begun.steps - 1), { solver, eta, scale } = this.settings.asked(), abort = new AbortController();
    const turn = { step, solver, eta: eta ?? null, scale: scale ?? null }, frames = [];
    this.abort = abort;
    document.getElementById("stop").hidden = false;
    try {
      for await (const [what, about] of walk({ ...this.asked, turn }, abort.signal)) {
        if (what === "begun") {
          this.branch = { frames, step, words: [solver, eta === undefined ? null : `η ${eta}`, scale === undefined ? null : `${say("scale")} ${scale}`].filter(Boolean).join(", ") };
          document.getElementById("branch").hidden = false;
        } else if (what === "queued" && about.place > 0) this.status("waiting", about);
        else if (what === "frame") {
          frames.push(unpacked(about));
          if (about.step >= step) this.showAt(about.step);
        }
      }
      document.body.dataset.turned = String(step);
    } catch (error) {
      this.failed(abort, error);
    } finally {
      this.ended(abort);
    }
  }

  // what a walk that was stopped, refused or broken shows; `abort` is the walk's own
  failed(abort, error) {
    if (abort.signal.aborted) { if (this.abort === abort) this.status("stopped"); }
    else if (error instanceof Refused) this.refused(error);
    else throw error;
  }

  ended(abort) {
    if (this.abort !== abort) return;
    this.abort = null;
    document.getElementById("stop").hidden = true;
  }

  async go() {
    this.stop();
    this.pause();
    const asked = this.settings.asked(), abort = new AbortController(), started = performance.now();
    this.abort = abort;
    this.keep();
    document.getElementById("stop").hidden = false;
    if (matchMedia("(max-width: 860px)").matches) document.getElementById("stage").scrollIntoView();
    const frames = [];
    let first = null, said = 0;
    try {
      for await (const [what, about] of walk(asked, abort.signal)) {
        if (what === "begun") {
          this.asked = asked;
          this.begun = about;
          this.frames = frames;
          this.forget();
          this.slider.max = about.steps;
          this.slider.disabled = document.getElementById("playback").disabled = false;
        } else if (what === "queued" && about.place > 0) this.status("waiting", about);
        else if (what === "frame") {
          first ??= performance.now();
          frames.push(unpacked(about));
          this.showAt(about.step);
          if (performance.now() - said > 500) {  // a screen reader is not told every frame
            said = performance.now();
            this.status("drawing", { step: about.step, steps: this.begun.steps });
          }
        } else if (what === "done") {
          const seconds = (performance.now() - started) / 1000, walked = (performance.now() - first) / 1000;
          this.measured = { first: (first - started) / 1000, fps: (frames.length - 1) / Math.max(walked, 1e-3) };
          this.status("done", { n: this.begun.n, seconds: seconds.toFixed(1), steps: this.begun.steps, evaluations: about.evaluations, fps: this.measured.fps.toFixed(1) });
          document.body.dataset.first = this.measured.first.toFixed(3);
          document.body.dataset.fps = this.measured.fps.toFixed(2);
          for (const name of ["actions", "command"]) document.getElementById(name).hidden = false;
          document.getElementById("turn-row").hidden = this.begun.steps < 2;
          document.getElementById("command").textContent = this.begun.command;
        }
      }
    } catch (error) {
      this.failed(abort, error);
    } finally {
      this.ended(abort);
      for (const listener of this.listeners) listener();
    }
  }

  stop() {
    this.abort?.abort();
  }

  showAt(step) {
    const frame = this.frames[step] ?? this.frames.at(-1);
    if (!frame) return;
    this.step = frame.step;
    this.slider.value = frame.step;
    const { steps, n, shape, plan } = this.begun, level = plan[frame.step];
    const sheets = [[this.canvas, frame, ""]];
    if (this.branch) {
      const title = say("turned", this.branch);
      document.getElementById("branch-title").textContent = title;
      sheets.push([this.beside, this.branch.frames[frame.step], `${title}. `]);
    }
    for (const [canvas, from, words] of sheets) {
      for (const name of VIEWS) {
        if (from?.[name]) show(canvas[name], from[name], shape);
        else blank(canvas[name], shape);
        canvas[name].setAttribute("aria-label", words + say("images", { what: say(name), n, step: frame.step, steps }));
      }
    }
    const where = say("where", { step: frame.step, steps, alpha: level.alpha.toFixed(3), sigma: level.sigma.toFixed(3) });
    document.getElementById("where").value = where;
    this.slider.setAttribute("aria-valuetext", where);
    for (const listener of this.listeners) listener();
  }

  play() {
    if (!this.frames.length) return;
    if (this.step >= this.frames.length - 1) this.showAt(0);
    document.getElementById("playback").setAttribute("aria-label", say("pause"));
    this.timer = setInterval(() => {
      if (this.step >= this.frames.length - 1) this.pause();
      else this.showAt(this.step + 1);
    }, Math.max(40, Math.min(200, 4000 / this.frames.length)));
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    document.getElementById("playback").setAttribute("aria-label", say("playback"));
  }

  async save(format) {
    try {
      const file = await blob("/v1/images", { ...this.asked, format }), name = `inkwash-${this.asked.seed}.${format}`;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(file);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      this.status("saved", { name });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refused(error);
    }
  }

  async copy(what) {
    const words = what === "link" ? location.href : this.begun[what], place = document.getElementById("command");
    place.textContent = words;
    try {
      await navigator.clipboard.writeText(words);
      this.status("copied");
    } catch {
      getSelection().selectAllChildren(place);  // where a page may not write there, it is selected to be copied
    }
  }
}
