/**
 * What tests of compatibility share: folders that an earlier version wrote (`test/golden/compatibility`, `compatibility-kinds`), and what is
 * asked of their runs, checkpoints and studies.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { expectClose } from "../setup.ts"
import { jsonObjects, onWasm, repository, succeed, TIMEOUT, type Workspace, workspace } from "./fixtures.ts"

const golden = join(repository, "test", "golden")

/** A working directory with all that was written then. `models`: golden ones that it had, whose weights are not repeated in it. */
export const writtenThen = (folder: string, models: ReadonlyArray<string>): Workspace => {
  const w = workspace()
  beforeAll(() => {
    cpSync(join(golden, folder), w.directory, { recursive: true })
    for (const model of models)
      cpSync(join(golden, "models", model, "model.safetensors"), w.path(`${model}/model.safetensors`))
  })
  return w
}

export const expectedOf = <Expected>(folder: string, file = "expected.json"): Promise<Expected> =>
  Bun.file(join(golden, folder, file)).json()

export const sha256 = (w: Workspace, name: string) => createHash("sha256").update(w.bytes(name)).digest("hex")

/** The same value, its numbers up to another order of sums; fields may have come since, and a clock says what it will. */
export const alike = (value: unknown): unknown => {
  if (typeof value === "number")
    return Number.isInteger(value)
      ? value
      : expect.closeTo(value, 5 - Math.max(0, Math.ceil(Math.log10(Math.abs(value)))))
  if (Array.isArray(value)) return value.map(alike)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== "tokensPerSecond")
  return expect.objectContaining(Object.fromEntries(entries.map(([key, one]) => [key, alike(one)])))
}

/** What a run became that was interrupted then, and that the version of then went on with. */
export interface Resumed {
  readonly run: string
  /** of every step, on wasm */
  readonly losses: ReadonlyArray<number>
  /** SHA-256 of the adapter on the cpu, where tfjs's own ops compute alone: the layers of a tf.LayersModel */
  readonly reference?: string
}

/**
 * In the order of another version's sums: of the ten steps after the checkpoint, and of all sixty, in which what little differs grows. From
 * wasm to the cpu 2e-6 were measured in 40 steps, and 3e-4 in 60 from one compiler's sums to another's.
 */
const SUMS = { soon: 1e-5, late: 1e-3 }

/** Goes on with interrupted runs: to the losses of then on wasm, whose kernels may sum in another order, and to its bits on the reference. */
export const testInterrupted = (w: Workspace, runs: ReadonlyArray<Resumed>) =>
  describe("an interrupted run", () => {
    const resume = async (run: string, device: ReadonlyArray<string>) => {
      // beside the other one: a plan's paths are relative
      const folder = `${run}-${device[1]}`
      cpSync(w.path(run), w.path(folder), { recursive: true })
      const { stderr } = await succeed(w.cli(["train", "--resume", folder, ...device]))
      expect(stderr).toContain("step 6")
      return folder
    }
    for (const { run, losses, reference } of runs) {
      test(
        `${run} is resumed from its checkpoint, to the losses of then`,
        async () => {
          const folder = await resume(run, onWasm)
          const reported = jsonObjects(w.read(`${folder}/metrics.jsonl`)).filter(({ kind }) => kind === "step")
          expect(reported.map(({ step }) => step)).toEqual(losses.map((_, i) => i + 1))
          const own = reported.map(({ loss }) => Number(loss))
          expectClose(own.slice(0, 16), losses.slice(0, 16), SUMS.soon)
          expectClose(own, losses, SUMS.late)
        },
        TIMEOUT
      )
      if (reference !== undefined)
        test(
          `${run} ends on the cpu with the adapter of then, bit for bit`,
          async () => {
            const folder = await resume(run, ["--device", "cpu"])
            expect(sha256(w, `${folder}/adapter/adapter_model.safetensors`)).toBe(reference)
          },
          TIMEOUT
        )
    }
  })

/** Studies in `study` and `unfinished-study`, which `compare` was called with these arguments for. */
export const testStudies = (w: Workspace, asked: ReadonlyArray<string>) =>
  describe("a study", () => {
    const compare = (folder: string) => succeed(w.cli(["compare", "study.json", ...asked, "--out", folder, ...onWasm]))
    /** The verdict without the folder's name, what a clock says, and `output` and `words`, which are in today's words. */
    const unknown = ["baseline", "before", "after", "stepSeconds", "began", "ended", "cost", "beside", "learnedNothing"] // to studies of then
    const verdict = (folder: string) =>
      JSON.parse(w.read(`${folder}/compare.json`), (key, value) => {
        if (unknown.includes(key)) return undefined
        if (key === "warnings") return value.filter((one: string) => !one.includes("say that they learned nothing"))
        return ["study", "folder", "plan", "seconds", "peakBytes", "id", "output", "words"].includes(key) ? null : value
      })

    test(
      "that is finished has the verdict of then, and nothing is run again",
      async () => {
        const before = verdict("study")
        const { stderr } = await compare("study")
        expect(stderr).toContain("is already finished; nothing to run")
        expect(verdict("study")).toEqual(before)
      },
      TIMEOUT
    )

    test(
      "that was interrupted goes on, and comes to the same verdict",
      async () => {
        const { stderr } = await compare("unfinished-study")
        expect(stderr).toContain("runs already finished")
        expect(verdict("unfinished-study")).toEqual(alike(verdict("study")))
      },
      TIMEOUT
    )

    test(
      "goes on by its folder alone, which says what it asks",
      async () => {
        const { stderr, stdout } = await succeed(w.cli(["compare", "--out", "study", "--json", ...onWasm]))
        expect(stderr).toContain("is already finished; nothing to run")
        expect(JSON.parse(stdout)).toMatchObject({ folder: "study" })
        const { code, stderr: said } = await w.cli(["compare", "--out", "elsewhere", ...onWasm])
        expect({ code, said }).toMatchObject({ code: 1, said: expect.stringContaining("there is no study.json") })
      },
      TIMEOUT
    )
  })
