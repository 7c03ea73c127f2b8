/** A file is never in memory as a whole: measured, in a process of its own, on files of 200 MB. */
import { expect, test } from "bun:test"
import { closeSync, openSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import { temporaryFiles } from "./files.ts"

const { folder } = temporaryFiles()

const row = {
  jsonl: (text: string, label: string) => `${JSON.stringify({ text, label })}\n`,
  csv: (text: string, label: string) => `"${text}",${label}\n`
}

const write = (format: keyof typeof row, rows: number): string => {
  const path = join(folder, `${rows}.${format}`)
  const file = openSync(path, "w")
  if (format === "csv") writeSync(file, "text,label\n")
  const filler = "some words of a text, ".repeat(22)
  for (let start = 0; start < rows; start += 1000) {
    const some = Array.from({ length: 1000 }, (_, i) => row[format](`row ${start + i} ${filler}`, i % 2 ? "a" : "b"))
    writeSync(file, some.join(""))
  }
  closeSync(file)
  return path
}

// The index takes 14 bytes a row and twice that while it grows, an epoch's order 4: 13 MB; the rest is what the collector
// leaves between collections. Measured: 48 to 65 MB. Holding the rows would take the file's 200 MB at the least.
const mostGrowth = 100

test.each(["jsonl", "csv"] as const)(
  "%s: scanning 200 MB and drawing from all over it needs a fraction of that",
  (format) => {
    const [small, large] = [write(format, 10_000), write(format, 400_000)]
    expect(statSync(large).size).toBeGreaterThan(199e6)
    const child = Bun.spawnSync(["bun", join(import.meta.dir, "streaming-child.ts"), small, large])
    expect(child.stderr.toString()).toBe("")
    const { rows, megabytes } = JSON.parse(child.stdout.toString())
    expect(rows).toBe(400_000)
    expect(megabytes).toBeLessThan(mostGrowth)
  },
  60_000
)
