/** All that was written at faf5b6a (`test/golden/compatibility`), and what is asked of its finished runs. */
import { describe, expect, test } from "bun:test"
import { jsonObjects, onWasm, succeed, TIMEOUT, type Workspace } from "./fixtures.ts"
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

/** The finished runs that the fast tests ask. */
export const quick = ["text", "causal", "arrays"]
