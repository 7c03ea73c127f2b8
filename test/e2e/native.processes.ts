/** Runs on the native device: one adapter for one plan, whatever the number of threads, the runtime and the interruptions. */
import { describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import packageJson from "../../package.json" with { type: "json" }
import type { Diagnosis } from "../../src/doctor/index.ts"
import { supportedNode } from "../runtime/node-folder.ts"
import { hasNative } from "../runtime/runtimes.ts"
import { cli, repository, run as runCommand, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, start } from "./runs.ts"

const w = workspace()
w.model("bert")
/** After the first progress lines there is time to interrupt the rest. */
const STEPS = 300
w.write("plan.json", busyPlan("bert", STEPS))

const train = (out: string, threads: number) => [
  "train",
  "plan.json",
  "--out",
  out,
  "--device",
  "native",
  "--threads",
  `${threads}`
]

const node = supportedNode()
const deno = Bun.which("deno")
const others = [
  ...(deno === null ? [] : [{ name: "deno", command: [deno, "run", "-A", cli] }]),
  ...(node === undefined ? [] : [{ name: "node", command: [node, cli] }])
]

/** Doctor without what is slow to measure. */
const withoutGpu = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" }

/** The sources where koffi is not installed. */
const cliWithoutKoffi = (): string => {
  for (const name of ["package.json", "src", "schemas", "adapters"])
    cpSync(join(repository, name), w.path(`bare/${name}`), { recursive: true })
  mkdirSync(w.path("bare/node_modules"))
  const installed = readdirSync(join(repository, "node_modules")).filter((name) => name !== "koffi")
  for (const name of installed) symlinkSync(join(repository, "node_modules", name), w.path(`bare/node_modules/${name}`))
  return w.path("bare/src/bin/tfjs-lora-pro.ts")
}

describe.skipIf(!hasNative)("on native", () => {
  test(
    "with 1 and 2 threads, in Bun, in Deno and in Node: the same adapter",
    async () => {
      await succeed(w.cli(train("one", 1)))
      await succeed(w.cli(train("two", 2)))
      expect(adapterOf(w, "two")).toEqual(adapterOf(w, "one"))
      expect(w.json("two/run.json")).toMatchObject({ device: { backend: "native", threads: 2 } })
      const question = ["predict", "one", "the film is good", "--json", "--device", "native"]
      const { stdout: answer } = await succeed(w.cli(question))
      for (const { name, command } of others) {
        await succeed(runCommand([...command, ...train(name, 2)], { cwd: w.directory }))
        expect({ ...adapterOf(w, name), card: "" }).toEqual({ ...adapterOf(w, "one"), card: "" })
        const asked = await succeed(runCommand([...command, ...question], { cwd: w.directory }))
        expect(asked.stdout).toBe(answer)
      }
    },
    TIMEOUT
  )

  test(
    "interrupted and resumed: the same adapter",
    async () => {
      const run = start([process.execPath, cli, ...train("cut", 1)], w.directory)
      await run.said(/after step [1-4]\d:/)
      run.kill("SIGINT")
      expect((await run.ended).code).toBe(130)
      cpSync(w.path("cut"), w.path("moved"), { recursive: true })
      await succeed(w.cli(["train", "--resume", "cut", "--device", "native", "--threads", "2"]))
      expect(adapterOf(w, "cut")).toEqual(adapterOf(w, "one"))
      const { stderr } = await succeed(w.cli(["train", "--resume", "moved", "--device", "wasm"]))
      expect(stderr).toMatch(
        /note: the steps so far were computed on native \w+, the next ones will be on wasm; .*--device native/
      )
    },
    TIMEOUT
  )
})

describe.skipIf(!hasNative || node === undefined)("in Node", () => {
  const inNode = (file: string, ...args: ReadonlyArray<string>) =>
    runCommand([node!, file, ...args], { cwd: w.directory, env: withoutGpu })
  const diagnosis = async (file: string): Promise<Diagnosis> =>
    JSON.parse((await succeed(inNode(file, "doctor", "--json"))).stdout)

  test(
    "doctor names koffi, and auto takes native",
    async () => {
      const { foreignFunctions, auto } = await diagnosis(cli)
      expect(foreignFunctions).toEqual({ interface: `koffi ${packageJson.peerDependencies.koffi}`, missing: null })
      expect(auto.device).toBe("native")
    },
    TIMEOUT
  )

  test.each([
    [[], "Node opens libraries by the package koffi, which cannot be loaded (", "; run it with --allow-addons\n"],
    [["--allow-addons"], "Use --allow-child-process", "; the wasm device works everywhere (--device wasm)\n"]
  ])(
    "without a permission (%j), native says which",
    async (allowed, reason, remedy) => {
      const permissions = ["--permission", "--allow-fs-read=*", "--allow-fs-write=*", "--allow-worker", ...allowed]
      const command = [node!, ...permissions, cli, ...train("refused", 1)]
      const { code, stderr } = await runCommand(command, { cwd: w.directory })
      const [, said] = stderr.split("\nERROR\n  native: opening: ")
      expect(said).toContain(reason)
      expect(said).toEndWith(remedy)
      expect(code).toBe(1)
    },
    TIMEOUT
  )

  test(
    "without koffi, native says what to install, and auto takes wasm",
    async () => {
      const bare = cliWithoutKoffi()
      const reason = "Node opens libraries by the package koffi, which is not installed"
      const remedy = `npm install koffi@${packageJson.peerDependencies.koffi}`
      const { code, stderr } = await inNode(bare, ...train("refused", 1))
      expect(stderr).toEndWith(`\n\nERROR\n  native: opening: ${reason}; ${remedy}\n`)
      expect(code).toBe(1)
      const { foreignFunctions, auto, problems } = await diagnosis(bare)
      expect(foreignFunctions).toEqual({ interface: null, missing: reason })
      expect(auto.device).toBe("wasm")
      expect(auto.because).toContain(`no native kernels: ${reason}`)
      expect(problems).toContainEqual({ problem: `native: ${reason}`, remedy })
    },
    TIMEOUT
  )
})
