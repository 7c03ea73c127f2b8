/** A worker of a page that trains some steps of the embedded default on the wasm device, with as many threads as it is told. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Device, fetchFiles, layer, memoryFiles, planFromValue, resolve, train } from "../../src/browser.ts"

export interface ThreadsAsked {
  readonly threads: number
  readonly plan: object
}

export interface ThreadsTold {
  readonly threads: number
  readonly losses: ReadonlyArray<number>
  readonly milliseconds: ReadonlyArray<number>
  readonly isolated: boolean
}

const model = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
const names = [...model.map((name) => `models/minilm/${name}`), "data/movies/train.jsonl"]

const answer = ({ threads, plan }: ThreadsAsked) =>
  Effect.gen(function* () {
    const memory = memoryFiles(yield* fetchFiles("examples/", names))
    return yield* Effect.gen(function* () {
      const { steps } = yield* train(yield* resolve(yield* planFromValue(plan, "/"), "threads"))
      const told: ThreadsTold = {
        threads: (yield* Device).threads,
        losses: steps.map(({ loss }) => loss),
        milliseconds: steps.map(({ milliseconds }) => milliseconds),
        isolated: globalThis.crossOriginIsolated
      }
      return told
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(memory.layer, layer("wasm", { threads, wasmFolder: "wasm/" }))))
  })

addEventListener("message", ({ data }: MessageEvent<ThreadsAsked>) => {
  Effect.runPromise(answer(data)).then(
    (told) => postMessage(told),
    (cause: unknown) => postMessage({ problem: String(cause) })
  )
})
