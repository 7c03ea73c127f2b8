/**
 * Answers of the base and of a run to the questions of the test, and how many are right to the letter:
 *
 *   bun examples/smollm2/answers.ts runs/json-answers [--split test] [--rows 40] [--threads 2]
 *
 * Greedy, at most 48 tokens. "As JSON": right in what an object in the answer says, whatever stands around it and however it is spaced.
 */
import { parseArgs } from "node:util"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { platform } from "../../src/platform.ts"
import { type Answer, generatedScores, loadCausalRun } from "../../src/trained/index.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: "string", default: "40" },
    split: { type: "string", default: "test" },
    threads: { type: "string", default: "2" }
  }
})

/** Country and capital of the first object in a text, as they are expected; undefined where there is none. */
const objectIn = (text: string): string | undefined => {
  try {
    const { country, capital } = JSON.parse(/\{[^}]*\}/.exec(text)?.[0] ?? "") as Readonly<Record<string, unknown>>
    return JSON.stringify({ country, capital })
  } catch {
    return undefined
  }
}

const questionOf = ({ content }: Answer): string =>
  content.kind === "chat" ? (content.messages[0]?.content ?? "") : ""

const program = Effect.gen(function* () {
  const { plan, adapted, generation } = yield* loadCausalRun(positionals[0] ?? "runs/json-answers")
  const splits = yield* generation.splits({ adapted }, plan)
  const split = (values.split === "validation" ? splits.validation : splits.test) ?? splits.train
  const ask = (base: boolean) => generatedScores(adapted, split, { base, rows: Number(values.rows), maxNewTokens: 48 })
  const before = yield* ask(true)
  const after = yield* ask(false)
  for (const [i, answer] of after.answers.entries()) {
    const first = before.answers[i]!.text.trim().replaceAll("\n", "\n          ")
    yield* Console.log(
      `${questionOf(answer)}\n  before  ${first}\n  after   ${answer.text}\n  right   ${answer.expected}`
    )
  }
  for (const [name, { rows, score, answers }] of [
    ["before", before],
    ["after", after]
  ] as const) {
    const asJson = answers.filter(({ text, expected }) => objectIn(text) === expected).length
    yield* Console.log(`${name}: ${Math.round(score * rows)} of ${rows} right to the letter, ${asJson} as JSON`)
  }
})

await program.pipe(
  Effect.scoped,
  Effect.provide(Device.layer("wasm", { threads: Number(values.threads) })),
  Effect.provide(platform),
  Effect.runPromise
)
