/**
 * A classifier of upright digits learns turned or inverted ones, and keeps what it knew: the adapter is a small file of
 * its own.
 *
 *   bun examples/digits/adapt.ts [turned|inverted] [steps]
 */
import { readFileSync, statSync } from "node:fs"
import type * as tf from "@tensorflow/tfjs"
import { install } from "../../src/device/bun.ts"
import { adapt } from "../../src/layers-model/index.ts"
import { accuracyOf, datasetOf, inTask, readDigits, type Task, taskOf } from "./images.ts"
import { openBase } from "./network.ts"

await install("wasm")
const task = (process.argv[2] ?? "turned") as Task
const plan = JSON.parse(readFileSync(new URL("digits.adaptation.json", import.meta.url), "utf8"))
plan.training.steps = Number(process.argv[3] ?? plan.training.steps)

const digits = readDigits()
const { train, test } = taskOf(task, digits)
const upright = inTask(digits.test, "upright")

const model = await openBase()
model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" })

const adapted = await adapt(model, { rank: 4, alpha: 8 })
const tell = async (which: string) => {
  const right = async (images: typeof test) =>
    `${(100 * (await accuracyOf((x) => adapted.predict(x) as tf.Tensor, images))).toFixed(1)} %`
  console.log(`${which}: ${task} ${await right(test)}, upright ${await right(upright)}`)
}

await tell("base")
const began = performance.now()
const onEpochEnd = (epoch: number, logs?: tf.Logs) =>
  console.log(`epoch ${epoch + 1}: loss ${logs?.["loss"]?.toFixed(3)}`)
await adapted.fitDataset(datasetOf(train).batch(32), { plan, callbacks: { onEpochEnd } })
console.log(`${plan.training.steps} steps in ${((performance.now() - began) / 1000).toFixed(1)} s`)
await tell("adapter on")
adapted.off()
await tell("adapter off")
adapted.on()
await adapted.save(`runs/digits-${task}`)
const { size } = statSync(`runs/digits-${task}/adapter_model.safetensors`)
console.log(`runs/digits-${task}: ${size} bytes of adapter, ${4 * model.countParams()} of model`)
