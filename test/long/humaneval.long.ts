/** HumanEval's own solutions pass its tests in the confined interpreter, empty bodies and solutions that CPython finds wrong do not. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { decodeSuite, type Suite } from "../../schemas/index.ts"
import { confinedPrograms } from "../../src/index.ts"
import { platform } from "../../src/platform.ts"
import { readSuiteRows, scorers, suites } from "../../src/scoring/index.ts"
import { runtimes } from "../runtime/runtimes.ts"

const folder = join(import.meta.dir, "..", "golden", "humaneval")
const wrong: ReadonlyArray<{ readonly task_id: string; readonly completion: string }> = readFileSync(
  join(folder, "wrong.jsonl"),
  "utf8"
)
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))

test.skipIf(runtimes.length < 2)(
  "HumanEval's solutions, empty ones and wrong ones",
  async () => {
    const { python } = scorers
    const suite = Result.getOrThrow(decodeSuite(suites["humaneval"]!))
    const verdicts = await Effect.gen(function* () {
      const rows = yield* readSuiteRows(suite, undefined, join(folder, "HumanEval.jsonl"))
      const score = (answers: ReadonlyArray<readonly [task: unknown, text: string]>, form: Suite["form"] = "text") =>
        Effect.forEach(
          answers,
          ([task, text]) => {
            const { row, where, expected } = rows.find((one) => one.row["task_id"] === task)!
            return Effect.map(
              python.score({ where, row, form, text, expected }),
              ({ passed }) => [task, passed] as const
            )
          },
          { concurrency: python.concurrency! }
        )
      return {
        solutions: yield* score(rows.map(({ row, expected }) => [row["task_id"], expected])),
        blocks: yield* score(
          rows
            .slice(0, 20)
            .map(({ row, expected }) => [
              row["task_id"],
              `Here it is:\n\n\`\`\`python\n${row["prompt"]}${expected}\`\`\`\n\nIt is short.`
            ]),
          "chat"
        ),
        empty: yield* score(rows.map(({ row }) => [row["task_id"], "    pass\n"])),
        wrong: yield* score(wrong.map(({ task_id, completion }) => [task_id, completion]))
      }
    }).pipe(Effect.provide(confinedPrograms({ seconds: 60 })), Effect.provide(platform), Effect.runPromise)
    const counts = Object.entries(verdicts).map(([name, all]) => [
      name,
      all.length,
      all.filter(([, passed]) => passed === 1).length
    ])
    expect(counts).toEqual([
      ["solutions", 164, 164],
      ["blocks", 20, 20],
      ["empty", 164, 0],
      ["wrong", 40, 0]
    ])
  },
  600_000
)
