/**
 * Makes the pairs of the example from the conversations of ../smollm2: the better answer is the line of JSON that is asked for, the worse one
 * what SmolLM2-135M-Instruct itself answers before training, greedily, at most 48 tokens. Where that is the same line, there is no pair.
 *
 *   bun examples/preferences/make.ts
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { unadapted } from "../../adapters/index.ts"
import { openCausal } from "../../src/data/causal/index.ts"
import { Device } from "../../src/device/index.ts"
import { openCausalModel } from "../../src/models/causal/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { generatedScores } from "../../src/trained/index.ts"

const program = Effect.gen(function* () {
  const { plan } = yield* readPlan(join(import.meta.dir, "..", "smollm2", "json-answers.json"))
  if (plan.data.format !== "chat") return yield* Effect.die("the plan is one of conversations")
  const adapted = yield* unadapted(yield* openCausalModel(plan.model.source))
  const { splits } = yield* openCausal(plan.data, plan.seed, adapted.model.tokenizer)
  for (const [name, split] of Object.entries(splits)) {
    const { answers } = yield* generatedScores(adapted, split, { maxNewTokens: 48, batchSize: 8 })
    const pairs = answers.flatMap(({ content, expected, text }) => {
      if (content.kind !== "chat" || text.trim() === expected || text.trim() === "") return []
      const answer = (said: string) => [{ role: "assistant", content: said }]
      return [{ prompt: content.messages.slice(0, -1), chosen: answer(expected), rejected: answer(text.trim()) }]
    })
    writeFileSync(join(import.meta.dir, `${name}.jsonl`), pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(""))
    yield* Console.log(`${name}: ${pairs.length} pairs of ${answers.length} questions`)
  }
})

await program.pipe(
  Effect.scoped,
  Effect.provide(Device.layer("native", { threads: 2 })),
  Effect.provide(platform),
  Effect.runPromise
)
