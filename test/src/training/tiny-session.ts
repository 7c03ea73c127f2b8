/** A session on the golden BERT with a new head over mean pooling: what most training tests step. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, adalora, dora, full, inject, lora, none } from "../../../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../../../schemas/index.ts"
import type { Model } from "../../../src/models/index.ts"
import { fromConfig } from "../../../src/optimizers/index.ts"
import type { Trainable } from "../../../src/tensors/trainable.ts"
import { crossEntropy, openSession, type Session, type SessionOptions } from "../../../src/training/index.ts"
import { tinyBert } from "./tiny-bert.ts"

export type MethodName = "lora" | "dora" | "adalora" | "full" | "none"

/** The schedules of these sessions end here. */
export const STEPS = 200

/** with dropout, so that masks say which batch of a step it is */
const budget = {
  ...{ rank: 2, alpha: 8, initialRank: 4, dropout: 0.1, orthogonality: 0.5 },
  ...({ budget: { start: 0, end: 0.99, every: 1 }, sensitivityBetas: [0.85, 0.85] } as const)
} as const

const adaptedWith = (model: Model, method: MethodName, seed: number) => {
  const targets = "all-linear"
  const options = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" } } as const
  switch (method) {
    case "lora":
      return inject(model, lora, { ...options, targets, seed, modulesToSave: ["embeddings.LayerNorm"] })
    case "dora":
      return inject(model, dora, { ...options, targets, seed })
    case "adalora":
      return inject(model, adalora, { ...budget, targets, seed })
    case "full":
      return inject(model, full, { targets, seed })
    case "none":
      return inject(model, none, { seed })
  }
}

export const tinyAdapted = (method: MethodName, seed = 0): Effect.Effect<Adapted, never, Scope.Scope> =>
  Effect.orDie(Effect.flatMap(tinyBert("mean"), (model) => adaptedWith(model, method, seed)))

export interface TinyOptions extends Partial<SessionOptions> {
  readonly method?: MethodName
  readonly seed?: number
}

export const tinySession = (
  config: OptimizerConfig,
  { method = "lora", seed = 0, ...options }: TinyOptions = {}
): Effect.Effect<Session, never, Scope.Scope> =>
  Effect.flatMap(tinyAdapted(method, seed), (adapted) =>
    Effect.orDie(
      Effect.flatMap(fromConfig(mustBeDecided(config), STEPS), (optimizer) =>
        openSession(adapted, { optimizer, loss: crossEntropy, ...options })
      )
    )
  )

/** Every trainable number, under the name of its tensor. */
export const valuesOf = (trainable: Trainable): Effect.Effect<ReadonlyMap<string, Float32Array>> =>
  Effect.map(
    Effect.forEach(
      [
        ...trainable.pairs.flatMap(({ site, A, B }) => [
          [`${site.name}.A`, A] as const,
          [`${site.name}.B`, B] as const
        ]),
        ...trainable.dense.map(({ name, value }) => [name, value] as const)
      ],
      ([name, tensor]) => Effect.promise(async () => [name, (await tensor.data()).slice() as Float32Array] as const)
    ),
    (entries) => new Map(entries)
  )
