/**
 * Makes the rows of one of the paper's plans from the files of its data set (Parquet, JSON lines or CSV, as the Hub has them):
 *
 *   bun examples/paper/rows.ts mnli train.parquet --out examples/paper/data/mnli/train.jsonl
 *   bun examples/paper/rows.ts math *.parquet --model hf:meta-llama/Llama-2-7b-hf --out examples/paper/data/math/train.jsonl \
 *     --next examples/paper/data/math/validation.jsonl
 *
 * `--model`: where the tokenizer is that rows are measured by, where the paper leaves out long ones. `--next`: a file for the 200 rows after
 * those that are taken.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { records } from "../../src/data/index.ts"
import { causalTokenizer, openSource } from "../../src/models/causal/index.ts"
import { WeightlessFolders } from "../../src/models/index.ts"
import { platform } from "../../src/platform.ts"
import { type Task, tasks } from "./tasks.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { model: { type: "string" }, out: { type: "string" }, next: { type: "string" } }
})
const [name = "", ...files] = positionals
const task: Task | undefined = (tasks as Readonly<Record<string, Task>>)[name]
if (task === undefined || files.length === 0 || values.out === undefined) {
  throw new Error(`expected one of ${Object.keys(tasks).join(", ")}, files of its data set and --out FILE`)
}
if (task.tokens !== undefined && values.model === undefined) {
  throw new Error(
    `${name} leaves out rows of ${task.tokens} tokens and more; expected --model, whose tokenizer counts them`
  )
}

const NEXT = 200

const lengthOf = Effect.gen(function* () {
  const { model } = values
  if (task.tokens === undefined || model === undefined) return () => 0
  const origin = yield* openSource(model)
  const tokenizer = yield* causalTokenizer(origin)
  return (text: string) => tokenizer.encode(text, { special: true }).length
}).pipe(Effect.provideService(WeightlessFolders, true))

const write = (file: string, rows: ReadonlyArray<object>) => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
  console.log(`${file}: ${rows.length.toLocaleString("en")} rows of ${task.from}`)
}

const program = Effect.gen(function* () {
  const length = yield* lengthOf
  const { rows = Number.POSITIVE_INFINITY, tokens = Number.POSITIVE_INFINITY } = task
  const taken = yield* Stream.fromIterable(files).pipe(
    Stream.flatMap(records),
    Stream.map(({ value }) => task.row(value as Readonly<Record<string, unknown>>)),
    Stream.filter((row) => row !== null),
    Stream.filter((row) => length(Object.values(row).join("")) < tokens),
    Stream.take(values.next === undefined ? rows : rows + NEXT),
    Stream.runCollect
  )
  const all = Array.from(taken)
  write(values.out!, all.slice(0, rows))
  if (values.next !== undefined) write(values.next, all.slice(rows))
})

await program.pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)
