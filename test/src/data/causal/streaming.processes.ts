/** A file is never in memory as a whole, packed or not: measured, in a process of its own, on 160 MB of conversations. */
import { expect, test } from "bun:test"
import { createWriteStream, statSync } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import { temporaryFiles } from "../files.ts"

const { folder } = temporaryFiles()

const filler = "some words that somebody says, ".repeat(100)

const row = (i: number): string =>
  `${JSON.stringify({
    messages: [
      { role: "user", content: `question ${i}` },
      { role: "assistant", content: `the answer ${i}` },
      { role: "user", content: filler } // behind it, nothing is learned and most is cut off
    ]
  })}\n`

/** Writes conversations; returns the file and how many bytes are packed in it. */
const write = async (rows: number) => {
  const path = join(folder, `${rows}.jsonl.gz`)
  let bytes = 0
  const lines = function* () {
    for (let start = 0; start < rows; start += 1000) {
      const some = Array.from({ length: 1000 }, (_, i) => row(start + i)).join("")
      bytes += some.length
      yield some
    }
  }
  await pipeline(lines, createGzip({ level: 1 }), createWriteStream(path))
  return { path, bytes }
}

// The index takes 14 bytes a row and the hashes 8, twice that while they grow, an epoch's order 4: 4 MB; the rest is what the
// collector leaves between collections. Measured: 45 to 80 MB. Holding the rows would take 160 MB at the least.
const mostGrowth = 120

test("opening 160 MB out of a .gz and drawing from all over them needs a fraction of that", async () => {
  const [small, large] = [await write(2_000), await write(51_000)]
  expect(large.bytes).toBeGreaterThan(159e6)
  expect(statSync(large.path).size).toBeLessThan(20e6)
  const child = Bun.spawnSync(["bun", join(import.meta.dir, "streaming-child.ts"), small.path, large.path])
  expect(child.stderr.toString()).toBe("")
  const { rows, megabytes } = JSON.parse(child.stdout.toString())
  expect(rows).toBe(51_000)
  expect(megabytes).toBeLessThan(mostGrowth)
}, 60_000)
