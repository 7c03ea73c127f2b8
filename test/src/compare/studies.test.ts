/** The tables of studies with raw results are what those results say (scripts/studies.ts). */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { committed, made, studies } from "../../../scripts/studies.ts"

const repository = join(import.meta.dir, "../../..")

test("there are studies with raw results", () => {
  expect(studies.length).toBeGreaterThanOrEqual(3)
})

const parts = Object.entries(made).flatMap(([file, parts]) => Object.keys(parts).map((part) => [file, part] as const))

test.each(parts)("%s, %s: says what they say; bun scripts/studies.ts writes it", async (file, part) => {
  expect(committed(file, part)).toBe(await made[file]![part]!())
})

test.each(studies)("%s names no place of the machine that it ran on", (name) => {
  const raw = readFileSync(join(repository, `bench/studies/${name}.results.json`), "utf8")
  expect(raw.match(/"[^"]*(\.\.\/|\/(home|root|tmp|work|Users)\/)[^"]*"/g)).toBeNull()
})
