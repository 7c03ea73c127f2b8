/**
 * An adapter that was trained in the page, in Bun: reads a drawing as the page does.
 *
 *   bun examples/browser/predict.ts FOLDER drawing.png
 */
import { readFileSync } from "node:fs"
import { install } from "../../src/device/bun.ts"
import { loadAdapter } from "../../src/layers-model/index.ts"
import { openBase } from "../digits/network.ts"
import { greysOfPng } from "./png.ts"
import { probabilitiesOf, sentenceOf } from "./prediction.ts"

const [folder, image] = process.argv.slice(2)
if (folder === undefined || image === undefined) {
  console.error("usage: bun examples/browser/predict.ts FOLDER drawing.png")
  process.exit(2)
}
await install("wasm", { threads: 1 })
const adapted = await loadAdapter(await openBase(), folder)
const greys = greysOfPng(readFileSync(image))
console.log(sentenceOf(await probabilitiesOf(adapted, greys)))
adapted.off()
console.log(`without the adapter: ${sentenceOf(await probabilitiesOf(adapted, greys))}`)
