/**
 * What stock tfjs computes with a folder that was exported, in a process that has nothing of this package:
 *
 *   bun stock-tfjs.ts FOLDER INPUTS.json     the outputs as JSON; INPUTS.json has an array of rows
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"

const [folder, inputs] = process.argv.slice(2) as [string, string]
const read = (name: string) => readFileSync(join(folder, name))
const load = async () => {
  const { modelTopology, weightsManifest } = JSON.parse(read("model.json").toString())
  const [{ paths, weights: weightSpecs }] = weightsManifest
  const bytes = Buffer.concat(paths.map(read))
  return { modelTopology, weightSpecs, weightData: new Uint8Array(bytes).buffer }
}
await tf.setBackend("cpu")
const model = await tf.loadLayersModel({ load })
const outputs = model.predict(tf.tensor(JSON.parse(readFileSync(inputs, "utf8")))) as tf.Tensor
console.log(JSON.stringify(Array.from(await outputs.data())))
