/**
 * The documentation site as `bun run docs` builds it under a path of a host: no warning, no dead link or anchor, nothing from elsewhere.
 *
 * Its tools come from npm's registry or bun's cache. Where there is neither, that is announced; REQUIRE_DOCS=1 makes it a failure.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import ownPackage from "../../package.json" with { type: "json" }

const repository = join(import.meta.dir, "..", "..")
const folder = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-docs-"))
const base = "/projects/tfjs-lora-pro/"
let printed = ""

const tools = spawnSync("bun", ["install", "--frozen-lockfile"], {
  cwd: join(repository, "docs", "site"),
  encoding: "utf8"
})
const missing = tools.status !== 0
if (missing) {
  const announcement = `the tools of the documentation site cannot be installed: ${tools.stderr.trim()}`
  if (process.env["REQUIRE_DOCS"] === "1") throw new Error(`${announcement} (REQUIRE_DOCS=1)`)
  console.warn(`${announcement}\nthe site is not built (REQUIRE_DOCS=1 makes that a failure)`)
}

beforeAll(() => {
  if (missing) return
  const { status, stdout, stderr } = spawnSync("bun", ["run", "docs", "--base", base, "--out", folder], {
    cwd: repository,
    encoding: "utf8"
  })
  printed = `${stdout}\n${stderr}`
  if (status !== 0) throw new Error(printed)
}, 170_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const files = (extension: string): ReadonlyArray<string> =>
  [...new Bun.Glob(`**/*${extension}`).scanSync(folder)].sort()
const textOf = (file: string): string => readFileSync(join(folder, file), "utf8")

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" }
const decoded = (value: string): string =>
  decodeURIComponent(value.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name]!))

interface Tag {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
}

/** The tags of a page, without those in its scripts. */
const tagsOf = (html: string): ReadonlyArray<Tag> =>
  [
    ...html
      .replace(/(<script\b[^>]*>)[\s\S]*?<\/script>/g, "$1")
      .matchAll(/<([a-z][\w-]*)((?:\s+[\w:@-]+(?:="[^"]*")?)*)\s*\/?>/g)
  ].map(([, name, attributes]) => ({
    name: name!,
    attributes: Object.fromEntries(
      [...attributes!.matchAll(/([\w:@-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, decoded(value!)])
    )
  }))

/** The file that a server answers a path of the site with. */
const served = (path: string): string | undefined => {
  const file = path === "" || path.endsWith("/") ? `${path}index.html` : path
  return [file, `${file}.html`].find((one) => existsSync(join(folder, one)) && statSync(join(folder, one)).isFile())
}

test.skipIf(missing)("is built without a warning", () => {
  const lines = printed.split("\n").filter((line) => /warn|\(!\)|error|deprecat|dead link/i.test(line))
  expect(lines).toEqual([])
})

describe.skipIf(missing)("its pages", () => {
  const pages = () => new Map(files(".html").map((file) => [file, tagsOf(textOf(file))]))

  test("every link inside leads to a page that is there, and to a heading of it", () => {
    const all = pages()
    expect(all.size).toBeGreaterThan(100)
    const ids = new Map([...all].map(([file, tags]) => [file, new Set(tags.map(({ attributes }) => attributes["id"]))]))
    let links = 0
    const wrong = new Set<string>()
    for (const [file, tags] of all) {
      for (const { name, attributes } of tags) {
        const target = attributes["href"] ?? attributes["src"]
        if (target === undefined || /^(https?|mailto|data):/.test(target)) continue
        links++
        const { pathname, hash } = new URL(target, `http://localhost${base}${file}`)
        const [path, anchor] = [decodeURI(pathname), decodeURIComponent(hash.slice(1))]
        const at = path.startsWith(base) ? served(path.slice(base.length)) : undefined
        if (at === undefined) wrong.add(`${file}: ${name} ${target}`)
        else if (anchor !== "" && !ids.get(at)?.has(anchor)) wrong.add(`${file}: no heading ${target}`)
      }
    }
    expect(links).toBeGreaterThan(5000)
    expect([...wrong].slice(0, 40)).toEqual([])
  })

  test("nothing is loaded from elsewhere", () => {
    const loads = [...pages()].flatMap(([file, tags]) =>
      tags
        .filter(({ name }) => name !== "a")
        .flatMap(({ name, attributes }) =>
          [attributes["src"], attributes["srcset"], attributes["href"]].map((url) => `${name} ${url}`)
        )
        .filter((one) => /\b(https?:)?\/\//.test(one))
        .map((one) => `${file}: ${one}`)
    )
    expect(loads).toEqual([])
    const styles = files(".css")
    expect(styles.length).toBeGreaterThan(0)
    expect(styles.flatMap((file) => textOf(file).match(/(url\(|@import)\s*["']?(https?:)?\/\/[^)]*/g) ?? [])).toEqual(
      []
    )
  })

  test("each page of docs/ is one, and each entry of the package has its reference", () => {
    const docs = readdirSync(join(repository, "docs")).filter((name) => name.endsWith(".md"))
    const expected = docs.map((name) => `docs/${name === "README.md" ? "index.html" : name.replace(/\.md$/, ".html")}`)
    expect(expected.filter((page) => served(page) === undefined)).toEqual([])
    const entries = Object.entries(ownPackage.exports).filter(([, file]) => file.endsWith(".ts"))
    expect(entries.length).toBeGreaterThan(10)
    const home = textOf("index.html")
    for (const [entry] of entries) {
      const name = entry.replace(/^\./, ownPackage.name)
      expect(home).toContain(`>${name}<`)
      expect([name, served(`api/${name}`) ?? served(`api/${name}/`)]).not.toEqual([name, undefined])
    }
  })

  test("the search has what the pages say, and what the reference says", () => {
    const index = files(".js").find((file) => file.includes("@localSearchIndex"))
    expect(index).toBeDefined()
    const text = textOf(index!)
    // its words are small letters, and each section is found under its page's address: a guide, a field of a plan, a function
    for (const known of ["keepcheckpoints", "scalebylearningrate", "matryoshka"]) expect(text).toContain(`"${known}"`)
    for (const section of [
      "docs/training.html#",
      "docs/plan-reference.html#optimizer-lora-pro",
      "api/tfjs-lora-pro/optimizers/#name-lorapro"
    ])
      expect(text).toContain(base + section)
  })
})

describe.skipIf(missing)("has a docstring:", () => {
  const api = () => JSON.parse(readFileSync(join(repository, "docs", "site", "staged", "api", "api.json"), "utf8"))

  test("every name that the package exports", () => {
    const { names, undocumented } = api()
    expect(names).toBeGreaterThan(900)
    expect(undocumented).toEqual([])
  })

  test("every field of these, every option of a function, everything that an error has", () => {
    const { fields, undocumentedFields } = api()
    expect(fields).toBeGreaterThan(1_400)
    expect(undocumentedFields).toEqual([])
  })
})
