// Images as bytes and on canvases.
export function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function text(data) {
  let letters = "";
  for (let i = 0; i < data.length; i += 8192) letters += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(letters);
}

// Draws images, uint8 [n,h,w,c] in one array, as a grid; gaps are of the page's paper.
export function show(canvas, data, [channels, height, width], columns) {
  const size = height * width * channels, n = Math.max(1, Math.round(data.length / size));
  columns = columns ?? Math.ceil(Math.sqrt(n));
  const rows = Math.ceil(n / columns), gap = n > 1 ? 1 : 0;
  canvas.width = columns * (width + gap) - gap;
  canvas.height = rows * (height + gap) - gap;
  canvas.classList.remove("empty");
  const context = canvas.getContext("2d");
  context.fillStyle = "#f7f3ea";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < n; i++) {
    const image = context.createImageData(width, height);
    for (let p = 0; p < height * width; p++) {
      for (let c = 0; c < 3; c++) image.data[4 * p + c] = data[i * size + p * channels + Math.min(c, channels - 1)];
      image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, (i % columns) * (width + gap), Math.floor(i / columns) * (height + gap));
  }
}

export function blank(canvas, [, height, width] = [1, 28, 28]) {
  canvas.width = width;
  canvas.height = height;
  canvas.classList.add("empty");
}

// Unit noise that a seed determines: mulberry32 and Box–Muller. It is for the page's own pictures alone.
export function gaussian(seed, n) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
  return Float32Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

export const toByte = (value) => Math.max(0, Math.min(255, Math.round((value + 1) * 127.5)));

// An element with attributes and children; text is never read as HTML.
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "circle", "text", "polyline", "rect"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// A canvas to draw on with a pointer: white strokes on black, at the model's size. `data` is uint8 [h,w,c].
export class Pad {
  constructor(canvas, [channels, height, width], changed) {
    this.canvas = canvas;
    this.height = height;
    this.width = width;
    this.changed = changed;
    this.channels = channels;
    this.data = new Uint8Array(height * width * channels);
    this.hole = new Uint8Array(height * width);
    this.brush = "ink";
    let last = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = at(event);
      this.stroke(last, last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const now = at(event);
      this.stroke(last, now);
      last = now;
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
    this.paint();
  }

  stroke([x0, y0], [x1, y1]) {
    const radius = this.brush === "hole" ? 2.6 : 1.15, steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) * 2));
    for (let k = 0; k <= steps; k++) {
      const x = x0 + ((x1 - x0) * k) / steps - 0.5, y = y0 + ((y1 - y0) * k) / steps - 0.5;
      for (let j = Math.max(0, Math.floor(y - radius - 1)); j <= Math.min(this.height - 1, Math.ceil(y + radius + 1)); j++) {
        for (let i = Math.max(0, Math.floor(x - radius - 1)); i <= Math.min(this.width - 1, Math.ceil(x + radius + 1)); i++) {
          const near = Math.max(0, Math.min(1, radius + 0.6 - Math.hypot(i - x, j - y))), p = j * this.width + i;
          if (near > 0.5 && this.brush === "hole") this.hole[p] = 1;
          if (near > 0.5 && this.brush === "eraser") this.hole[p] = 0;
          for (let k = p * this.channels; k < (p + 1) * this.channels; k++) {
            if (this.brush === "ink") this.data[k] = Math.max(this.data[k], Math.round(255 * near));
            else if (near > 0.5 && this.brush === "eraser") this.data[k] = 0;
          }
        }
      }
    }
    this.paint();
    this.changed?.();
  }

  set(data) {
    this.data.set(data);
    this.hole.fill(0);
    this.paint();
    this.changed?.();
  }

  clear() { this.set(new Uint8Array(this.data.length)); }

  paint() {
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    const context = this.canvas.getContext("2d"), image = context.createImageData(this.width, this.height);
    for (let p = 0; p < this.hole.length; p++) {
      const at = p * this.channels, color = [0, 1, 2].map((c) => this.data[at + Math.min(c, this.channels - 1)]);
      image.data.set(this.hole[p] ? [165, 53, 42, 255] : [...color, 255], 4 * p);
    }
    context.putImageData(image, 0, 0);
  }
}
