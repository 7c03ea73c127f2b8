/**
 * What the base and a run answer to the problems of the test, and how many end with the right number:
 *
 *   bun examples/word-problems/answers.ts runs/word-problems [--rows 100] [--threads 2]
 *
 * Greedy, at most 80 tokens.
 */
import { parseArgs } from "node:util"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { platform } from "../../src/platform.ts"
import { finalNumber, generatedScores, loadCausalRun } from "../../src/trained/index.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: "string", default: "100" }, threads: { type: "string", default: "2" } }
})

const program = Effect.gen(function* () {
  const { plan, adapted, generation } = yield* loadCausalRun(positionals[0] ?? "runs/word-problems")
  const { test, train } = yield* generation.splits({ adapted }, plan)
  const rows = Number(values.rows)
  for (const [name, base] of [
    ["after", false],
    ["before", true]
  ] as const) {
    const options = { base, rows, score: finalNumber, maxNewTokens: 80 }
    const { answers } = yield* generatedScores(adapted, test ?? train, options)
    for (const { where, text, expected } of answers.slice(0, 4)) {
      yield* Console.log(`${where}\n${text.trim()}\n  right: ${expected.split("\n").at(-1)}`)
    }
    const right = answers.flatMap(({ score }, i) => (score === 1 ? [i + 1] : []))
    yield* Console.log(`${name}: ${right.length} of ${answers.length} right, rows ${right.join(" ")}`)
  }
})

await program.pipe(
  Effect.scoped,
  Effect.provide(Device.layer("native", { threads: Number(values.threads) })),
  Effect.provide(platform),
  Effect.runPromise
)
