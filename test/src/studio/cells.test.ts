/** The rows behind the cells of a confusion matrix are those that the matrix counts, with what the run says of each by itself. */
import { beforeAll, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { cellHandlers } from "../../../src/studio/engine/cells.ts"
import { loadRun } from "../../../src/trained/index.ts"
import { jsonObjects, tinyRows, workspace } from "../../e2e/fixtures.ts"
import { imagesPlan, imagesWorkspace } from "../../e2e/images-workspace.ts"
import { onDevice, trainTiny } from "../output/tiny-run.ts"

const w = workspace()
const photos = imagesWorkspace().w
let run: string
let ofPictures: string

interface Confused {
  readonly labels: ReadonlyArray<string>
  readonly test: { readonly confusion: ReadonlyArray<ReadonlyArray<number>> }
  readonly validation: { readonly confusion: ReadonlyArray<ReadonlyArray<number>> }
}

const cell = (id: string, split: string, label: string, predicted: string, most = 100) =>
  onDevice(cellHandlers.calls!.cell!({ id, split, label, predicted, most }))

beforeAll(async () => {
  w.model("bert")
  run = await trainTiny(w, "plain", "bert", { training: { steps: 6, batchSize: 4 } })
  const { model: _, ...sections } = imagesPlan({}, { training: { steps: 3, batchSize: 8 } })
  ofPictures = await trainTiny(photos, "photos", "vit", sections)
})

describe("the rows of a cell", () => {
  test("are as many as the matrix counts, each once, with the label that its line has and the run's own prediction", async () => {
    const { labels, ...splits } = w.json("runs/plain/run.json") as unknown as Confused
    for (const split of ["validation", "test"] as const) {
      const rows = jsonObjects(w.read(`${split}.jsonl`))
      const seen: Array<string> = []
      for (const [i, label] of labels.entries()) {
        for (const [j, predicted] of labels.entries()) {
          const found = await cell(run, split, label, predicted)
          expect(found).toHaveLength(splits[split].confusion[i]![j]!)
          for (const one of found) {
            const line = Number(/:(\d+)$/.exec(one.where)![1])
            expect({ text: one.text, label: one.label }).toEqual(rows[line - 1] as never)
            expect(one).toMatchObject({ label, predicted })
            seen.push(one.where)
          }
          const sure = found.map(({ probability }) => probability!)
          expect(sure).toEqual(sure.toSorted((a, b) => b - a))
        }
      }
      expect(new Set(seen).size).toBe(rows.length)
    }
    const texts = tinyRows(9, 30).map(({ text }) => text)
    const said = await onDevice(Effect.flatMap(loadRun(run), ({ predict }) => predict(texts)))
    for (const { text, label, probabilities } of said) {
      const right = tinyRows(9, 30).find((row) => row.text === text)!.label
      const own = (await cell(run, "test", right, label)).find((row) => row.text === text)!
      // one row by itself, and among others that are longer
      expect(own.probability).toBeCloseTo(probabilities![label]!, 5)
    }
  })

  test("are no more than asked for, the surest first", async () => {
    const { labels, test: whole } = w.json("runs/plain/run.json") as unknown as Confused
    const [i, j] = labels
      .flatMap((_, i) => labels.map((_, j) => [i, j] as const))
      .find(([i, j]) => whole.confusion[i]![j]! > 1)!
    const all = await cell(run, "test", labels[i]!, labels[j]!)
    expect(await cell(run, "test", labels[i]!, labels[j]!, 1)).toEqual(all.slice(0, 1))
  })

  test("have a picture where they are images", async () => {
    const { labels, test: whole } = photos.json("runs/photos/run.json") as unknown as Confused
    const all = await Promise.all(
      labels.flatMap((label) => labels.map((predicted) => cell(ofPictures, "test", label, predicted)))
    )
    expect(all.map((rows) => rows.length)).toEqual(whole.confusion.flat())
    for (const { picture } of all.flat()) expect(picture).toStartWith("data:image/png;base64,")
  })

  test("are kept for the next question, and not beyond the run's end", async () => {
    const other = await trainTiny(w, "other", "bert", { seed: 3, training: { steps: 1, batchSize: 4 } })
    const { labels, test: whole } = w.json("runs/other/run.json") as unknown as Confused
    expect(await cell(other, "test", labels[0]!, labels[0]!)).toHaveLength(whole.confusion[0]![0]!)
    // weights are read for the first question alone
    rmSync(join(other, "adapter"), { recursive: true })
    expect(await cell(other, "test", labels[1]!, labels[0]!)).toHaveLength(whole.confusion[1]![0]!)
    rmSync(other, { recursive: true })
    await expect(cell(other, "test", labels[0]!, labels[0]!)).rejects.toThrow("plan.json is missing")
  })

  test("are refused by name where there is no such run, split or class", async () => {
    const refused = (id: string, split: string, label: string) =>
      cell(id, split, label, label).then(
        () => "answered",
        (error: Error) => error.message
      )
    expect(await refused(join(w.directory, "runs/none"), "test", "bad")).toContain("plan.json is missing")
    expect(await refused(run, "elsewhere", "bad")).toContain(
      'has no "elsewhere" rows; expected train, validation, test'
    )
    expect(await refused(run, "test", "worse")).toContain('has no class "worse"')
  })
})
