/**
 * The page as Vite builds it: scripts and style, and beside them the files that it fetches: the network, and the wasm
 * binaries of tfjs and of this package in one folder.
 */
import { readdirSync, readFileSync } from "node:fs"
import { defineConfig, type Plugin } from "vite"

const repository = new URL("../../", import.meta.url)

/** Folders under which name which files lie. */
const folders = [
  { at: "digits", from: "examples/models/digits/", files: /^(model\.json|weights\.bin)$/ },
  { at: "wasm", from: "node_modules/@tensorflow/tfjs-backend-wasm/dist/", files: /\.wasm$/ },
  { at: "wasm", from: "src/kernels/wasm/", files: /\.wasm$/ }
]

/** Path in the page → file. */
const fetched: ReadonlyMap<string, URL> = new Map(
  folders.flatMap(({ at, from, files }) => {
    const folder = new URL(from, repository)
    const names = readdirSync(folder).filter((name) => files.test(name))
    return names.map((name) => [`${at}/${name}`, new URL(name, folder)] as const)
  })
)

const types: Readonly<Record<string, string>> = { json: "application/json", wasm: "application/wasm" }

/** Serves the files as they are while developing, and puts them into the build. */
const fetchedFiles = (): Plugin => ({
  name: "fetched-files",
  configureServer: ({ middlewares }) => {
    middlewares.use((request, response, next) => {
      const path = new URL(request.url ?? "/", "http://page").pathname.slice(1)
      const file = fetched.get(path)
      if (file === undefined) return next()
      response.setHeader("Content-Type", types[path.split(".").at(-1)!] ?? "application/octet-stream")
      response.end(readFileSync(file))
    })
  },
  generateBundle() {
    for (const [fileName, file] of fetched) this.emitFile({ type: "asset", fileName, source: readFileSync(file) })
  }
})

export default defineConfig({
  root: new URL(".", import.meta.url).pathname,
  // any folder of any server
  base: "./",
  plugins: [fetchedFiles()],
  build: {
    // top-level await, and WebGPU's browsers
    target: "es2024",
    // tfjs is one large script whatever is taken of it
    chunkSizeWarningLimit: 4096,
    // the package loads tfjs's layers when it needs them, and this page has them from the start
    rolldownOptions: { checks: { ineffectiveDynamicImport: false } }
  }
})
