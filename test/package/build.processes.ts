/** The npm package as its users get it: built, installed beside its peers, imported by every entry, with the embedded model and data. */
import { beforeAll, expect, test } from "bun:test"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import ownPackage from "../../package.json" with { type: "json" }
import { tooOldNode } from "../../src/bin/main.ts"
import { openStudio } from "../browser/studio.ts"
import { emptyProject, installInto, manifestOf, repository } from "./consumer.ts"

const consumer = emptyProject()
const installed = join(consumer, "node_modules", "tfjs-lora-pro")
const manifest = () => manifestOf(installed)

beforeAll(() => void installInto(consumer), 180_000)

test("every entry has its JavaScript and its declarations, and loads", () => {
  const entries = Object.entries(manifest().exports)
  expect(entries.length).toBeGreaterThan(10)
  for (const [name, target] of entries) {
    if (typeof target === "string") continue
    expect(existsSync(join(installed, target.types))).toBe(true)
    const specifier = name.replace(/^\./, "tfjs-lora-pro")
    // what another runtime needs is not here to be loaded; plan-files is types alone
    if (/\/(deno|browser|plan-files)$/.test(specifier)) continue
    const code = `const m = await import("${specifier}"); if (Object.keys(m).length === 0) process.exit(3); process.exit(0)`
    const { status, stderr } = spawnSync(process.execPath, ["-e", code], { cwd: consumer, encoding: "utf8" })
    expect({ specifier, status, stderr }).toEqual({ specifier, status: 0, stderr: "" })
  }
}, 180_000)

test("its gradients are those of tfjs, and its layers export what tfjs's do, each in a module over tfjs's core", () => {
  const registeredBy = (module: string): ReadonlyArray<string> => {
    const code = `import * as tf from "@tensorflow/tfjs-core"
await import("${module}")
const names = Object.values(tf).filter((name) => typeof name === "string" && tf.getGradient(name) !== undefined)
console.log(JSON.stringify(names))`
    return JSON.parse(spawnSync(process.execPath, ["-e", code], { cwd: consumer, encoding: "utf8" }).stdout)
  }
  const gradients = join(installed, "src", "device", "gradients.js")
  const layers = join(installed, "src", "models", "layers-model", "included-layers.js")
  const names = registeredBy("@tensorflow/tfjs-layers")
  expect(names.length).toBeGreaterThan(100)
  expect(registeredBy(gradients)).toEqual(names)
  expect(registeredBy(layers)).toEqual(names)
  const code = `const [ours, theirs] = await Promise.all(["${layers}", "@tensorflow/tfjs-layers"].map((module) => import(module)))
console.log(JSON.stringify([ours, theirs].map((module) => Object.keys(module).filter((name) => name !== "default").sort())))`
  const { stdout } = spawnSync(process.execPath, ["-e", code], { cwd: consumer, encoding: "utf8" })
  const [ours, theirs] = JSON.parse(stdout)
  expect(ours).toEqual(theirs)
  for (const file of [gradients, layers])
    expect(readFileSync(file, "utf8")).not.toMatch(/(?:from|import) ?"(?!@tensorflow\/tfjs-core")/)
})

/** Of the packed file: the embedded model is nearly all of it, and every installation downloads it. */
const MOST_BYTES = 35_000_000

test("carries what new and train begin with and the pages that its README names, and not the sources' tests", () => {
  expect(statSync(join(consumer, "tfjs-lora-pro.tgz")).size).toBeLessThan(MOST_BYTES)
  const { embedded } = require(
    join(installed, "src", "bin", "embedded.js")
  ) as typeof import("../../src/bin/embedded.ts")
  for (const file of [embedded.plan, join(embedded.model, "model.safetensors"), ...Object.values(embedded.data)])
    expect(file.startsWith(installed) && existsSync(file)).toBe(true)
  expect(existsSync(join(installed, "test"))).toBe(false)
  const readme = readFileSync(join(installed, "README.md"), "utf8")
  const named = [...readme.matchAll(/\]\((docs\/[\w-]+\.md)/g)].map(([, page]) => page!)
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((page) => !existsSync(join(installed, page)))).toEqual([])
})

/** What pages name with a path: links and pictures, without what is in code. */
const targetsOf = (page: string): ReadonlyArray<string> =>
  [
    ...page
      .replace(/^(`{3,})[\s\S]*?^\1$/gm, "")
      .replace(/`[^`\n]*`/g, "code")
      .matchAll(/\]\(([^)\s]+)\)/g)
  ].map(([, target]) => target!)

/** GitHub's anchors of a page's headings. */
const anchorsOf = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-")
  )

test("every link of every page in it leads to a file and a heading of the package", () => {
  const pages = [...new Bun.Glob("**/*.md").scanSync(installed)].filter((page) => !page.includes("node_modules/"))
  for (const page of ["docs/README.md", "docs/plan-reference.md", "bench/README.md", "examples/README.md"])
    expect(pages).toContain(page)
  // for who has a clone
  expect(pages).not.toContain("CONTRIBUTING.md")
  const links = pages.flatMap((page) =>
    targetsOf(readFileSync(join(installed, page), "utf8"))
      .filter((target) => !/^(https?|mailto):/.test(target))
      .map((target) => ({ page, target }))
  )
  expect(links.length).toBeGreaterThan(300)
  const dead = links.filter(({ page, target }) => {
    const [file, anchor] = target.split("#") as [string, string?]
    const path = file === "" ? join(installed, page) : join(installed, dirname(page), file)
    if (!path.startsWith(installed) || !existsSync(path)) return true
    return anchor !== undefined && path.endsWith(".md") && !anchorsOf(readFileSync(path, "utf8")).includes(anchor)
  })
  expect(dead).toEqual([])
})

test("train without a plan takes the embedded one", () => {
  const bin = join(installed, manifest().bin["tfjs-lora-pro"])
  const args = [bin, "train", "--set", "training.steps=1", "--set", "data.test=data/none.jsonl"]
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: consumer, encoding: "utf8" })
  expect(status).toBe(1)
  // all else of that plan is there
  expect(stderr).toContain("none.jsonl")
  expect(stderr).not.toContain("minilm")
})

test("the command is for Node, which npm's users have, and says which one it needs", () => {
  const bin = readFileSync(join(installed, manifest().bin["tfjs-lora-pro"]), "utf8")
  expect(bin.split("\n")[0]).toBe("#!/usr/bin/env node")
  expect(tooOldNode("20.20.2")).toContain("needs Node 22.19.0 or later, Bun or Deno; found Node 20.20.2")
  expect(tooOldNode("22.18.9")).toBeDefined()
  for (const version of ["22.19.0", "22.23.3", "24.0.0", process.versions.node]) {
    expect(tooOldNode(version)).toBeUndefined()
  }
})

test("the browser entry is bundled for a page, without Node, and with the CSV parser that needs none of it", async () => {
  const entry = join(consumer, "page.js")
  writeFileSync(
    entry,
    `export { fetchFiles, layer, memoryFiles, readPlan, resolve, train } from "tfjs-lora-pro/browser"`
  )
  const built = await Bun.build({ entrypoints: [entry], target: "browser", metafile: true })
  expect(built.success).toBe(true)
  const inputs = Object.keys(built.metafile!.inputs)
  expect(inputs.filter((path) => /tfjs-lora-pro\/src\/browser\.js$/.test(path))).toHaveLength(1)
  expect(inputs.filter((path) => /csv-parse\/dist\/esm\/sync\.js$/.test(path))).toHaveLength(1)
  expect(inputs.filter((path) => /device\/(bun|deno|wasm)\.js$|platform-node/.test(path))).toEqual([])
  expect((await built.outputs[0]!.text()).match(/\b(from|require\(|import\()\s*"node:[^"]*"/g)).toBeNull()
  // what the option wasmFolder wants served
  for (const name of ["kernels", "kernels-shared", "kernels-fused", "kernels-fused-shared"]) {
    expect(existsSync(join(installed, "src", "kernels", "wasm", `${name}.wasm`))).toBe(true)
  }
}, 180_000)

/** Gzipped, of all files of the studio's page: what a browser may load of it. */
const MOST_OF_STUDIO = 400_000

test("the studio serves its page, which is built already and needs no package beside it", async () => {
  const folder = join(installed, "src", "studio")
  expect(existsSync(join(folder, "page"))).toBe(false)
  const assets = [...new Bun.Glob("**/*").scanSync(join(folder, "built-page"))]
  const sizes = assets.map((name) => Bun.gzipSync(readFileSync(join(folder, "built-page", name))).length)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MOST_OF_STUDIO)
  const bin = join(installed, manifest().bin["tfjs-lora-pro"])
  const studio = await openStudio({ program: [process.execPath, bin], env: { TFJS_LORA_PRO_STUDIO_PAGE: "" } })
  try {
    const page = await (await studio.fetch("/")).text()
    const [script] = /assets\/[\w.-]+\.js/.exec(page)!
    const answer = await studio.fetch(`/${script}`)
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"])
    expect((await studio.call("about", {})).version).toBe(ownPackage.version)
    // the engine, a process of its own, begins there too
    expect(await studio.call("device", {})).toContain("wasm")
  } finally {
    await studio.close()
  }
}, 180_000)

test("validates a plan from outside the repository", () => {
  const bin = join(installed, manifest().bin["tfjs-lora-pro"])
  const plan = join(repository, "examples", "plans", "movies-lora-pro-full.json")
  const { status, stdout } = spawnSync(process.execPath, [bin, "validate", plan], { cwd: consumer, encoding: "utf8" })
  expect(status).toBe(0)
  expect(stdout).toContain("trainable  332,546 of 14,658,434")
})
