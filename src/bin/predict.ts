/** `predict RUN [TEXT…|-]`: labels for texts, from the arguments or one a line from stdin. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Device } from "../device/index.ts"
import type { Prediction } from "../kinds/index.ts"
import { Progress } from "../run/index.ts"
import { adapterFileAt, loadAdapterFile, loadRun, RunError } from "../trained/index.ts"
import { stdinLines } from "./dialogue.ts"
import type { Given, predictFlags } from "./flags.ts"
import { printJson, printResult, screen } from "./output.ts"
import { terminalListener } from "./terminal.ts"

/** A run, or an adapter of a tf.LayersModel with that model as --base. */
const opened = (place: string, base: string | undefined) =>
  Effect.gen(function* () {
    const file = yield* adapterFileAt(place)
    if (file === undefined) {
      const run = yield* loadRun(place, { base })
      return {
        predict: run.predict,
        inWords: (prediction: Prediction) => run.kind.words.prediction?.(prediction) ?? prediction.label,
        batchSize: run.plan.training.evaluateBatchSize
      }
    }
    if (base !== undefined) return yield* loadAdapterFile(file, base)
    const reason =
      "is an adapter without its run; give the model.json of the tf.LayersModel that it was trained over with --base"
    return yield* new RunError({ directory: place, reason })
  })

export const predict = ({ run: place, texts, base, device, threads, json }: Given<typeof predictFlags>) =>
  Effect.gen(function* () {
    const run = yield* opened(place, Option.getOrUndefined(base))
    const source: Stream.Stream<string, { readonly message: string }> =
      texts.length === 0 || (texts.length === 1 && texts[0] === "-") ? stdinLines : Stream.fromIterable(texts)
    yield* source.pipe(
      Stream.grouped(run.batchSize),
      Stream.mapEffect(run.predict),
      Stream.runForEach((predictions) =>
        Effect.forEach(
          predictions,
          (one) =>
            json
              ? printJson(one)
              : printResult(
                  [run.inWords(one), one.text, ...(one.textPair === undefined ? [] : [one.textPair])].join("\t")
                ),
          { discard: true }
        )
      )
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads })),
    Effect.provideService(Progress, terminalListener(screen))
  )
