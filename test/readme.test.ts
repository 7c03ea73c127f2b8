/** The table of faults in test/README.md: every row names a test that is there. (That it passes, the run of the tests says.) */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const rows = [...readFileSync(join(import.meta.dir, "README.md"), "utf8").matchAll(/\| `(\S+\.ts)` › (.+) \|$/gm)].map(
  ([, file, name]) => ({ file: file!, name: name! })
)

test("there are rows", () => {
  expect(rows.length).toBeGreaterThan(25)
})

test.each(rows)("$file › $name", ({ file, name }) => {
  const path = join(import.meta.dir, file)
  expect(existsSync(path)).toBe(true)
  expect(readFileSync(path, "utf8")).toContain(name)
})
