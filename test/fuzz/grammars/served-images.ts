/** Bodies of `POST /predict` to a run over images: from the request's bytes to numbers of a model. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { setLimits } from "../../../src/boundary/index.ts"
import { imagesOf } from "../../../src/data/images/asked.ts"
import { pixelsIn } from "../../../src/data/images/index.ts"
import { preparedImages, processingOf } from "../../../src/images/index.ts"
import { decodedBody } from "../../../src/serve/body.ts"
import { holdings } from "../../../src/serve/clients.ts"
import { PredictBody, pixelsOf, rowsOf } from "../../../src/serve/predict-route.ts"
import { scheduler } from "../../../src/serve/scheduler.ts"
import { blackPng } from "../../images.ts"
import { among, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { below, jsonText, mutateBytes, pick } from "../mutate.ts"
import { golden, type Target } from "../target.ts"

const parsed = processingOf({ size: { shortest_edge: 12 }, crop_size: 12 }, "CLIPImageProcessor")
if ("problems" in parsed) throw new Error(parsed.problems.join("; "))
const { processing } = parsed

const files = readdirSync(golden("images"))
  .filter((name) => /\.(png|jpg|webp)$/.test(name))
  .map((name) => new Uint8Array(readFileSync(join(golden("images"), name))))

/** Of any size, which the header says truly: 1 × 9,000 and 2,000 × 2,000 among them. */
const drawn: Made<Uint8Array> = (random) => {
  const side = () => pick([1, 2, 12, 300, 2_000, 9_000], random)
  const [width, height] = [side(), side()]
  return width * height > 5_000_000 ? blackPng(width, 1) : blackPng(width, height)
}
const file: Made<Uint8Array> = one(
  (random) => pick(files, random),
  (random) => mutateBytes(files, random),
  drawn
)

const uri: Made<string> = (random) => {
  const base64 = Buffer.from(file(random)).toString("base64")
  const cut = seldom(
    12,
    (own) => below(base64.length + 1, own),
    () => base64.length
  )(random)
  const type = seldom(
    8,
    among("", "image/svg+xml", "text/plain;charset=x", "image/png;name=a%ZZ"),
    () => "image/png"
  )(random)
  return `data:${type}${seldom(20, among(",", ";base64", ";;base64,"), () => ";base64,")(random)}${base64.slice(0, cut)}`
}
const image: Made<unknown> = sound(
  seldom<unknown>(
    6,
    one<unknown>(
      text,
      among("http://here/a.png", "file:///etc/passwd", "file:a", "/dev/zero", "DATA:image/png;base64,AA", "data:"),
      object({ bytes: one<unknown>(uri, text, size), path: optional(text) }),
      size
    ),
    uri
  )
)
const row: Made<unknown> = one<unknown>(image, object({ image, label: optional(text) }))
const body = sound(object({ model: optional(sound(text), 0.2), inputs: one<unknown>(row, list(row, 4)) }), 40)

export const servedImages: Target = () => {
  setLimits({
    "image-pixels": 2 ** 22,
    "serve-image-pixels": 2 ** 20,
    "serve-request-pixels": 2 ** 21,
    "serve-images": 3
  })
  const turns = scheduler()
  const bodies = { held: holdings("serve-waiting-bytes"), reading: scheduler({ places: 99, each: 1 }), turns }
  return (random) =>
    Effect.gen(function* () {
      const request = new Request("http://here/predict", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: jsonText(body(random), random)
      })
      const rows = rowsOf(yield* decodedBody({ request, client: "a" }, PredictBody, bodies))
      const pixels = yield* pixelsOf(rows, (own) => pixelsIn(own, { image: "image" }))
      if (pixels.some((own) => own > 2 ** 20)) throw new Error(`an image of ${Math.max(...pixels)} pixels`)
      const jobs = (yield* imagesOf(rows, { image: "image" })).map(({ image: own, where }) => {
        if (typeof own === "string") throw new Error(`a file would be read: ${own}`)
        return { image: own!, where }
      })
      const numbers = yield* preparedImages(jobs, processing)
      if (!numbers.every(Number.isFinite)) throw new Error("numbers that are not finite")
    })
}
