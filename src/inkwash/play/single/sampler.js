// Noise, steps, limits, guidance and inpainting: the same formulas as inkwash's core, sample, denoise and inverse.
// Images are Float32Array [c·h·w]; a level is {t, alpha, sigma}; coefficients are float64.

const CLEAN = { t: NaN, alpha: 1, sigma: 0 };

// The upper 32 bits of the product of two 32-bit numbers, from its 16-bit halves; every sum stays below 2^53.
function high(a, b) {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16), other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(other / 65536)) >>> 0;
}

// Philox4x32-10 (Salmon et al. 2011): four words of random bits for a counter of four words and a key of two.
export function philox([c0, c1, c2, c3], [low, top]) {
  for (let round = 0; round < 10; round++) {
    const h0 = high(c0, 0xd2511f53), l0 = Math.imul(c0, 0xd2511f53) >>> 0;
    const h1 = high(c2, 0xcd9e8d57), l1 = Math.imul(c2, 0xcd9e8d57) >>> 0;
    [c0, c1, c2, c3] = [(h1 ^ c1 ^ low) >>> 0, l1, (h0 ^ c3 ^ top) >>> 0, l0];
    low = (low + 0x9e3779b9) >>> 0;
    top = (top + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

// n unit normal numbers of an image: those that inkwash draws for (seed, image, draw), by Box and Muller.
export function unitNormal(seed, image, draw, n) {
  const out = new Float32Array(n), key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
  for (let block = 0; 4 * block < n; block++) {
    const words = philox([block, image, 0, draw], key).map((word) => (word + 0.5) / 2 ** 32);
    for (let pair = 0; pair < 4; pair += 2) {
      const radius = Math.sqrt(-2 * Math.log(words[pair])), angle = 2 * Math.PI * words[pair + 1];
      out[4 * block + pair] = radius * Math.cos(angle);  // a place after the end is left out
      out[4 * block + pair + 1] = radius * Math.sin(angle);
    }
  }
  return out;
}

// The noise of one image: each call is the next draw.
export function seeded(seed, image, n) {
  let draw = 0;
  return () => unitNormal(seed, image, draw++, n);
}

const logsnr = ({ alpha, sigma }) => (sigma === 0 ? Infinity : alpha > 0 ? 2 * (Math.log(alpha) - Math.log(sigma)) : -Infinity);
const drift = (s, t) => (logsnr(t) > -Infinity ? -Math.expm1(logsnr(t) - logsnr(s)) : 1);

// x_s = x·x_t + x0·x̂₀ + std·z from t to a cleaner s (Song et al. 2021a, eq. 12 and 16); `large` chooses the variance.
export function posterior(t, s, eta, large) {
  const old = Math.exp(logsnr(t) - logsnr(s)), x = (s.sigma * Math.sqrt(1 - eta ** 2 + eta ** 2 * old)) / t.sigma;
  return { x, x0: s.alpha - x * t.alpha, std: eta * Math.sqrt(drift(s, t)) * s.sigma ** (1 - large) * t.sigma ** large };
}

// RePaint's plan (Lugmayr et al. 2022, algorithm 1): after every `jump` steps these are undone and repeated.
export function travel(plan, jump, times) {
  const out = [plan[0]];
  for (let i = 1; i < plan.length; i++) {
    out.push(plan[i]);
    if (i % jump === 0 && plan[i].sigma > 0) for (let k = 0; k < times; k++) out.push(...plan.slice(i - jump, i + 1));
  }
  return out;
}

const clipped = (x0, most) => x0.map((value) => Math.min(most, Math.max(-most, value)));

// The limits of x̂₀, by their names.
export const LIMITS = {
  clip: (x0) => clipped(x0, 1),
  none: (x0) => x0,
  // clipped at the 99.5 % quantile of |x̂₀|, at least 1, and divided by it (Saharia et al. 2022, section 2.3)
  dynamic(x0) {
    const sorted = x0.map(Math.abs).sort(), at = 0.995 * (sorted.length - 1), low = Math.floor(at);
    const quantile = sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]), most = Math.max(1, quantile);
    return clipped(x0, most).map((value) => value / most);
  },
};

const guides = ([low, top], { alpha, sigma }) => (low * alpha < sigma && sigma <= top * alpha) || (alpha === 0 && top === Infinity);

// x̂₀ of a network `net(x, level, present)`, guided (Ho & Salimans 2022) and limited. `label` null is no condition.
export function denoiser(net, { label = null, scale = 1, interval = null, limit = "clip" }) {
  const where = interval ?? [0, Infinity];
  return async (x, level) => {
    let x0;
    if (label === null || scale === 0) x0 = await net(x, level, false);
    else {
      x0 = await net(x, level, true);
      if (scale !== 1 && guides(where, level)) {
        const base = await net(x, level, false);
        x0 = x0.map((value, i) => base[i] + scale * (value - base[i]));
      }
    }
    return LIMITS[limit](x0);
  };
}

// Walks from noise along a plan, which ends in CLEAN, and yields {step, level, x, x0} at each level: x is what is
// denoised there and x0 the guess made of it, null where the next level is noisier. `known` {y, mask} puts y back
// where mask is 1, with the noise of each level (Song et al. 2021b, appendix I.2).
export async function* walk(denoise, plan, noise, { eta = 0, large = 0, start, known = null }) {
  let x = noise().map((value) => start * value);
  for (let i = 0; i + 1 < plan.length; i++) {
    const t = plan[i], s = plan[i + 1], before = x;
    let x0 = null;
    if (s.sigma > 0 && logsnr(s) <= logsnr(t)) {
      const z = noise(), keep = s.alpha / t.alpha, std = s.sigma * Math.sqrt(drift(t, s));
      x = x.map((value, j) => keep * value + std * z[j]);
    } else {
      x0 = await denoise(x, t);
      if (s.sigma === 0) x = known ? x0.map((value, j) => (known.mask[j] ? known.y[j] : value)) : x0;
      else {
        const by = posterior(t, s, eta, large), z = by.std > 0 ? noise() : null;
        x = x.map((value, j) => by.x * value + by.x0 * x0[j] + (z ? by.std * z[j] : 0));
        if (known) {
          const fresh = noise();
          x = x.map((value, j) => (known.mask[j] ? s.alpha * known.y[j] + s.sigma * fresh[j] : value));
        }
      }
    }
    yield { step: i, level: t, x: before, x0 };
  }
  yield { step: plan.length - 1, level: CLEAN, x, x0: x };
}
