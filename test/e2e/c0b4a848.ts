/** What was written at c0b4a848 (`test/golden/compatibility-kinds`): a run of every kind, and an interrupted one of every optimizer. */
import { describe, expect, test } from "bun:test"
import { expectClose } from "../setup.ts"
import { jsonObjects, onWasm, succeed, TIMEOUT, tensorsIn, type Workspace } from "./fixtures.ts"
import { alike, expectedOf, type Resumed, writtenThen } from "./written-then.ts"

interface Expected {
  /** what `compare` was called with */
  readonly compare: ReadonlyArray<string>
  readonly finished: ReadonlyArray<{
    readonly run: string
    readonly kind: string
    /** the command that asks, and what */
    readonly ask: ReadonlyArray<string>
    readonly answers: ReadonlyArray<object>
    readonly evaluation: ReadonlyArray<object>
    /** Σx and Σx² over the merged weights; null of a tf.LayersModel */
    readonly merged: { readonly tensors: number; readonly sum: number; readonly squares: number } | null
  }>
  readonly interrupted: ReadonlyArray<Resumed>
}
export const expected: Expected = await expectedOf("compatibility-kinds")

export const written = (): Workspace =>
  writtenThen("compatibility-kinds", ["bert", "minilm", "llama-tied", "t5", "vit"])

/** Σx and Σx² over all numbers of a file of weights. */
const sumsOf = async (w: Workspace, name: string) => {
  const tensors = await tensorsIn(w, name)
  let [sum, squares] = [0, 0]
  for (const { data } of tensors.values())
    for (const value of data as Float32Array) {
      sum += value
      squares += value * value
    }
  return { tensors: tensors.size, sums: [sum, squares] }
}

/** Asks the finished runs what they were asked then. */
export const testFinished = (w: Workspace) =>
  describe("a finished run", () => {
    for (const { run, ask, answers, evaluation, merged } of expected.finished)
      test(
        `${run} is evaluated, used and merged`,
        async () => {
          const evaluated = await succeed(w.cli(["evaluate", run, "--json", ...onWasm]))
          expect(jsonObjects(evaluated.stdout)).toEqual(evaluation.map(alike) as never)
          const [command, given, ...more] = ask as [string, string]
          const { stdout } = await succeed(w.cli([command, run, given, ...more, "--json", ...onWasm]))
          expect(jsonObjects(stdout)).toEqual(answers.map(alike) as never)
          await succeed(w.cli(["merge", run, "--out", `merged/${run}`, ...onWasm]))
          if (merged === null) return
          const { tensors, sums } = await sumsOf(w, `merged/${run}/model.safetensors`)
          expect(tensors).toBe(merged.tensors)
          // float64 sums of float32 numbers of which few may differ by a last bit
          expectClose(sums, [merged.sum, merged.squares], 1e-6)
        },
        TIMEOUT
      )
  })
