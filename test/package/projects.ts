/**
 * Users' projects: what somebody writes who installs the package, and what has to come of it. The same text runs on a linked
 * installation (`bun-plugin.processes.ts`) and on real ones (`test/long/package.long.ts`).
 */
import { expect } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Finished, onWasm, repository, run, succeed, tinyPlan, type Workspace } from "../e2e/fixtures.ts"
import { hasNative } from "../runtime/runtimes.ts"

const classes = ["bad", "fair", "good"]

/** A tiny model, data and tiny.plan.json, in a project that is otherwise empty. */
export const tinyProject = (w: Workspace): void => {
  w.model("bert")
  const data = { ...tinyPlan("bert").data, labels: classes }
  w.write("tiny.plan.json", tinyPlan("bert", { data, training: { steps: 4, batchSize: 4, threads: 1 } }))
  w.write("package.json", { name: "consumer", private: true, type: "module" })
}

const page = readFileSync(join(repository, "docs", "installed.md"), "utf8")

/** What docs/installed.md says of the plugin, on this plan. */
const program = (): string => {
  const section = page.split("\n## Bun\n")[1]?.split("\n## ")[0] ?? ""
  const block = section.match(/```ts\n([^`]*"\.\/movies\.plan\.json"[^`]*)```/)?.[1]
  if (block === undefined)
    throw new Error('docs/installed.md has no program that imports "./movies.plan.json" under "Bun"')
  return block.replace("./movies.plan.json", "./tiny.plan.json")
}

/** The package has the native libraries; where none is for this machine, there is wasm. */
const device = hasNative ? "native" : "wasm"

/** For a program without Effect: a device for the whole process, and tfjs as ever. */
const plain = (runtime: "bun" | "deno") => `import * as tf from "@tensorflow/tfjs-core"
import { install } from "tfjs-lora-pro/${runtime}"

const { backend, threads, versions } = await install("${device}", { threads: 2 })
const ones = tf.ones([64, 64])
console.log(JSON.stringify({ backend, current: tf.getBackend(), threads, runtime: versions.runtime, sum: (await tf.sum(tf.matMul(ones, ones)).data())[0] }))
`

export const writePlain = (w: Workspace, runtime: "bun" | "deno"): string => w.write("plain.ts", plain(runtime))

export const expectPlain = (finished: Finished, runtime: RegExp): void => {
  expect({ ...finished, stdout: "" }).toEqual({ code: 0, stdout: "", stderr: "" })
  const { runtime: found, ...rest } = JSON.parse(finished.stdout)
  expect(found).toMatch(runtime)
  expect(rest).toEqual({ backend: device, current: "wasm", threads: 2, sum: 64 ** 3 })
}

/** bunfig.toml and train.ts, which imports the plan. */
export const writeBunProject = (w: Workspace): void => {
  w.write(
    "bunfig.toml",
    'preload = ["tfjs-lora-pro/bun"]\n\n[test]\npreload = ["tfjs-lora-pro/bun"] # bun test has a list of its own\n'
  )
  w.write("train.ts", program())
}

/** Runs train.ts by the preloaded plugin alone. */
export const trainsItsImportedPlan = async (w: Workspace): Promise<void> => {
  const { stdout } = await succeed(run([process.execPath, "train.ts"], { cwd: w.directory }))
  expect(stdout).toMatch(new RegExp(`label: "(${classes.join("|")})"`))
  expect(w.json("run/run.json")).toMatchObject({ steps: 4, labels: classes })
}

/** SHA-256 of a run's trained factors. */
export const adapterIn = (w: Workspace, folder: string): string =>
  new Bun.CryptoHasher("sha256").update(w.bytes(`${folder}/adapter/adapter_model.safetensors`)).digest("hex")

/** The command line, started by `command`: validate, train, predict, and a plan that is wrong. Gives the adapter's SHA-256. */
export const worksByCommand = async (
  w: Workspace,
  command: ReadonlyArray<string>,
  folder: string,
  env: Record<string, string> = {}
): Promise<string> => {
  const cli = (...args: ReadonlyArray<string>) => run([...command, ...args], { cwd: w.directory, env })
  expect((await succeed(cli("validate", "tiny.plan.json"))).stdout).toContain("trainable")
  const trained = await succeed(cli("train", "tiny.plan.json", "--out", folder, ...onWasm))
  expect(trained.stdout).not.toContain("bun run")
  const asked = await succeed(cli("predict", folder, "the film is good", "--json", ...onWasm))
  expect(classes).toContain(JSON.parse(asked.stdout).label)
  const wrong = await cli("validate", "tiny.plan.json", "--set", "adapter.rank=0")
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toContain("adapter.rank: found 0; expected an integer")
  expect(wrong.stderr).not.toContain("    at ")
  return adapterIn(w, folder)
}
