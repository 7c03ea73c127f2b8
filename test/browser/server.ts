/**
 * The smallest server that a training page needs: the page, its script, the wasm binaries in one folder, and the files it trains on.
 * The two headers isolate the page, without which there is no SharedArrayBuffer.
 */
import { join } from "node:path"
import { repository } from "./bundle.ts"

/** The headers that isolate a page. */
export const ISOLATING = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }

const wasmFolders = ["node_modules/@tensorflow/tfjs-backend-wasm/dist", "src/kernels/wasm"]

export interface PageServer {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** `texts` by path, e.g. "page.js", stand before the repository's `examples/`. */
export const servePage = (
  texts: Readonly<Record<string, string>>,
  options: { readonly isolate: boolean }
): PageServer => {
  const headers = options.isolate ? ISOLATING : {}
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const path = new URL(request.url).pathname.slice(1)
      const text = texts[path === "" ? "page.html" : path]
      if (text !== undefined) {
        const type = Bun.file(path === "" ? "page.html" : path).type
        return new Response(text, { headers: { ...headers, "Content-Type": type } })
      }
      const candidates = path.startsWith("wasm/")
        ? wasmFolders.map((folder) => join(repository, folder, path.slice("wasm/".length)))
        : path.startsWith("examples/")
          ? [join(repository, path)]
          : []
      for (const candidate of candidates) {
        const file = Bun.file(candidate)
        if (await file.exists()) return new Response(file, { headers })
      }
      return new Response("no such file", { status: 404, headers })
    }
  })
  return { url: `http://127.0.0.1:${server.port}/`, stop: () => server.stop(true) }
}
