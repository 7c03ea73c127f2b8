/** Pages as Vite builds them, on a server of plain files that answers nothing else. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run, succeed } from "../e2e/fixtures.ts"
import { repository } from "./bundle.ts"
import { ISOLATING, type PageServer } from "./server.ts"

export interface BuiltPage extends PageServer {
  /** the same page, isolated: it has a SharedArrayBuffer */
  readonly isolatedUrl: string
  /** where it lies */
  readonly folder: string
  /** what Vite said */
  readonly log: string
}

interface BuildOptions {
  /** of Vite */
  readonly mode?: string
  /** further texts of the server, by their paths in the site */
  readonly texts?: Readonly<Record<string, string>>
}

/** Builds a page and serves it under a folder of a server, as a project's site may have it. */
export const builtSite = async (page: string, { mode, texts = {} }: BuildOptions = {}): Promise<BuiltPage> => {
  const folder = mkdtempSync(join(tmpdir(), "built-page-"))
  const vite = join(repository, "node_modules", "vite", "bin", "vite.js")
  const options = ["--config", join(page, "vite.config.ts"), "--outDir", folder, "--emptyOutDir", "--logLevel", "warn"]
  const modes = mode === undefined ? [] : ["--mode", mode]
  const { stdout, stderr } = await succeed(
    run([process.execPath, vite, "build", page, ...options, ...modes], { cwd: repository })
  )
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const [, site, path] = /^\/(site|isolated)\/(.*)$/.exec(new URL(request.url).pathname) ?? []
      const headers = site === "isolated" ? ISOLATING : {}
      const text = path === undefined ? undefined : texts[path]
      if (text !== undefined) return new Response(text, { headers: { ...headers, "content-type": "text/html" } })
      const file = path === undefined ? undefined : Bun.file(join(folder, path === "" ? "index.html" : path))
      return file !== undefined && (await file.exists())
        ? new Response(file, { headers })
        : new Response("no such file", { status: 404 })
    }
  })
  return {
    url: `http://127.0.0.1:${server.port}/site/`,
    isolatedUrl: `http://127.0.0.1:${server.port}/isolated/`,
    folder,
    log: `${stdout}${stderr}`,
    stop: async () => {
      await server.stop(true)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** The example's page. */
export const builtPage = (): Promise<BuiltPage> => builtSite(join(repository, "examples", "browser"))
