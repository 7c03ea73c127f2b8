/** `export RUN --format F`: exports the trained model as files for another engine. */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { counted, scientific, wholeNumber } from "../boundary/index.ts"
import { type ExportReport, exportRun, formatNamed } from "../exports/index.ts"
import { type MergeReport, mergeRun } from "../trained/index.ts"
import type { exportFlags, Given, mergeFlags } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { print, printJson, sizeLines } from "./output.ts"

export const exportTo = ({ run, format, options, out, base, device, threads, json }: Given<typeof exportFlags>) =>
  Effect.gen(function* () {
    const report = yield* exportRun(run, {
      format: formatNamed(format),
      options: Object.fromEntries(Object.entries(options).map(([name, text]) => [name, Option.getOrUndefined(text)])),
      out: Option.getOrUndefined(out),
      base: Option.getOrUndefined(base)
    })
    yield* json ? printJson(jsonOf(report)) : print(exportText(report))
  }).pipe(onDevice(device, threads))

const jsonOf = ({ json, ...report }: ExportReport) => ({ ...report, ...json })

const exportText = ({ directory, files, lines }: ExportReport): string =>
  [`${directory}/`, ...sizeLines(files), ...lines].join("\n")

/** `merge RUN`: exports the trained model as a self-contained Hugging Face folder or tf.LayersModel. */
export const merge = ({ run, out, base, device, threads, json }: Given<typeof mergeFlags>) =>
  Effect.gen(function* () {
    const options = { out: Option.getOrUndefined(out), base: Option.getOrUndefined(base) }
    const report = yield* mergeRun(run, options)
    yield* json ? printJson(report) : print(mergeText(report))
  }).pipe(onDevice(device, threads))

const mergeText = ({ directory, tensors, check }: MergeReport): string => {
  const { output, answer, row = "row" } = check.words
  const same =
    answer === null ? "" : `; ${wholeNumber(check.sameLabel)} of ${wholeNumber(check.rows)} ${answer}s are the same`
  return [
    `${directory}/ contains the merged model: ${tensors.merged} tensors include the adapter, ${tensors.rounded === 0 ? "" : `${tensors.rounded} are rounded as in the run, `}${tensors.copied} are unchanged.`,
    `On ${counted(check.rows, `${check.split} ${row}`)} its ${output}s differ from the unmerged model's by at most ${scientific(check.largestDifference, 2)},`,
    `  ${scientific(check.relativeDifference, 2)} of the largest (allowed: ${scientific(check.bound)})${same}.`,
    `${directory}/README.md shows how to load it.`
  ].join("\n")
}
