/** Linux is asked for large pages for the memory that native computes on, from its first byte on. */
import { expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { repository, run, succeed } from "../../../e2e/fixtures.ts"

// a kernel without them refuses, and nothing changes
test.skipIf(!existsSync("/sys/kernel/mm/transparent_hugepage/enabled"))(
  "native's memory may have pages of 2 MiB, also where it has yet to grow, and wasm's may not",
  async () => {
    const child = [process.execPath, join(import.meta.dir, "large-pages-child.ts")]
    const { stdout } = await succeed(run(child, { cwd: repository }))
    const asked = { before: false, asked: true, grown: true }
    expect(JSON.parse(stdout)).toEqual({ wasm: false, native: true, memories: [asked, asked] })
  }
)
