/**
 * What the pages for people say of files, commands and plans: links lead somewhere, commands exist, README's plan is one, and the table
 * of faults in test/README.md names tests that are there. (That these pass, the run of the tests says.)
 */
import { describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import ownPackage from "../package.json" with { type: "json" }
import { decodeRunPlanResult, PlanError } from "../schemas/index.ts"

const repository = join(import.meta.dir, "..")
const textOf = (file: string) => readFileSync(join(repository, file), "utf8")

/** Every page of the repository but those of goldens and of what examples download. */
const pages = ["*.md", "{docs,bench,examples,test}/**/*.md"]
  .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(repository)])
  .filter((file) => !/^test\/golden|node_modules|^examples\/models\/smollm2|^docs\/site\/staged/.test(file))
  .sort()

const fences = /^(`{3,})(\w*).*\n([\s\S]*?)^\1$/gm
const withoutCode = (page: string) =>
  textOf(page)
    .replace(fences, "")
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ""))

/** The blocks of one language in a page. */
const blocks = (page: string, language: string) =>
  [...textOf(page).matchAll(fences)].filter(([, , name]) => name === language).map(([, , , block]) => block!)

/** GitHub's anchors: of a heading's text, small letters, digits, hyphens, and what is a letter elsewhere. */
const anchorsOf = (page: string): ReadonlySet<string> => {
  const text = textOf(page).replace(fences, "")
  const slugs = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replace(/ /g, "-")
  )
  return new Set(slugs)
}

describe("links", () => {
  test("there are pages, and links in them", () => {
    expect(pages.length).toBeGreaterThan(50)
    expect(pages).toContain("README.md")
    expect([...withoutCode("README.md").matchAll(/\]\(/g)].length).toBeGreaterThan(20)
  })

  test.each(pages)("%s: every link leads to a file that is there, and to a heading of it", (page) => {
    const wrong = [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^(https?|mailto):/.test(target))
      .filter((target) => {
        const [file, anchor] = target.split("#") as [string, string?]
        const path = file === "" ? page : join(dirname(page), file)
        if (!existsSync(join(repository, path))) return true
        return anchor !== undefined && path.endsWith(".md") && !anchorsOf(path).has(anchor)
      })
    expect(wrong).toEqual([])
  })

  test("docs/README.md names every page of docs", () => {
    const named = [...textOf("docs/README.md").matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, file]) => file!)
    expect(
      readdirSync(join(repository, "docs")).filter(
        // site/ has the tools that make a site of these pages, images/ their pictures
        (file) => !["README.md", "site", "images"].includes(file) && !named.includes(file)
      )
    ).toEqual([])
  })
})

describe("README", () => {
  test("is short: everything else is in docs", () => {
    expect(textOf("README.md").split("\n").length).toBeLessThan(172)
  })

  test("`bun run` is followed by a script of package.json, in docs too", () => {
    const called = [...pages].flatMap((page) =>
      [...textOf(page).matchAll(/\bbun run ([a-z][\w:-]*)(?![\w.:/-])/g)].map(([, script]) => `${page}: ${script}`)
    )
    expect(called.length).toBeGreaterThan(100)
    expect(called.filter((call) => !Object.hasOwn(ownPackage.scripts, call.split(": ")[1]!))).toEqual([])
  })

  test("`bun add` names the peers, at the versions that package.json asks for", () => {
    const lines = ["README.md", "docs/installed.md"].map((page) =>
      /^bun add tfjs-lora-pro (.*)$/m.exec(textOf(page))![1]!.split(" ").toSorted()
    )
    const peers = Object.entries(ownPackage.peerDependencies)
      .filter(([name]) => !(name in ownPackage.peerDependenciesMeta)) // these are optional
      .map(([name, version]) => `${name}@${version}`)
      .toSorted()
    expect(lines).toEqual([peers, peers])
  })

  test("its plan is one, and with four mistakes it is told what the page shows", () => {
    const [block] = blocks("README.md", "json")
    const plan = JSON.parse(block!)
    expect(decodeRunPlanResult(plan)._tag).toBe("Success")
    const { rank, ...adapter } = plan.adapter
    const wrong = {
      ...plan,
      data: { ...plan.data, maxLength: 2 },
      adapter: { ...adapter, rnk: rank, rank: 0 },
      optimizer: { ...plan.optimizer, kind: "lora-por" }
    }
    const told = decodeRunPlanResult(wrong)
    if (told._tag !== "Failure") throw new Error("a wrong plan was taken")
    const { message } = new PlanError({ problems: told.failure, file: "plan-with-mistakes.json" })
    const shown = `$ bun run validate plan-with-mistakes.json\nERROR\n${message.replace(/^/gm, "  ")}\n`
    for (const page of ["README.md", "docs/plans.md"]) expect(blocks(page, "")).toContain(shown)
  })
})

describe("the table of faults in test/README.md", () => {
  const rows = [...textOf("test/README.md").matchAll(/\| `(\S+\.ts)` › (.+) \|$/gm)].map(([, file, name]) => ({
    file: file!,
    name: name!
  }))

  test("there are rows", () => {
    expect(rows.length).toBeGreaterThan(25)
  })

  test.each(rows)("$file › $name", ({ file, name }) => {
    const path = join(import.meta.dir, file)
    expect(existsSync(path)).toBe(true)
    expect(readFileSync(path, "utf8")).toContain(name)
  })
})
