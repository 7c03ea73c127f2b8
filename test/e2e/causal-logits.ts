/** Logits of causal runs and models in this process, on wasm: what is held against other programs'. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import { Device } from "../../src/device/index.ts"
import type { Sources } from "../../src/hub/hub.ts"
import { type CausalModel, logitsOf, openCausalModel } from "../../src/models/causal/index.ts"
import { platform } from "../../src/platform.ts"
import { loadCausalRun } from "../../src/trained/index.ts"
import { oneText } from "../src/models/causal/causal-golden.ts"

type World = Sources | Device | Scope.Scope

export const onOneThread = <A, E>(effect: Effect.Effect<A, E, World>): Promise<A> =>
  Effect.runPromise(
    effect.pipe(Effect.scoped, Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform))
  )

type Ids = ReadonlyArray<ReadonlyArray<number>>

/** [texts][tokens · vocabulary] */
const logitsWith = (adapted: Adapted<CausalModel>, ids: Ids) =>
  Effect.forEach(ids, (own) =>
    Effect.promise(async () => {
      const logits = tf.tidy(() => {
        const output = adapted.forward(adapted.model.toDevice(oneText(own)).input, adapted.trainable)
        return logitsOf(output.hidden, output)
      })
      const data = await logits.data()
      logits.dispose()
      return data as Float32Array
    })
  )

/** Of a run. */
export const runLogits = (directory: string, ids: Ids): Promise<ReadonlyArray<Float32Array>> =>
  onOneThread(Effect.flatMap(loadCausalRun(directory), ({ adapted }) => logitsWith(adapted, ids)))

/** Of a folder or .gguf file as it is. */
export const modelLogits = (source: string, ids: Ids): Promise<ReadonlyArray<Float32Array>> =>
  onOneThread(
    Effect.gen(function* () {
      const model = yield* openCausalModel(source)
      return yield* logitsWith(yield* unadapted(model), ids)
    })
  )
