// Stands in for a thread of tfjs' threaded wasm build, in Bun and Deno. emscripten starts eight of them and waits for each to say
// that it has loaded; none is ever used, because the pool of XNNPACK is given one thread, the main one (`wasm-module.ts`).
const { parentPort } = require("node:worker_threads")

parentPort.on("message", ({ cmd }) => {
  if (cmd === "load") parentPort.postMessage({ cmd: "loaded" })
})
