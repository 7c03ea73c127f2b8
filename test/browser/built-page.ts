/** The example's page as Vite builds it, on a server of plain files that answers nothing else. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run, succeed } from "../e2e/fixtures.ts"
import { repository } from "./bundle.ts"
import type { PageServer } from "./server.ts"

export interface BuiltPage extends PageServer {
  /** what Vite said */
  readonly log: string
}

const page = join(repository, "examples", "browser")

/** Builds the page and serves it under a folder of a server, as a project's site may have it. */
export const builtPage = async (): Promise<BuiltPage> => {
  const folder = mkdtempSync(join(tmpdir(), "built-page-"))
  const vite = join(repository, "node_modules", "vite", "bin", "vite.js")
  const options = ["--config", join(page, "vite.config.ts"), "--outDir", folder, "--emptyOutDir", "--logLevel", "warn"]
  const { stdout, stderr } = await succeed(
    run([process.execPath, vite, "build", page, ...options], { cwd: repository })
  )
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const path = /^\/site\/(.*)$/.exec(new URL(request.url).pathname)?.[1]
      const file = path === undefined ? undefined : Bun.file(join(folder, path === "" ? "index.html" : path))
      return file !== undefined && (await file.exists())
        ? new Response(file)
        : new Response("no such file", { status: 404 })
    }
  })
  return {
    url: `http://127.0.0.1:${server.port}/site/`,
    log: `${stdout}${stderr}`,
    stop: async () => {
      await server.stop(true)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
