/**
 * A page that trains: fetches a plan, its model and its data, trains on the device of the address (`?device=webgpu&plan=…`), shows the
 * loss, and offers the adapter for download. Of this package it imports the browser entry alone.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  Device,
  type DeviceChoice,
  fetchFiles,
  layer,
  memoryFiles,
  Progress,
  type ProgressEvent,
  readPlan,
  resolve,
  train
} from "../../src/browser.ts"

const address = new URLSearchParams(location.search)
const device = (address.get("device") ?? "auto") as DeviceChoice
const planFile = address.get("plan") ?? "plans/movies-lora-pro-full.json"
const model = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
const data = ["train.jsonl", "validation.jsonl", "test.jsonl"]

const show = (id: string, text: string) => {
  document.getElementById(id)!.textContent = text
}

/** Every step's loss, for whoever drives the page. */
const losses: Array<number> = []

const listener = (event: ProgressEvent) =>
  Effect.sync(() => {
    if (event.kind !== "step") return
    losses.push(event.loss)
    show("loss", `step ${event.step} of ${event.of}: loss ${event.loss.toFixed(3)}`)
  })

const files = fetchFiles("examples/", [
  planFile,
  ...model.map((name) => `models/minilm/${name}`),
  ...data.map((name) => `data/movies/${name}`)
]).pipe(Effect.map(memoryFiles))

const program = Effect.gen(function* () {
  const memory = yield* files
  const trained = yield* Effect.gen(function* () {
    show("device", JSON.stringify((yield* Device).describe()))
    const { plan, name } = yield* readPlan(planFile)
    return yield* train(yield* resolve(plan, name))
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.merge(memory.layer, layer(device, { wasmFolder: "wasm/" }))),
    Effect.provideService(Progress, listener)
  )
  const link = document.getElementById("adapter") as HTMLAnchorElement
  link.href = URL.createObjectURL(new Blob([memory.read("adapter/adapter_model.safetensors")!]))
  show("adapter", "the adapter")
  return {
    losses,
    milliseconds: trained.steps.map(({ milliseconds }) => milliseconds),
    before: trained.before ?? null,
    after: trained.after,
    files: memory.list().filter((path) => path.startsWith("/adapter/"))
  }
})

/** What a driver waits for: the results, or the sentence that says what went wrong. */
export type Outcome = { readonly done: Effect.Success<typeof program> } | { readonly problem: string }

const outcome: Promise<Outcome> = Effect.runPromise(program).then(
  (done) => ({ done }),
  (cause: unknown) => {
    const problem = cause instanceof Error ? cause.message : String(cause)
    show("problem", problem)
    return { problem }
  }
)
Object.assign(globalThis, { outcome })
