/**
 * Writes digits as the rows that a plan reads, {"pixels": [28 lists of 28 grey values from 0 to 255], "digit": 7}, for `turned.json`:
 *
 *   bun examples/digits/rows.ts [turned|inverted] [folder]        then: bun run train examples/digits/turned.json
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Images, SIDE } from "../../bench/digits/images.ts"
import { type Task, taskOf } from "./images.ts"

const task = (process.argv[2] ?? "turned") as Task
const folder = process.argv[3] ?? join(import.meta.dirname, "rows")

const lines = ({ pixels, labels, count }: Images): string => {
  const grey = Array.from(pixels, (value) => Math.round(255 * value))
  const line = (at: number) =>
    Array.from({ length: SIDE }, (_, y) => grey.slice((at * SIDE + y) * SIDE, (at * SIDE + y + 1) * SIDE))
  return Array.from({ length: count }, (_, i) => `${JSON.stringify({ pixels: line(i), digit: labels[i] })}\n`).join("")
}

mkdirSync(folder, { recursive: true })
for (const [split, images] of Object.entries(taskOf(task))) {
  const file = join(folder, `${task}-${split}.jsonl`)
  writeFileSync(file, lines(images))
  console.log(`${file}: ${images.count} rows`)
}
