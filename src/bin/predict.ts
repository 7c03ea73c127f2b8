/**
 * `predict RUN [TEXT…|-]`: predicts labels of texts, from the arguments or one per line of stdin. `predict RUN --data FILE`: of the rows of a file,
 * which `--out` writes together with them.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { counted } from "../boundary/index.ts"
import { isRowsName } from "../data/index.ts"
import { isThere } from "../files/index.ts"
import type { Prediction } from "../kinds/index.ts"
import {
  adapterFileAt,
  isAdapter,
  isOfLayersModel,
  loadAdapterFile,
  loadTrained,
  openPredicted,
  predictedRows,
  predictFile,
  RunError
} from "../trained/index.ts"
import { textsGiven } from "./dialogue.ts"
import type { Given, predictFlags } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { print, printJson, printResult, tell, userError } from "./output.ts"

/** Opens a run, a PEFT adapter, or an adapter of a tf.LayersModel with that model as --base. */
const opened = (location: string, base: string | undefined) =>
  Effect.gen(function* () {
    const file = yield* adapterFileAt(location)
    const ofPeft = !/\.json$/.test(base ?? "") && (yield* isAdapter(location))
    if (file === undefined || (ofPeft && !(yield* isOfLayersModel(file)))) {
      const run = yield* loadTrained(location, { base })
      return {
        run,
        predict: run.predict,
        inWords: (prediction: Prediction) => run.kind.words.prediction?.(prediction) ?? prediction.label,
        batchSize: run.plan.training.evaluateBatchSize
      }
    }
    if (base !== undefined) return yield* loadAdapterFile(file, base)
    const reason = "is an adapter without its run; pass the model.json of its base model with --base"
    return yield* new RunError({ directory: location, reason })
  })

export const predict = ({ run: location, texts, data, out, base, device, threads, json }: Given<typeof predictFlags>) =>
  Effect.gen(function* () {
    const [file, target] = [Option.getOrUndefined(data), Option.getOrUndefined(out)]
    if (file !== undefined && texts.length > 0) {
      yield* userError(`found --data ${file} and texts; expected one or the other`)
    }
    if (file === undefined && target !== undefined) {
      yield* userError(
        "found --out without --data; expected both, since --out writes the rows of --data with their predictions"
      )
    }
    const run = yield* opened(location, Option.getOrUndefined(base))
    const inWords = (prediction: Prediction) =>
      [
        run.inWords(prediction),
        prediction.text,
        ...(prediction.textPair === undefined ? [] : [prediction.textPair])
      ].join("\t")
    const printed = (predictions: ReadonlyArray<Prediction>) =>
      Effect.forEach(predictions, (prediction) => (json ? printJson(prediction) : printResult(inWords(prediction))), {
        discard: true
      })
    if (file === undefined) {
      yield* noteFile(texts)
      return yield* textsGiven(texts).pipe(
        Stream.grouped(run.batchSize),
        Stream.mapEffect((some) => run.predict(some)),
        Stream.runForEach(printed)
      )
    }
    if (!("run" in run))
      return yield* userError(`${location} is an adapter without its run, so it has no columns: pass rows as texts`)
    if (target === undefined) {
      const { dirname } = yield* Path.Path
      const rows = predictedRows(run.run, yield* openPredicted(run.run, file), dirname(file))
      return yield* Stream.runForEach(rows, (some) => printed(some.map(({ prediction }) => prediction)))
    }
    const rows = yield* predictFile(run.run, { data: file, out: target })
    yield* json
      ? printJson({ file: target, rows })
      : print(`Wrote ${counted(rows, "row")} with predictions to ${target}`)
  }).pipe(onDevice(device, threads))

/** Notes that a single text which is a file's name probably refers to the rows of the file. */
const noteFile = (texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const [only, ...more] = texts
    if (only === undefined || more.length > 0 || !isRowsName(only)) return
    if (yield* isThere(only))
      yield* tell(`note: ${only} was read as a text; use --data ${only} to predict the rows of the file`)
  })
