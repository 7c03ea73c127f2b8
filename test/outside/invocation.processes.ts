/**
 * How hints begin, in real processes: a package with this program's name whose command prints one, started as people start it. Deno, Node
 * and npm where they are there.
 */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run, succeed, TIMEOUT, withoutScript } from "../e2e/fixtures.ts"

const project = mkdtempSync(join(tmpdir(), "invocation-"))
const own = join(project, "node_modules/tfjs-lora-pro")
const write = (file: string, content: unknown) =>
  writeFileSync(join(project, file), typeof content === "string" ? content : JSON.stringify(content))

beforeAll(async () => {
  mkdirSync(join(own, "src/output"), { recursive: true })
  mkdirSync(join(project, "node_modules/.bin"))
  mkdirSync(join(project, "global"))
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "../../src/output/invocation.ts")],
    outdir: join(own, "src/output"),
    target: "node"
  })
  expect(built.success).toBe(true)
  write("node_modules/tfjs-lora-pro/package.json", {
    name: "tfjs-lora-pro",
    version: "0.1.0",
    type: "module",
    bin: { "tfjs-lora-pro": "./cli.js" }
  })
  write(
    "node_modules/tfjs-lora-pro/cli.js",
    `#!/usr/bin/env node
import { command } from "./src/output/invocation.js"
console.log(command("train --resume RUN") + "|" + command("predict RUN"))
`
  )
  chmodSync(join(own, "cli.js"), 0o755)
  symlinkSync("../tfjs-lora-pro/cli.js", join(project, "node_modules/.bin/tfjs-lora-pro"))
  symlinkSync("../node_modules/tfjs-lora-pro/cli.js", join(project, "global/tfjs-lora-pro"))
  write("package.json", {
    name: "project",
    private: true,
    type: "module",
    scripts: { train: "tfjs-lora-pro train plan.json", predict: "tfjs-lora-pro predict" },
    dependencies: { "tfjs-lora-pro": "^0.1.0" }
  })
  write("bunfig.toml", "[run]\nbun = true\n")
  write("deno.json", { nodeModulesDir: "manual", tasks: { predict: "deno run -A npm:tfjs-lora-pro predict" } })
})
afterAll(() => rmSync(project, { recursive: true }))

const bunx = "bunx --bun tfjs-lora-pro"
const deno = "deno run -A npm:tfjs-lora-pro"
const npx = "npx tfjs-lora-pro"

const cases: ReadonlyArray<readonly [string, string, string?]> = [
  ["bunx --bun tfjs-lora-pro train", bunx],
  ["bun run train", bunx, "bun run"],
  ["bun run --bun tfjs-lora-pro train", bunx, "bun run"],
  ["npx tfjs-lora-pro train", npx],
  ["npm run train", npx],
  ["npm exec tfjs-lora-pro train", npx],
  [`${deno} train`, deno],
  ["deno task predict", deno],
  ["node node_modules/.bin/tfjs-lora-pro train", npx],
  ["node global/tfjs-lora-pro train", "tfjs-lora-pro"]
]

for (const [line, resume, predict = resume] of cases) {
  const [program, ...args] = line.split(" ")
  test.skipIf(Bun.which(program!) === null)(
    line,
    async () => {
      const { stdout } = await succeed(run([program!, ...args], { cwd: project, env: withoutScript }))
      expect(stdout.trim().split("\n").at(-1)).toBe(`${resume} train --resume RUN|${predict} predict RUN`)
    },
    TIMEOUT
  )
}
