/** The threads of the wasm device in Bun and Deno: equal bits for every number of them, processes that end, honest fallbacks. */
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { END_TIMEOUT, hasNative, runScript, runtimes } from "./runtimes.ts"

/** what kernels gave first, in any runtime; fused ones differ from engine to engine */
const first: Record<string, string> = {}

for (const runtime of runtimes) {
  describe(`wasm in ${runtime.name}`, () => {
    test.each(["plain", "fused", ...(hasNative ? ["native"] : [])])(
      "%s: the same bits with 1, 2 and 3 threads, and the process ends by itself",
      async (kernels) => {
        const digests = new Set<string>()
        for (const threads of [1, 2, 3]) {
          const { code, output, stderr } = await runScript(runtime, "wasm-probe.ts", `${threads}`, kernels)
          expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
          expect(output.threads).toBe(threads)
          expect(output.notice).toBeUndefined()
          digests.add(output.digest)
        }
        expect(digests.size).toBe(1)
        const [digest] = digests
        first[kernels] ??= digest!
        if (kernels !== "fused") expect(digest).toBe(first[kernels]) // in the other runtime too
      },
      3 * END_TIMEOUT
    )

    const folder = mkdtempSync(join(tmpdir(), "workers-"))
    afterAll(() => rmSync(folder, { recursive: true, force: true }))
    const scripts = { "throws.cjs": `throw new Error("no luck")`, "is-silent.cjs": "setInterval(() => {}, 1000)" }
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(folder, name), text)

    for (const script of [...Object.keys(scripts), "does-not-exist.cjs"]) {
      test(
        `a worker that ${script.slice(0, -4)} leaves one thread and a notice`,
        async () => {
          const { code, output } = await runScript(runtime, "wasm-probe.ts", "2", "plain", join(folder, script), "1500")
          expect(code).toBe(0)
          expect(output.threads).toBe(1)
          expect(output.notice).toMatch(/one thread instead of 2: (a worker failed|no answer)/)
        },
        END_TIMEOUT
      )
    }
  })
}
