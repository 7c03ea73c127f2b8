/**
 * The page: a network that reads upright digits, an adapter over it that is trained on the visitor's examples, and its
 * answers with the adapter on and off. Everything is computed here; nothing is sent anywhere.
 *
 * `?device=wasm` or `?device=webgpu` asks for a device; without it, WebGPU where there is a GPU.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type AdaptedLayersModel, adapt, Device, type DeviceChoice, layer } from "../../src/browser.ts"
import { chartIn } from "./chart.ts"
import { type Example, fromFile, pngOf, unpacked } from "./digit-image.ts"
import { drawingOn } from "./drawing.ts"
import {
  chooseLabel,
  chosenLabel,
  download,
  element,
  makeLabels,
  makeProbabilities,
  show,
  showDownloads,
  showExamples,
  showProbabilities
} from "./elements.ts"
import { countRight, probabilitiesOf, sentenceOf } from "./prediction.ts"
import { type Method, sentenceOfLook, train } from "./training.ts"

const choice = (new URLSearchParams(location.search).get("device") ?? "auto") as DeviceChoice
const runtime = ManagedRuntime.make(layer(choice, { wasmFolder: "wasm/" }))

const state: {
  base: tf.LayersModel | undefined
  adapted: AdaptedLayersModel | undefined
  running: Fiber.Fiber<unknown, unknown> | "starting" | undefined
  own: ReadonlyArray<Example>
  ready: ReadonlyArray<Example>
  /** the ready digit that is shown next; begins at a 2, since a turned 0 is a 0 */
  shown: number
} = { base: undefined, adapted: undefined, running: undefined, own: [], ready: [], shown: 2 }

/** Says what went wrong, where everybody sees it. */
const tell = (cause: unknown) => show("problem", cause instanceof Error ? cause.message : String(cause))
/** Runs what a click asks for. */
const told = (act: () => Promise<void>) => void act().catch(tell)

const drawing = drawingOn(element<HTMLCanvasElement>("canvas"), () => told(answer))
const charts = {
  loss: chartIn(element("loss-chart"), ["loss"]),
  discrepancy: chartIn(element("discrepancy-chart"), ["of the method", "least possible"])
}
const adapterSwitch = element<HTMLInputElement>("switch")

/** The model with the adapter on or off, as the switch stands. */
const reader = () => (state.adapted !== undefined && adapterSwitch.checked ? state.adapted : state.base)

/** Answers are asked for in the order of the changes, and only the last one is shown. */
let asked = 0
const answer = async () => {
  const turn = ++asked
  const greys = drawing.greys()
  const model = reader()
  const probabilities = greys && model && (await probabilitiesOf(model, greys))
  if (turn !== asked) return
  showProbabilities(probabilities)
  show("answer", probabilities === undefined ? "Nothing is drawn yet." : sentenceOf(probabilities))
}

const showState = () => {
  const { adapted, running, own, ready } = state
  const examples = own.length + ready.length
  adapterSwitch.disabled = adapted === undefined
  if (adapted === undefined) adapterSwitch.checked = false
  show(
    "switch-state",
    adapted === undefined ? "not trained yet" : adapterSwitch.checked ? "on" : "off: the network alone"
  )
  element<HTMLButtonElement>("start").disabled = state.base === undefined || running !== undefined || examples === 0
  element<HTMLButtonElement>("stop").disabled = typeof running !== "object"
  element<HTMLButtonElement>("forget").disabled = examples === 0
}

const examplesChanged = () => {
  const { own, ready } = state
  const count = own.length + ready.length
  show("count", count === 0 ? "No examples yet." : `${count} ${count === 1 ? "example" : "examples"}.`)
  showExamples(own, ready, (example) => {
    state.own = state.own.filter((other) => other !== example)
    examplesChanged()
    element("count").focus()
  })
  showState()
}

const readyExamples = async () => {
  const { default: packed } = await import("./ready-examples.json")
  return { train: unpacked(packed.train), test: unpacked(packed.test) }
}

const takeHeldOut = async () => {
  const { test } = await readyExamples()
  const { greys, label } = test[state.shown++ % test.length]!
  chooseLabel(label)
  drawing.show(greys)
}

const saveDrawing = async () => {
  const greys = drawing.greys()
  if (greys === undefined) return show("answer", "There is nothing drawn to save.")
  download("drawing.png", await pngOf(greys))
}

const addDrawing = async () => {
  const greys = drawing.greys()
  if (greys === undefined) return show("count", "There is nothing drawn to add.")
  state.own = [{ greys, label: chosenLabel() }, ...state.own]
  examplesChanged()
}

const addFiles = async (files: Iterable<File>) => {
  const read = [...files].map(async (file) => {
    const greys = await fromFile(file)
    if (greys === undefined) throw new Error(`${file.name}: found no ink; expected a digit on plain paper`)
    return { greys, label: Number(/\d/.exec(file.name)?.[0] ?? chosenLabel()) }
  })
  const examples = await Promise.all(read)
  state.own = [...examples, ...state.own]
  examplesChanged()
  drawing.show(examples.at(-1)!.greys)
}

const addReady = async () => {
  state.ready = (await readyExamples()).train
  examplesChanged()
}

/** A new adapter, trained on the examples; the one before goes. */
const startTraining = async () => {
  const method = element<HTMLSelectElement>("method").value as Method
  const steps = element<HTMLInputElement>("steps").valueAsNumber
  const rank = element<HTMLInputElement>("rank").valueAsNumber
  const examples = [...state.own, ...state.ready]
  for (const chart of Object.values(charts)) chart.clear()
  for (const id of ["problem", "discrepancy", "step"]) show(id, "")
  showDownloads([])
  const before = state.adapted
  state.running = "starting"
  state.adapted = undefined
  showState()
  await answer()
  await before?.dispose()
  const adapted = await adapt(state.base!, { rank, alpha: 2 * rank })
  const began = performance.now()
  const program = train(adapted.adapted, examples, {
    method,
    steps,
    step: ({ step, loss, milliseconds }) => {
      charts.loss.add(step, [loss])
      element<HTMLProgressElement>("progress").value = step / steps
      show("step", `step ${step} of ${steps} · loss ${loss.toFixed(3)} · ${milliseconds.toFixed(0)} ms`)
    },
    look: (report) => {
      charts.discrepancy.add(report.step, [report.mean.method.scaledDiscrepancy, report.mean.best.discrepancy])
      show("discrepancy", sentenceOfLook(report))
    }
  })
  show("status", `Training on ${examples.length} ${examples.length === 1 ? "example" : "examples"} …`)
  const running = runtime.runFork(program)
  state.running = running
  showState()
  const exit = await runtime.runPromise(Fiber.await(running))
  state.running = undefined
  const stopped = Exit.isFailure(exit) && Exit.hasInterrupts(exit)
  state.adapted = adapted
  adapterSwitch.checked = true
  showState()
  if (Exit.isFailure(exit) && !stopped) await runtime.runPromise(exit)
  await trained(
    adapted,
    `${stopped ? "Stopped" : "Trained"} after ${((performance.now() - began) / 1000).toFixed(1)} s.`
  )
}

/** Shows what an adapter does, and offers it. */
const trained = async (adapted: AdaptedLayersModel, sentence: string) => {
  await answer()
  show("status", sentence)
  const files = Object.entries(await adapted.files())
  showDownloads(files.map(([name, bytes]) => ({ name, content: new Blob([new Uint8Array(bytes)]) })))
  if (state.ready.length === 0) return
  const { test } = await readyExamples()
  const [on, off] = [await countRight(adapted, test), await countRight(state.base!, test)]
  show("status", `${sentence} Of ${test.length} other turned digits it reads ${on} right; without the adapter ${off}.`)
}

/** What a visitor can do before and while the network loads, too. */
const listen = () => {
  element("clear").addEventListener("click", drawing.clear)
  element("held-out").addEventListener("click", () => told(takeHeldOut))
  element("save").addEventListener("click", () => told(saveDrawing))
  element("ready").addEventListener("click", () => told(addReady))
  element("forget").addEventListener("click", () => {
    state.own = []
    state.ready = []
    examplesChanged()
  })
  element("add").addEventListener("submit", (event) => {
    event.preventDefault()
    told(addDrawing)
  })
  const files = element<HTMLInputElement>("files")
  files.addEventListener("change", () => {
    told(() => addFiles(files.files ?? []).finally(() => (files.value = "")))
  })
  element("train").addEventListener("submit", (event) => {
    event.preventDefault()
    told(startTraining)
  })
  element("stop").addEventListener("click", () => {
    if (typeof state.running === "object") runtime.runFork(Fiber.interrupt(state.running))
  })
  adapterSwitch.addEventListener("change", () => {
    showState()
    told(answer)
  })
}

const openDevice = Effect.map(Device, (device) => {
  const { backend, adapter, notice } = device.describe()
  show(
    "device",
    [`Device: ${adapter === undefined ? backend : `${backend}, ${adapter}`}`, notice].filter(Boolean).join("; ")
  )
})

const start = async () => {
  makeLabels()
  makeProbabilities()
  listen()
  await runtime.runPromise(openDevice)
  state.base = await tf.loadLayersModel("digits/model.json")
  showState()
  await answer()
}

told(start)
