/** What tests of compatibility share: all that was written at faf5b6a (`test/golden/compatibility`), and what is asked of its runs. */
import { beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { jsonObjects, onWasm, repository, succeed, TIMEOUT, type Workspace, workspace } from "./fixtures.ts"

const golden = join(repository, "test", "golden")
const written = join(golden, "compatibility")
const models = ["bert", "llama-tied"]

interface Expected {
  /** what `compare` was called with */
  readonly compare: ReadonlyArray<string>
  readonly finished: ReadonlyArray<{
    readonly run: string
    readonly command: "predict" | "generate"
    readonly given: string
    readonly greedy: ReadonlyArray<string>
    readonly said: object
    readonly evaluation: ReadonlyArray<object>
    readonly merged: { readonly file: string; readonly sha256: string }
  }>
  readonly layersAdapter: { readonly folder: string; readonly scores: ReadonlyArray<number> }
  readonly interrupted: ReadonlyArray<{ readonly run: string; readonly steps: number; readonly adapter: string }>
}
export const expected: Expected = await Bun.file(join(written, "expected.json")).json()

/** A working directory with all that was written then. */
export const writtenThen = (): Workspace => {
  const w = workspace()
  beforeAll(() => {
    cpSync(written, w.directory, { recursive: true })
    for (const model of models)
      cpSync(join(golden, "models", model, "model.safetensors"), w.path(`${model}/model.safetensors`))
  })
  return w
}

const sha256 = (w: Workspace, name: string) => createHash("sha256").update(w.bytes(name)).digest("hex")

/** The same value, its numbers up to another order of sums; fields may have come since, and a clock says what it will. */
const alike = (value: unknown): unknown => {
  if (typeof value === "number") return Number.isInteger(value) ? value : expect.closeTo(value, 5)
  if (Array.isArray(value)) return value.map(alike)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== "tokensPerSecond")
  return expect.objectContaining(Object.fromEntries(entries.map(([key, one]) => [key, alike(one)])))
}

/** Asks the finished runs of these names what they were asked then. */
export const testFinished = (w: Workspace, names: ReadonlyArray<string>) =>
  describe("a finished run", () => {
    for (const { run, command, given, greedy, said, evaluation, merged } of expected.finished.filter((one) =>
      names.includes(one.run)
    )) {
      test(
        `${run} is evaluated, used and merged`,
        async () => {
          const evaluated = await succeed(w.cli(["evaluate", run, "--json", ...onWasm]))
          expect(jsonObjects(evaluated.stdout)).toEqual(evaluation.map(alike) as never)
          const used = await succeed(w.cli([command, run, given, ...greedy, "--json", ...onWasm]))
          expect(jsonObjects(used.stdout)).toEqual([alike(said)] as never)
          await succeed(w.cli(["merge", run, "--out", `merged/${run}`, ...onWasm]))
          expect(sha256(w, `merged/${run}/${merged.file}`)).toBe(merged.sha256)
        },
        TIMEOUT
      )
    }
  })

/** Goes on with the interrupted runs. */
export const testInterrupted = (w: Workspace) =>
  describe("an interrupted run", () => {
    for (const { run, steps, adapter } of expected.interrupted) {
      test(
        `${run} goes on from its checkpoint, and ends with the adapter of then, bit for bit`,
        async () => {
          const { stderr } = await succeed(w.cli(["train", "--resume", run, ...onWasm]))
          expect(stderr).toContain("step 6")
          expect(sha256(w, `${run}/adapter/adapter_model.safetensors`)).toBe(adapter)
          const reported = jsonObjects(w.read(`${run}/metrics.jsonl`)).filter(({ kind }) => kind === "step")
          expect(reported.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1))
        },
        TIMEOUT
      )
    }
  })

/** The finished runs that the fast tests ask. */
export const quick = ["text", "causal", "arrays"]
