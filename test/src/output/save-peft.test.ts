/** An adapter that was made in code has the configuration that a planned run writes for the same one. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../adapters/index.ts"
import * as Models from "../../../src/models/index.ts"
import { savePeft } from "../../../src/output/index.ts"
import { platform } from "../../../src/platform.ts"
import { describeOn } from "../../backends.ts"
import { labels, onWasm, succeed, tinyPlan, workspace } from "../../e2e/fixtures.ts"

const w = workspace()

/** Rank and α of each target, as PEFT reads them: the pattern's, else the one for all. */
const siteSizes = (config: Readonly<Record<string, unknown>>) => {
  const { r, lora_alpha: alpha, rank_pattern: ranks, alpha_pattern: alphas, target_modules: targets } = config
  const of = (pattern: unknown, target: string) => (pattern as Readonly<Record<string, number>>)[target]
  return Object.fromEntries(
    (targets as ReadonlyArray<string>).map((target) => [
      target,
      { rank: of(ranks, target) ?? r, alpha: of(alphas, target) ?? alpha }
    ])
  )
}

describeOn("wasm", () => {
  test("with ranks and alphas that differ from layer to layer", async () => {
    w.model("bert")
    const overrides = [{ targets: ["query"], rank: 2, alpha: 4 }]
    const targets = ["query", "value"]
    const plan = tinyPlan("bert", {
      adapter: { method: "lora", rank: 4, alpha: 8, targets, overrides },
      training: { steps: 1, batchSize: 4 }
    })
    w.write("plan.json", plan)
    await succeed(w.cli(["train", "plan.json", "--out", "planned", ...onWasm]))

    await Effect.gen(function* () {
      const model = yield* Models.load({ source: w.path("bert"), task: "classification", labels: [...labels] })
      const factors = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" } } as const
      const adapted = yield* inject(model, lora, {
        ...factors,
        targets,
        overrides
      })
      yield* savePeft(adapted, w.path("in-code"), { base: "bert" })
    }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)
    const [inCode, planned] = ["in-code", "planned/adapter"].map((folder) => w.json(`${folder}/adapter_config.json`))
    expect(siteSizes(inCode!)).toEqual(siteSizes(planned!))
    expect(new Set(Object.values(siteSizes(inCode!)).map(({ rank }) => rank))).toEqual(new Set([2, 4]))
    const { r: _, lora_alpha: __, rank_pattern: ___, alpha_pattern: ____, ...rest } = planned!
    expect(inCode).toMatchObject(rest)
  })
})
