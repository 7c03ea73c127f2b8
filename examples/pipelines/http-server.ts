/**
 * Training inside an HTTP server. GET /train?steps=40 answers with server-sent events, one for each step and a last one
 * with the accuracy; whoever closes the connection ends that training, and its tensors are freed. One base for all.
 *
 *   bun examples/pipelines/http-server.ts [port]          curl -N "http://localhost:8000/train?steps=40"
 *   deno run -A examples/pipelines/http-server.ts [port]
 *
 * The handler is a function from Request to Response, as Bun, Deno, Hono and most others take it. Who reads the response
 * pulls the next step. Requests cost little before they are believed: a number of steps, trainings at once, a time.
 */

import * as tf from "@tensorflow/tfjs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  adamw,
  chain,
  Dataset,
  Device,
  inject,
  lora,
  loraPro,
  Models,
  partition,
  platform,
  scaleByAdam,
  scaleByLearningRate,
  Training
} from "../../src/index.ts"

const [mostSteps, mostAtOnce, mostMilliseconds] = [1000, 2, 300_000]

const here = (path: string) => new URL(path, import.meta.url).pathname
const labels = ["negative", "positive"]

const batches = (model: Models.Model, split: string, size: number) =>
  Dataset.classification(here(`../data/movies/${split}.jsonl`)).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size, seed: 0 }),
    // a step is synchronous work: before each, other requests and closed connections have a moment to be heard
    Stream.tap(() => Effect.sleep("5 millis"))
  )

let running = 0
const place = Effect.acquireRelease(
  Effect.sync(() => ++running),
  () => Effect.sync(() => --running)
)

/** All that one request trains lives in this stream's scope: its place, the adapter, the optimizer's state, the open file. */
const training = (model: Models.Model, steps: number) =>
  Stream.unwrap(
    Effect.gen(function* () {
      yield* place
      const factors = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
      const adapted = yield* inject(model, lora, { ...factors, targets: "attention" })
      const body = chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-4))
      const optimizer = partition({ body, head: adamw({ learningRate: 5e-3 }) })
      const taken = batches(model, "train", 8).pipe(
        Stream.forever,
        Training.steps(adapted, { optimizer, loss: Training.crossEntropy }),
        Stream.take(steps),
        Stream.map(({ step, loss, milliseconds }) => ({ event: "step", data: { step, loss, milliseconds } }))
      )
      const evaluated = batches(model, "validation", 48).pipe(
        Stream.take(2),
        Training.evaluate(adapted),
        Effect.map(({ accuracy, rows }) => ({ event: "done", data: { accuracy, rows } }))
      )
      return Stream.concat(taken, Stream.fromEffect(evaluated))
    })
  )

const refusal = (status: number, reason: string, headers = {}) => new Response(`${reason}\n`, { status, headers })

const handler = (model: Models.Model) => (request: Request) => {
  const url = URL.parse(request.url)
  if (url === null) return refusal(400, "no URL") // a Host header may be anything
  const { pathname, searchParams } = url
  if (request.method !== "GET") return refusal(405, "only GET", { allow: "GET", connection: "close" })
  if (pathname === "/") return Response.json({ tensors: tf.memory().numTensors })
  if (pathname !== "/train") return refusal(404, "there are / and /train?steps=40")
  const steps = Number(searchParams.get("steps") ?? 40)
  if (!(Number.isInteger(steps) && steps >= 1 && steps <= mostSteps))
    return refusal(400, `steps: expected an integer from 1 to ${mostSteps}`)
  if (running >= mostAtOnce) return refusal(503, "others are training", { "retry-after": "10" })
  const events = training(model, steps).pipe(
    // what went wrong is told to who asked, and the server goes on
    Stream.catch(({ message }) => Stream.make({ event: "failed", data: { message } })),
    Stream.map(({ event, data }) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    Stream.encodeText
  )
  // who is gone, or reads too slowly, or not at all, gives the place back
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(mostMilliseconds)])
  const body = Stream.toReadableStreamWith(events, Context.empty(), { signal })
  return new Response(body, { headers: { "content-type": "text/event-stream" } })
}

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const { Deno } = globalThis as { readonly Deno?: { serve: (options: object, fetch: unknown) => unknown } }
  const [hostname, port, fetch] = ["localhost", Number(process.argv[2] ?? 8000), handler(model)]
  const onListen = (server: { readonly port?: number | undefined }) => console.log(`http://localhost:${server.port}`)
  // Bun reads a body before anyone asks for it, 128 MB by default; and it closes a connection on which nothing happens for ten seconds
  const bounds = { maxRequestBodySize: 1024, idleTimeout: 120 }
  if (Deno === undefined) onListen(Bun.serve({ hostname, port, fetch, ...bounds }))
  else Deno.serve({ hostname, port, onListen }, fetch)
  return yield* Effect.never
})

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
