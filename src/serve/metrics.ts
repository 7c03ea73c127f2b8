/** Metrics of a server, also in Prometheus' format. Each server has its own. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { PrometheusMetrics } from "effect/observability"

const PREFIX = "tfjs_lora_pro_"

const requests = Metric.counter(`${PREFIX}requests_total`, {
  description: "Answered requests, by route, model and status.",
  incremental: true
})
const seconds = Metric.histogram(`${PREFIX}request_seconds`, {
  description: "Seconds from the header of a request to the end of its response.",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
})
const batchRows = Metric.histogram(`${PREFIX}batch_rows`, {
  description: "Rows per batch.",
  boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256]
})
const tokens = Metric.counter(`${PREFIX}tokens_total`, {
  description: "Tokens read (prompt), found in the prompt cache (cached) and generated (completion).",
  incremental: true
})
const gauges = {
  requests_active: "Requests in progress or waiting.",
  rows_waiting: "Rows waiting for a batch.",
  turns_waiting: "Texts and batches waiting for the device.",
  texts_active: "Texts being generated.",
  models: "Served models.",
  device_bytes: "Bytes of all tensors: weights (shared ones counted once), adapters, keys and values.",
  resident_bytes: "Resident memory of the process."
}

/** Current values of the gauges. */
export type Gauges = Omit<{ readonly [Name in keyof typeof gauges]: number }, "device_bytes" | "resident_bytes">

/** An answered request. */
export interface Answered {
  /** the route's path pattern, which does not depend on the request */
  readonly route: string
  /** name of the served model; "": no model was found */
  readonly model: string
  readonly status: number
  readonly seconds: number
}

/** Metrics of a server. */
export interface Metrics {
  readonly answered: (answered: Answered) => Effect.Effect<void>
  readonly batch: (model: string, verb: string, rows: number) => Effect.Effect<void>
  readonly tokens: (model: string, kind: "prompt" | "cached" | "completion", count: number) => Effect.Effect<void>
  /** Returns the metrics in Prometheus' text format. `now`: current values of the gauges. */
  readonly text: (now: Gauges) => Effect.Effect<string>
}

/** Creates metrics. */
export const metrics = (): Metrics => {
  const registry: Metric.MetricRegistry = new Map()
  const withRegistry = Effect.provideService(Metric.MetricRegistry, registry)
  return {
    answered: ({ route, model, status, seconds: duration }) =>
      Effect.andThen(
        Metric.update(Metric.withAttributes(requests, { route, model, status: `${status}` }), 1),
        Metric.update(Metric.withAttributes(seconds, { route }), duration)
      ).pipe(withRegistry),
    batch: (model, verb, rows) =>
      Metric.update(Metric.withAttributes(batchRows, { model, verb }), rows).pipe(withRegistry),
    tokens: (model, kind, count) =>
      count === 0
        ? Effect.void
        : Metric.update(Metric.withAttributes(tokens, { model, kind }), count).pipe(withRegistry),
    text: (now) =>
      Effect.gen(function* () {
        const values = { ...now, device_bytes: tf.memory().numBytes, resident_bytes: process.memoryUsage().rss }
        for (const [name, description] of Object.entries(gauges)) {
          yield* Metric.update(Metric.gauge(PREFIX + name, { description }), values[name as keyof typeof values])
        }
        return yield* PrometheusMetrics.format()
      }).pipe(withRegistry)
  }
}
