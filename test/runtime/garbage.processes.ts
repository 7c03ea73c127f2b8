/** Beside a large wasm memory Bun's garbage does not pile up. A process of its own: the memory never shrinks. */
import { expect, test } from "bun:test"
import { join } from "node:path"

/** Of 40,000 operations that nothing collects 1,040,000 arrays are left, 26 each; collected every 8,000 it was 190,000. */
const MOST_ARRAYS = 500_000

test("garbage of operations beside 1.2 GB of tensors is collected", async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "garbage-child.ts"), "1200000000"], {
    stdout: "pipe"
  })
  const arrays = Number(await new Response(child.stdout).text())
  expect(await child.exited).toBe(0)
  expect(arrays).toBeGreaterThan(10_000)
  expect(arrays).toBeLessThan(MOST_ARRAYS)
})
