/** Limits have names that people can set, and every message about one says how. */
import { afterEach, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Glob } from "bun"
import { type LimitName, limit, limits, overLimit, setLimits, setLimitsFromText } from "../../../src/boundary/index.ts"

const root = join(import.meta.dirname, "..", "..", "..")
const names = Object.keys(limits) as ReadonlyArray<LimitName>

afterEach(() => setLimits(Object.fromEntries(names.map((name) => [name, limits[name].default]))))

describe("limits", () => {
  test("have their defaults until they are set, each by itself", () => {
    expect(limit("json-depth")).toBe(64)
    setLimits({ "json-depth": 100 })
    expect(limit("json-depth")).toBe(100)
    expect(limit("text-file-bytes")).toBe(limits["text-file-bytes"].default)
  })

  test("a refusal names the limit, its value and the variable", () => {
    setLimitsFromText("json-depth=1000")
    expect(overLimit("json-depth")).toBe("1,000 levels (limit json-depth; TFJS_LORA_PRO_LIMITS=json-depth=N raises it)")
  })

  test.each([
    ["json-deep=3", "unknown limit json-deep; expected one of "],
    ["json-depth=0", "the limit json-depth is 0; expected a number of levels above 0"],
    ["json-depth", "the limit json-depth is NaN"],
    ["json-depth=many", "the limit json-depth is NaN"],
    ["json-depth=-1", "the limit json-depth is -1"],
    ["constructor=1", "unknown limit constructor"]
  ])("%p is refused", (text, says) => {
    expect(() => setLimitsFromText(text)).toThrow(says)
  })

  const page = () => [
    ...readFileSync(join(root, "docs", "limits.md"), "utf8").matchAll(/^\| `([\w-]+)` \| (.+?) \| (.+) \|$/gm)
  ]

  test("are documented, with their defaults", () => {
    const documented = page().map(([, name, value, what]) => [name!, value!, what !== ""])
    const inForce = names.map((name) => [
      name,
      `${limits[name].default.toLocaleString("en")} ${limits[name].unit}`,
      true
    ])
    expect(documented).toEqual(inForce)
  })

  test("have docstrings that say what the page says", () => {
    const source = readFileSync(join(root, "src", "boundary", "limits.ts"), "utf8")
    const docstrings = source.matchAll(/^ {2}\/\*\* default (.+?): (.+) \*\/\n(?: {2}\/\/ .*\n)*? {2}"?([\w-]+)"?: /gm)
    const said = [...docstrings].map(([, value, what, name]) => [name, value, what])
    const withoutLinks = (what: string) => what.replace(/ \(\[.*?\]\(.*?\)\)/g, "")
    expect(said).toEqual(page().map(([, name, value, what]) => [name, value, withoutLinks(what!)]))
  })

  test("are all in force somewhere", () => {
    const sources = [...new Glob("{src,adapters,schemas}/**/*.ts").scanSync(root)]
      .filter((file) => !file.startsWith("src/boundary/"))
      .map((file) => readFileSync(join(root, file), "utf8"))
      .join("\n")
    expect(names.filter((name) => !sources.includes(`"${name}"`))).toEqual([])
  })
})
