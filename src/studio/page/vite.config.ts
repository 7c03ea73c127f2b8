/**
 * Builds the studio's page: for its server, or with `--mode page` as static files that need none. `base` is relative, so that it is served
 * from any path.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig, type Plugin } from "vite"
import { gainStyle, tokens } from "../../output/report/tokens.ts"

const repository = new URL("../../../", import.meta.url)

interface Folder {
  /** in the page */
  readonly at: string
  /** in the repository */
  readonly from: string
  readonly files: RegExp
}

/** What programs of the page read as files: models and rows to try. */
const read: ReadonlyArray<Folder> = [
  { at: "models/minilm", from: "examples/models/minilm/", files: /\.(json|safetensors)$/ },
  { at: "models/mobilenet", from: "examples/models/mobilenet/", files: /\.(json|bin)$/ },
  { at: "models/digits", from: "examples/models/digits/", files: /\.(json|bin)$/ },
  { at: "data/movies", from: "examples/data/movies/", files: /\.jsonl$/ },
  { at: "data/clothes", from: "examples/data/fashion/", files: /\.parquet$/ }
]

const binaries: ReadonlyArray<Folder> = [
  { at: "wasm", from: "node_modules/@tensorflow/tfjs-backend-wasm/dist/", files: /\.wasm$/ },
  { at: "wasm", from: "src/kernels/wasm/", files: /\.wasm$/ }
]

const filesOf = (folders: ReadonlyArray<Folder>) =>
  folders.flatMap(({ at, from, files }) => {
    const folder = new URL(from, repository)
    const names = readdirSync(folder).filter((name) => files.test(name))
    return names.map((name) => ({ path: `${at}/${name}`, file: new URL(name, folder) }))
  })

/** Puts the files next to the page, with a list of those that are read as files (`worker/static-files.ts`). */
const companions = (): Plugin => ({
  name: "page-companions",
  buildStart() {
    const id = fileURLToPath(new URL("isolating-worker.ts", import.meta.url))
    // a service worker is for what lies below it
    this.emitFile({ type: "chunk", id, fileName: "isolating-worker.js" })
  },
  generateBundle(_, bundle) {
    // native code, which no page loads
    for (const name of Object.keys(bundle)) if (/\.(so|dylib|dll)$/.test(name)) delete bundle[name]
    const pageFiles = filesOf(read)
    for (const { path, file } of [...pageFiles, ...filesOf(binaries)])
      this.emitFile({ type: "asset", fileName: path, source: readFileSync(file) })
    const list = pageFiles.map(({ path, file }) => ({ path, bytes: statSync(file).size }))
    this.emitFile({ type: "asset", fileName: "static-files.json", source: JSON.stringify(list) })
  }
})

/** Puts the tokens of reports and the page's own style sheet into index.html: the first paint waits for no second file. */
const inlineStyles = (): Plugin => ({
  name: "inline-styles",
  transformIndexHtml: {
    order: "post",
    handler: (html, { bundle = {} }) => {
      const sheet = /\n *<link rel="stylesheet"[^>]* href="\.\/([^"]+)">/.exec(html)
      const file = sheet === null ? undefined : bundle[sheet[1]!]
      if (sheet === null || file?.type !== "asset") throw new Error("index.html has no style sheet of its own")
      delete bundle[sheet[1]!]
      const styles = `${tokens}${gainStyle}${file.source}`
      return { html: html.replace(sheet[0], ""), tags: [{ tag: "style", children: styles, injectTo: "head" }] }
    }
  }
})

export default defineConfig(({ mode }) => ({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [inlineStyles(), ...(mode === "page" ? [companions()] : [])],
  worker: { format: "es" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // the editor of plans, which is loaded by whoever opens it; tfjs is one large script whatever is taken of it
    chunkSizeWarningLimit: mode === "page" ? 4096 : 600
  }
}))
