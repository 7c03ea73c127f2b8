/** A run as a tracer and a logger see it: by OTLP, to a collector that is a server here. */
import { afterAll, beforeAll, expect, spyOn, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { Progress } from "../../src/run/index.ts"
import { train } from "../../src/train.ts"
import { onDevice } from "../src/output/tiny-run.ts"
import { TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()

/** A span as OTLP writes it in JSON. */
interface Exported {
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Readonly<Record<string, unknown>> }>
}

/** A message as OTLP writes it in JSON. */
interface Logged {
  readonly severityText: string
  readonly body: { readonly stringValue: string }
  readonly traceId: string
}

const spans: Array<Exported> = []
const messages: Array<Logged> = []
let collector: Bun.Server<undefined>
beforeAll(() => {
  w.model("bert")
  collector = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { resourceSpans = [], resourceLogs = [] } = (await request.json()) as {
        resourceSpans?: ReadonlyArray<{ scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<Exported> }> }>
        resourceLogs?: ReadonlyArray<{ scopeLogs: ReadonlyArray<{ logRecords: ReadonlyArray<Logged> }> }>
      }
      messages.push(...resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap((one) => one.logRecords)))
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans)))
      return Response.json({})
    }
  })
})
afterAll(() => collector.stop(true))

const traced = () => {
  const at = (path: string) => ({
    url: `http://127.0.0.1:${collector.port}/v1/${path}`,
    resource: { serviceName: "a test" }
  })
  return Layer.merge(OtlpTracer.layer(at("traces")), OtlpLogger.layer(at("logs"))).pipe(
    Layer.provide(OtlpSerialization.layerJson),
    Layer.provide(FetchHttpClient.layer)
  )
}

const trained = (run: string) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(w.path("plan.json"))
    return yield* train(yield* resolve(plan, name), { directory: w.path(run) })
  })

const by = (name: string) => spans.filter((span) => span.name === name)
const attributesOf = ({ attributes }: Exported) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

test(
  "a run is a span with those of its parts in it, in the order in which they happen",
  async () => {
    w.write("plan.json", tinyPlan("bert", { training: { steps: 4, batchSize: 4, evaluateEvery: 2 } }))
    await onDevice(trained("first").pipe(Effect.provide(traced())))
    const [run, ...others] = by("train")
    expect(others).toEqual([])
    expect(attributesOf(run!)).toMatchObject({ plan: "plan", format: "classification" })
    const parts = ["load", "inject", "steps", "save"].map((name) => by(name))
    expect(parts.map(({ length }) => length)).toEqual([1, 1, 1, 1])
    for (const [part] of parts) expect(part!.parentSpanId).toBe(run!.spanId)
    const times = parts.flatMap(([part]) => [part!.startTimeUnixNano, part!.endTimeUnixNano].map(BigInt))
    expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
    const steps = parts[2]![0]!
    // JSON has integers of 64 bits as text
    expect(Object.values(attributesOf(steps)).map(Number)).toEqual([0, 4])
    const evaluations = by("evaluate")
    const onTheWay = evaluations.filter(({ parentSpanId }) => parentSpanId === steps.spanId)
    const stepOf = (one: Exported) => Number(attributesOf(one)["step"])
    expect(onTheWay.map(stepOf)).toEqual([2])
    // before: what the run is judged by; after: that, and what was watched on the way
    const around = evaluations.filter(({ parentSpanId }) => parentSpanId === run!.spanId)
    const judged = around.map((one) => `${stepOf(one)} ${attributesOf(one)["split"]}`)
    expect(new Set(judged)).toEqual(new Set(["0 test", "4 validation", "4 test"]))
  },
  TIMEOUT
)

test(
  "its messages are logged within its trace, passed to the listener, and not printed by Effect's own logger",
  async () => {
    spans.length = 0
    messages.length = 0
    const notices: Array<string> = []
    const printed = spyOn(console, "log").mockImplementation(() => {})
    // a rate far too low: the run warns that it learns nothing
    const optimizer = { kind: "adamw", learningRate: 1e-9 }
    w.write("plan.json", tinyPlan("bert", { optimizer, training: { steps: 60, batchSize: 4 } }))
    const listened = Effect.provideService(trained("second"), Progress, (event) =>
      Effect.sync(() => void (event.kind === "notice" && notices.push(event.message)))
    )
    await onDevice(listened.pipe(Effect.provide(traced())))
    const calls = printed.mock.calls.length
    printed.mockRestore()
    expect(calls).toBe(0)
    expect(notices).toHaveLength(1)
    expect(notices[0]).toStartWith("warning: after 20 of 60 steps the training loss has not fallen")
    const [run] = by("train")
    expect(messages.map(({ severityText, body, traceId }) => [severityText, body.stringValue, traceId])).toEqual([
      ["Warn", notices[0]!.replace("warning: ", ""), run!.traceId]
    ])
  },
  TIMEOUT
)
