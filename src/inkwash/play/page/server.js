// Requests to the server: JSON, files, and walks as server-sent events.
import { say } from "./words.js";

let token = sessionStorage.getItem("inkwash-token");

export function keepToken(given) {
  token = given;
  sessionStorage.setItem("inkwash-token", given);
}

export class Refused extends Error {}

async function ask(path, body, signal) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    away();
    throw new Refused(say("away"));
  }
  if (answer.ok) return answer;
  if (answer.status === 401) throw new Refused(say("token"));
  if (answer.status === 429) throw new Refused(say("busy", { seconds: answer.headers.get("retry-after") }));
  let detail = answer.statusText;
  try { detail = (await answer.json()).detail; } catch { /* no JSON */ }
  throw new Refused(detail);
}

export async function json(path, body, signal) { return (await ask(path, body, signal)).json(); }
export async function blob(path, body) { return (await ask(path, body)).blob(); }

// The events of a walk, [what, about]; it ends when the signal aborts.
export async function* walk(asked, signal, path = "/v1/walks") {
  const answer = await ask(path, asked, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    let part;
    try { part = await reader.read(); } catch (error) {
      if (signal?.aborted) throw error;
      away();
      throw new Refused(say("away"));
    }
    if (part.done) return;
    text += part.value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [first, second] = event.split("\n");
      const what = first.slice("event: ".length), about = JSON.parse(second.slice("data: ".length));
      if (what === "error") throw new Refused(about.detail);
      yield [what, about];
    }
  }
}

let trying = false;
async function away() {
  if (trying) return;
  trying = true;
  notice(say("away"));
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 2000));
    try {
      if ((await fetch("/health")).ok) break;
    } catch { /* not yet */ }
  }
  trying = false;
  notice(say("back"));
}

export function notice(words) {
  const place = document.getElementById("notice");
  place.textContent = words;
  place.hidden = !words;
}
