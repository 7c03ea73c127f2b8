// A thread of tfjs' threaded SIMD build in Bun and Deno: runs the worker text that the package itself ships.
// That text assigns globals. `location`, `self` and `onmessage` are kept out of the real global object, because Deno forbids
// the first and would deliver every message twice through the last.
const { wasmWorkerContents } = require("@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js")

const moduleGlobals = { module: { exports: {} }, exports: {}, require, __filename, __dirname, global: globalThis }
for (const [name, value] of Object.entries(moduleGlobals)) globalThis[name] ??= value

const kept = new Set(["location", "self", "onmessage"])
const scope = {}
scope.self = new Proxy(globalThis, {
  set(target, name, value) {
    if (!kept.has(name)) target[name] = value
    else if (name !== "self") scope[name] = value
    return true
  }
})
scope.global = scope.self

const text = wasmWorkerContents.replace(/^"use strict";/, "").replace(/\n/g, "\\n")
new Function("scope", "require", "__filename", `with (scope) { ${text} }`)(scope, require, __filename)
