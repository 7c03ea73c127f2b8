/** Images on other threads, in Bun and Deno: the same numbers for every number of threads, processes that end, threads that die. */
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { END_TIMEOUT, runScript, runtimes } from "./runtimes.ts"

const folder = mkdtempSync(join(tmpdir(), "workers-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const golden = join(import.meta.dir, "..", "golden", "images")
const files = ["photo.png", "photo-420.jpg", "photo.webp", "turned-6.jpg", "rgba.webp"].map((name) =>
  join(golden, name)
)
const worker = import.meta.resolve("../../src/images/worker.ts")

let first: string | undefined

for (const runtime of runtimes) {
  const probe = (count: number, script: string, ...images: ReadonlyArray<string>) =>
    runScript(runtime, "image-threads-probe.ts", `${count}`, script, ...images)

  describe(runtime.name, () => {
    test(
      "the same numbers on no other thread and on three, and the process ends by itself",
      async () => {
        for (const count of [0, 3]) {
          const { code, stderr, output } = await probe(count, "own", ...files)
          expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
          first ??= output.digest
          expect(output).toEqual({
            digest: first,
            failures: [null, null, null],
            missing: "row 2: cannot be read: no such file or folder"
          })
        }
      },
      2 * END_TIMEOUT
    )

    test(
      "a thread that dies is an error with the file's name, and the pool goes on",
      async () => {
        // the package's own worker, but of a file of this name it dies
        const script = join(folder, "dies.mjs")
        writeFileSync(
          script,
          `import { parentPort } from "node:worker_threads"
           parentPort.on("message", ({ jobs }) => { if (jobs.some(({ image }) => image.endsWith("dies.png"))) throw new Error("no luck") })
           await import(${JSON.stringify(worker)})`
        )
        const { code, output } = await probe(1, script, "dies.png", files[0]!)
        expect(code).toBe(0)
        expect(output.failures).toEqual(Array(3).fill("dies.png: the thread that decodes it failed: no luck"))
        expect(output.missing).toBe("dies.png: the thread that decodes it failed: no luck")
        expect((await probe(2, join(golden, "no-such-worker.mjs"), files[0]!)).output.failures[2]).toStartWith(
          `${files[0]}: the thread that decodes it failed: `
        )
      },
      2 * END_TIMEOUT
    )
  })
}
