/**
 * What `export --format onnx` leaves of a classifier: labels, logits, accuracy and size of each file beside the run itself, on its test rows.
 *
 *   bun bench/onnx.bench.ts RUN [--threads 2]
 *
 * "graph": onnxruntime on the run's own tokens. "pipeline": transformers.js on the texts, which cuts a text that is too long without
 * putting the last special token back.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { env, pipeline } from "@huggingface/transformers"
import * as Effect from "effect/Effect"
import * as ort from "onnxruntime-node"
import { Device } from "../src/device/index.ts"
import { exportRun, formatNamed } from "../src/exports/index.ts"
import type { Model } from "../src/models/index.ts"
import { platform } from "../src/platform.ts"
import { loadRun } from "../src/trained/index.ts"

const { values, positionals } = parseArgs({
  options: { threads: { type: "string", default: "2" } },
  allowPositionals: true
})
const [run] = positionals
if (run === undefined) throw new Error("bun bench/onnx.bench.ts RUN")

const rowsOf = async (file: string) =>
  (await Bun.file(file).text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly text: string; readonly label: string })

const above = mkdtempSync(join(tmpdir(), "onnx-bench-"))
const program = Effect.gen(function* () {
  yield* exportRun(run, {
    format: formatNamed("onnx"),
    options: { dtype: "fp32,fp16,q8,q4" },
    out: join(above, "folder")
  })
  const { plan, adapted, predict, labels } = yield* loadRun(run)
  const rows = yield* Effect.promise(() => rowsOf((plan.data as { readonly test: string }).test))
  const began = performance.now()
  const own = yield* predict(rows.map(({ text }) => ({ text })))
  const seconds = (performance.now() - began) / 1000
  const { tokenizer } = adapted.model as Model
  const { maxLength } = plan.data as { readonly maxLength: number }
  const tokens = rows.map(({ text }) => tokenizer.encode(text, maxLength))
  return { labels, rows, own, seconds, tokens }
})

const { labels, rows, own, seconds, tokens } = await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(Device.layer("wasm", { threads: Number(values.threads) })),
    Effect.provide(platform)
  )
)
const logitsOf = (prediction: (typeof own)[number]) =>
  labels.map((label) => (prediction as { readonly logits: Readonly<Record<string, number>> }).logits[label]!)
const best = (logits: ReadonlyArray<number>) => labels[logits.indexOf(Math.max(...logits))]!
const accuracy = (answers: ReadonlyArray<string>) =>
  `${((100 * answers.filter((label, i) => label === rows[i]!.label).length) / rows.length).toFixed(2)} %`
const ownLabels = own.map((prediction) => best(logitsOf(prediction)))

env.allowRemoteModels = false
env.localModelPath = `${above}/`
const BATCH = 32
console.log("| | size | accuracy | same labels (graph) | largest logit difference | same labels (pipeline) | seconds |")
console.log("|---|---|---|---|---|---|---|")
console.log(`| the run, wasm | | ${accuracy(ownLabels)} | | | | ${seconds.toFixed(1)} |`)
for (const [dtype, file] of [
  ["fp32", "model.onnx"],
  ["fp16", "model_fp16.onnx"],
  ["q8", "model_quantized.onnx"],
  ["q4", "model_q4.onnx"]
] as const) {
  const path = join(above, "folder", "onnx", file)
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: Number(values.threads) })
  const logits: Array<ReadonlyArray<number>> = []
  const began = performance.now()
  for (let start = 0; start < rows.length; start += BATCH) {
    const some = tokens.slice(start, start + BATCH)
    const length = Math.max(...some.map(({ ids }) => ids.length))
    const filled = (of: (one: (typeof some)[number]) => ReadonlyArray<number>) =>
      new ort.Tensor(
        "int64",
        BigInt64Array.from(some.flatMap((one) => Array.from({ length }, (_, i) => BigInt(of(one)[i] ?? 0)))),
        [some.length, length]
      )
    const out = await session.run({
      input_ids: filled(({ ids }) => ids),
      attention_mask: filled(({ ids }) => ids.map(() => 1)),
      token_type_ids: filled(({ typeIds }) => typeIds)
    })
    const data = out["logits"]!.data as Float32Array
    for (let i = 0; i < some.length; i++) logits.push([...data.subarray(i * labels.length, (i + 1) * labels.length)])
  }
  const took = (performance.now() - began) / 1000
  const difference = Math.max(
    ...logits.flatMap((row, i) => row.map((value, j) => Math.abs(value - logitsOf(own[i]!)[j]!)))
  )
  const same = (answers: ReadonlyArray<string>) =>
    `${answers.filter((label, i) => label === ownLabels[i]).length} of ${rows.length}`
  const classify = await pipeline("text-classification", "folder", { dtype })
  const answers: Array<string> = []
  for (const { text } of rows) answers.push(((await classify(text)) as Array<{ readonly label: string }>)[0]!.label)
  const megabytes = (statSync(path).size / 1e6).toFixed(1)
  console.log(
    `| ${dtype} | ${megabytes} MB | ${accuracy(logits.map(best))} | ${same(logits.map(best))} | ${difference.toExponential(1)} | ${same(answers)} (${accuracy(answers)}) | ${took.toFixed(1)} |`
  )
}
rmSync(above, { recursive: true })
