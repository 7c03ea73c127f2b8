/** `merge RUN`: the trained model as a Hugging Face folder, or a tf.LayersModel, of its own. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Device } from "../device/index.ts"
import { Progress } from "../run/index.ts"
import { type MergeReport, mergeRun } from "../trained/index.ts"
import type { Given, mergeFlags } from "./flags.ts"
import { print, printJson, screen } from "./output.ts"
import { terminalListener } from "./terminal.ts"

export const merge = ({ run, out, base, device, threads, json }: Given<typeof mergeFlags>) =>
  Effect.gen(function* () {
    const options = { out: Option.getOrUndefined(out), base: Option.getOrUndefined(base) }
    const report = yield* mergeRun(run, options)
    yield* json ? printJson(report) : print(mergeText(report))
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads })),
    Effect.provideService(Progress, terminalListener(screen))
  )

const mergeText = ({ directory, tensors, check }: MergeReport): string => {
  const { output, answer } = check.words
  const same = answer === null ? "" : `; ${check.sameLabel} of ${check.rows} ${answer}s are the same`
  return [
    `${directory}/ holds the merged model: ${tensors.merged} tensors with what was trained, ${tensors.rounded === 0 ? "" : `${tensors.rounded} as the run rounded them, `}${tensors.copied} as in the base.`,
    `On ${check.rows} ${check.split} rows its ${output}s differ from the unmerged model's by at most ${check.largestDifference.toExponential(1)},`,
    `  ${check.relativeDifference.toExponential(1)} of the largest (allowed: ${check.bound.toExponential(0)})${same}.`,
    `${directory}/README.md says how to load it.`
  ].join("\n")
}
