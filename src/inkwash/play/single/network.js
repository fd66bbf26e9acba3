// The network of this file, run by ONNX Runtime in this page. Everything is read from the file itself.

const content = (id) => document.getElementById(id).textContent.trim();

// What stands in the file as base64 of gzip.
async function unpacked(id) {
  const packed = Uint8Array.from(atob(content(id)), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export const manifest = JSON.parse(content("manifest"));

// net(x, level, present) -> x̂₀, for the class of number `value`.
export async function network() {
  const { ort } = globalThis, { inputs, shape } = manifest;
  const glue = URL.createObjectURL(new Blob([await unpacked("glue")], { type: "text/javascript" }));
  ort.env.wasm.numThreads = 1;  // more would need a page from a server with special headers
  ort.env.wasm.wasmPaths = { mjs: glue };
  ort.env.wasm.wasmBinary = await unpacked("program");
  const session = await ort.InferenceSession.create(await unpacked("weights"), { executionProviders: ["wasm"], logSeverityLevel: 3 });
  URL.revokeObjectURL(glue);
  for (const id of ["weights", "program", "glue"]) document.getElementById(id).remove();
  const number = (name, value) => {
    const type = inputs[name].dtype;
    return new ort.Tensor(type, [type === "int64" ? BigInt(value) : value], inputs[name].shape);
  };
  let waiting = Promise.resolve();  // a session runs one request at a time
  return (value) => (x, level, present) => {
    const told = { ...level, value: value ?? 0, present };
    const feeds = { x: new ort.Tensor("float32", x, [1, ...shape]) };
    for (const name of Object.keys(inputs)) if (name !== "x") feeds[name] = number(name, told[name]);
    waiting = waiting.then(() => new Promise((go) => setTimeout(go))).then(() => session.run(feeds));  // the page is drawn in between
    return waiting.then((out) => out.x0.data);
  };
}
