/**
 * A newcomer's first minutes, from a registry: `new` by the package manager's own command, installed and trained by the commands that it
 * prints and the project's README, in Bun, Deno and Node.
 *
 * Needs npm's registry (or its caches). What is missing is announced; REQUIRE_DENO=1 and REQUIRE_NODE=1 make that a failure.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { jsonObjects, run, succeed, tinyRows, withoutScript, workspace } from "../e2e/fixtures.ts"
import { emptyProject, pack } from "../package/consumer.ts"
import { type Registry, startRegistry } from "../package/registry.ts"
import { nodeFolder } from "../runtime/node-folder.ts"

/** Some hundred megabytes are installed, and a model is trained. */
const MINUTES = 900_000

let registry: Registry
beforeAll(async () => {
  registry = await startRegistry(pack(emptyProject()))
}, MINUTES)
afterAll(() => registry.close())

interface Runtime {
  readonly name: "bun" | "deno" | "node"
  /** what this package's command begins with, where nothing is installed */
  readonly start: ReadonlyArray<string>
  readonly install: ReadonlyArray<string> | null
  /** a script of the project, with arguments of its own */
  readonly script: (name: string, ...args: ReadonlyArray<string>) => ReadonlyArray<string>
  readonly path?: string
}

const bun: Runtime = {
  name: "bun",
  start: [process.execPath, "x", "--bun", "tfjs-lora-pro"],
  install: [process.execPath, "install"],
  script: (name, ...args) => [process.execPath, "run", name, ...args]
}
const deno: Runtime = {
  name: "deno",
  start: ["deno", "run", "-A", "npm:tfjs-lora-pro"],
  install: null,
  script: (name, ...args) => ["deno", "task", name, ...args]
}
const nodePath = nodeFolder()
const node: Runtime = {
  name: "node",
  start: ["npx", "--yes", "tfjs-lora-pro"],
  install: ["npm", "install", "--no-audit", "--no-fund"],
  script: (name, ...args) => ["npm", "run", "--silent", name, "--", ...args],
  ...(nodePath === undefined ? {} : { path: nodePath })
}
const hasDeno = Bun.which("deno") !== null
if (!hasDeno) {
  if (process.env["REQUIRE_DENO"] === "1") throw new Error("deno is not installed, but REQUIRE_DENO=1")
  console.warn("deno is not installed: the first run is not tried in it (REQUIRE_DENO=1 makes that a failure)")
}
const here = [bun, ...(hasDeno ? [deno] : []), ...(nodePath === undefined ? [] : [node])]

const few = ["--set", "training.steps=8", "--set", "training.evaluateRows=40"]

describe.each(here)("$name", ({ name, start, install, script, path }) => {
  const w = workspace()
  const at = (folder: string) => (command: ReadonlyArray<string>) => {
    const cache = { BUN_INSTALL_CACHE_DIR: w.path("cache/bun"), DENO_DIR: w.path("cache/deno") }
    const env = { ...withoutScript, ...registry.env, ...cache, npm_config_cache: w.path("cache/npm") }
    const first = path === undefined ? {} : { PATH: `${path}:${process.env["PATH"]}` }
    return succeed(run(command, { cwd: w.path(folder), env: { ...env, ...first }, timeout: MINUTES }))
  }

  test(
    "new, install, train, predict on a file of one's own",
    async () => {
      const rows = tinyRows(60).map(({ text, label }) => `"${text}",${label}`)
      w.write("reviews.csv", ["text,label", ...rows, ""].join("\n"))
      const said = (await at("")([...start, "new", "my-model", "--data", "reviews.csv"])).stdout
      const project = at("my-model")
      if (install !== null) {
        expect(said).toContain(install.slice(-1)[0] === "install" ? "bun install" : "npm install")
        await project(install)
      }
      // what an editor completes the plan by, and the model
      const { $schema, model } = w.json("my-model/plan.json") as {
        readonly $schema: string
        readonly model: { readonly source: string }
      }
      expect((await project(script("validate"))).stdout).toContain("trainable")
      for (const file of [$schema, join(model.source, "model.safetensors")])
        expect(existsSync(join(w.path("my-model"), file))).toBe(true)
      await project(script("train", ...few))
      expect(w.json("my-model/runs/my-model-1/run.json")).toMatchObject({ steps: 8, labels: ["bad", "fair", "good"] })
      const asked = await project(script("predict", "runs/my-model-1", "the film is good", "--json"))
      const probabilities = jsonObjects(asked.stdout)[0]!["probabilities"] as Readonly<Record<string, number>>
      expect(Object.values(probabilities).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
      expect(Object.keys(w.json(`my-model/${name === "deno" ? "deno" : "package"}.json`))).not.toContain("version")
    },
    MINUTES
  )

  test(
    "train without a plan is over the package's own model and rows, and leaves its run here",
    async () => {
      await at("my-model")([...start, "train", ...few, "--device", "wasm"])
      expect(w.json("my-model/runs/movies-lora-pro-full-1/run.json")).toMatchObject({
        labels: ["negative", "positive"]
      })
    },
    MINUTES
  )
})
