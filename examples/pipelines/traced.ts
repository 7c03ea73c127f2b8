/**
 * What a run spends its time on: `train` is a span of effect's tracer, with its parts in it. This tracer keeps them, to draw them at the end;
 * in its place, effect's `OtlpTracer.layer` sends them to a collector (docs/code.md).
 *
 *   bun examples/pipelines/traced.ts [steps]
 *   deno run -A examples/pipelines/traced.ts [steps]
 */

import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { Device, Progress, platform, readPlan, resolve, train } from "../../src/index.ts"

const plan = new URL("../plans/movies-lora-pro-full.json", import.meta.url).pathname
const steps = Number(process.argv[2] ?? 80)

const spans: Array<Tracer.NativeSpan> = []
const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
})

const WIDTH = 40 // characters of the whole run

const lineOf = (span: Tracer.NativeSpan): string => {
  const run = spans[0]!
  const secondsUntil = (at: bigint) => Number(at - run.startTime) / 1e9
  const endOf = ({ status }: Tracer.NativeSpan) =>
    secondsUntil(status._tag === "Ended" ? status.endTime : run.startTime)
  const [from, to] = [secondsUntil(span.startTime), endOf(span)]
  const column = (seconds: number) => Math.round((WIDTH * seconds) / endOf(run))
  const bar = " ".repeat(column(from)) + "█".repeat(Math.max(1, column(to) - column(from)))
  const inside = Option.isSome(span.parent) ? (span.parent.value === run ? "  " : "    ") : ""
  const label = `${inside}${span.name} ${span.attributes.get("split") ?? ""}`
  return `${label.padEnd(24)} ${bar.padEnd(WIDTH + 1)} ${(to - from).toFixed(2)} s`
}

const program = Effect.gen(function* () {
  const read = yield* readPlan(plan, [`training.steps=${steps}`])
  yield* train(yield* resolve(read.plan, "traced")).pipe(Effect.withTracer(tracer))
  yield* Console.log(`\n${spans.map(lineOf).join("\n")}`)
})

await program.pipe(
  Effect.provideService(Progress, (event) =>
    event.kind === "step" ? Console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}`) : Effect.void
  ),
  Effect.scoped,
  Effect.provide(Device.auto),
  Effect.provide(platform),
  Effect.runPromise
)
