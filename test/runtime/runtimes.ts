/** The JavaScript runtimes that tests start processes with, and the machine's GPU adapter as Bun sees it. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { bun } from "../../src/device/bun.ts"
import { isSoftware, requestAdapter } from "../../src/device/webgpu-adapter.ts"

export interface Runtime {
  readonly name: "bun" | "deno" | "node"
  readonly command: ReadonlyArray<string>
}

const deno = Bun.which("deno")
if (deno === null) {
  if (process.env["REQUIRE_DENO"] === "1") throw new Error("deno is not installed, but REQUIRE_DENO=1")
  console.warn("deno is not installed: the tests of the Deno runtime are skipped (REQUIRE_DENO=1 makes that a failure)")
}

/** Bun and Deno. A Node, which many machines lack: `node-folder.ts`. */
export const runtimes: ReadonlyArray<Runtime & { readonly name: "bun" | "deno" }> = [
  { name: "bun", command: [process.execPath] },
  ...(deno === null ? [] : [{ name: "deno", command: [deno, "run", "-A", "--node-modules-dir=manual"] } as const])
]

/** Longer than any of them takes on a busy machine; a process that still runs then does not end by itself. */
export const END_TIMEOUT = 60_000

/** Runs a script of this folder to its end. `output`: the last line of stdout, parsed as JSON; undefined without one. */
export const runScript = async ({ command }: Runtime, script: string, ...args: ReadonlyArray<string>) => {
  const child = Bun.spawn([...command, join(import.meta.dir, script), ...args], {
    cwd: join(import.meta.dir, "..", ".."),
    stdout: "pipe",
    stderr: "pipe",
    timeout: END_TIMEOUT
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  const last = stdout.trim().split("\n").at(-1) ?? ""
  return { code: await child.exited, output: last.startsWith("{") ? JSON.parse(last) : undefined, stderr }
}

const adapter = await Effect.runPromise(
  bun.gpu.pipe(
    Effect.flatMap(requestAdapter),
    Effect.orElseSucceed(() => undefined)
  )
)

/** Does this machine have native kernels? Where it does not, `auto` takes wasm. */
export const hasNative: boolean = await Effect.runPromise(Effect.isSuccess(bun.native))

/** Is there any WebGPU adapter, and is it hardware? */
export const webgpu = { exists: adapter !== undefined, hardware: adapter !== undefined && !isSoftware(adapter.info) }

if (!webgpu.exists) {
  const announcement = "no WebGPU adapter on this machine"
  if (process.env["REQUIRE_WEBGPU"] === "1") throw new Error(`${announcement}, but REQUIRE_WEBGPU=1`)
  console.warn(`${announcement}: the tests of the webgpu device are skipped (REQUIRE_WEBGPU=1 makes that a failure)`)
}
