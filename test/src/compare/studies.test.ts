/** The tables of studies with raw results are what those results say (scripts/studies.ts). */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { committed, made, studies } from "../../../scripts/studies.ts"

const repository = join(import.meta.dir, "../../..")

test("there are studies with raw results", () => {
  expect(studies.length).toBeGreaterThanOrEqual(3)
  expect(Object.keys(made)).toHaveLength(studies.length + 1)
})

test.each(Object.keys(made))("%s says what they say; bun scripts/studies.ts writes it", async (file) => {
  expect(committed(file)).toBe(await made[file]!())
})

test.each(studies)("%s names no place of the machine that it ran on", (name) => {
  const raw = readFileSync(join(repository, `bench/studies/${name}.results.json`), "utf8")
  expect(raw.match(/"[^"]*(\.\.\/|\/(home|root|tmp|work|Users)\/)[^"]*"/g)).toBeNull()
})
