/** `embed RUN|MODEL [TEXT…|-]`: embeds texts, from the arguments or one per line of stdin, and prints vectors as JSON lines. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { wholeNumber } from "../boundary/index.ts"
import { ofDevice } from "../device/index.ts"
import { fileError } from "../files/index.ts"
import { loadEmbedder } from "../trained/index.ts"
import { textsGiven } from "./dialogue.ts"
import type { embedFlags, Given } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { printResult, tell, writeResult } from "./output.ts"

/** Number of coordinates to print on a terminal. */
const SHOWN = 6

const shortLine = (text: string, vector: Float32Array): string => {
  const first = Array.from(vector.subarray(0, SHOWN), (value) => value.toFixed(4)).join(", ")
  return `[${first}${vector.length > SHOWN ? ", …" : ""}] (${vector.length})\t${text}`
}

/** Formats float32 values with the fewest digits that represent them. */
const jsonLine = (text: string, vector: Float32Array): string =>
  `${JSON.stringify({ text, vector: Array.from(vector, (value) => Number(value.toPrecision(9))) })}\n`

export const embed = ({ model, texts, base, out, device, threads, json }: Given<typeof embedFlags>) =>
  Effect.gen(function* () {
    const embedder = yield* loadEmbedder(model, { base: Option.getOrUndefined(base) })
    const fs = yield* FileSystem.FileSystem
    const file = Option.getOrUndefined(out)
    // never replaces an existing file
    if (file !== undefined)
      yield* fs.writeFileString(file, "", { flag: "wx" }).pipe(Effect.mapError(fileError("write", file)))
    let count = 0
    const write = (text: string, vector: Float32Array) =>
      json ? writeResult(jsonLine(text, vector)) : printResult(shortLine(text, vector))
    const append = (lines: string) =>
      fs.writeFileString(file!, lines, { flag: "a" }).pipe(Effect.mapError(fileError("write", file!)))
    yield* textsGiven(texts).pipe(
      Stream.grouped(embedder.batchSize),
      Stream.mapEffect((some) =>
        Effect.map(embedder.embed(some), (vectors) => some.map((text, i) => [text, vectors[i]!] as const))
      ),
      Stream.runForEach((embedded) =>
        Effect.gen(function* () {
          count += embedded.length
          if (file !== undefined) return yield* append(embedded.map((vector) => jsonLine(...vector)).join(""))
          yield* Effect.forEach(embedded, (vector) => write(...vector), { discard: true })
        })
      ),
      ofDevice
    )
    if (file !== undefined) yield* tell(`Wrote ${wholeNumber(count)} vectors to ${file}, one per line`)
  }).pipe(onDevice(device, threads))
