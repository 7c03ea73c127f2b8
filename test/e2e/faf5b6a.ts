/** All that was written at faf5b6a (`test/golden/compatibility`), and what is asked of its finished runs. */
import { describe, expect, test } from "bun:test"
import { expectClose } from "../setup.ts"
import { jsonObjects, onWasm, succeed, TIMEOUT, tensorsIn, type Workspace } from "./fixtures.ts"
import { alike, expectedOf, sha256, writtenThen } from "./written-then.ts"

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
}
export const expected: Expected = await expectedOf("compatibility")

export const written = (): Workspace => writtenThen("compatibility", ["bert", "llama-tied"])

/** Σx and Σx² of merged weights whose last bits are those of a kernel's sums: the lengths of DoRA's rows. */
const sumsOf: Readonly<Record<string, readonly [number, number]>> = { dora: [134.102854394946, 3406.8218813144017] }

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
          const file = `merged/${run}/${merged.file}`
          const sums = sumsOf[run]
          if (sums === undefined) return expect(sha256(w, file)).toBe(merged.sha256)
          let [sum, squares] = [0, 0]
          for (const { data } of (await tensorsIn(w, file)).values())
            for (const value of data as Float32Array) {
              sum += value
              squares += value * value
            }
          expectClose([sum, squares], sums, 1e-6)
        },
        TIMEOUT
      )
    }
  })

/** The finished runs that the fast tests ask. */
export const quick = ["text", "causal", "arrays"]
