/**
 * What a run of an embedding model leaves behind, in Python: sentence-transformers loads the merged folder and PEFT the adapter, and both
 * make the run's vectors. Where Python has neither, the skip is announced (REQUIRE_PEFT=1 makes it a failure; PYTHON names the
 * interpreter); vectors of a merged folder are compared without Python in embedding.test.ts.
 *
 * And runs that are interrupted after any step: resumed, they are the uninterrupted ones.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { relativeError } from "../setup.ts"
import {
  jsonLines,
  jsonObjects,
  onWasm,
  type Plan,
  repository,
  run,
  succeed,
  TIMEOUT,
  tinyPlan,
  workspace
} from "./fixtures.ts"
import { metricsOf, resultsOf } from "./runs.ts"
import { relatedRows } from "./text-kinds.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()

const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import torch, transformers, peft, sentence_transformers"], { cwd: w.directory })
  : { code: 127, stdout: "", stderr: `there is no ${python}` }
if (imports.code !== 0) {
  const reason = imports.stderr.trimEnd().split("\n").at(-1)
  if (process.env["REQUIRE_PEFT"] === "1")
    throw new Error(`REQUIRE_PEFT=1, but ${python} has no sentence-transformers: ${reason}`)
  console.warn(
    `no sentence-transformers in ${python} (${reason}): vectors are not compared (REQUIRE_PEFT=1 makes that a failure)`
  )
}

const data = {
  format: "embedding",
  train: "related.jsonl",
  validation: "more.jsonl",
  anchor: "query",
  positive: "document",
  maxLength: 16
}
const triplets = { ...data, train: "triplets.jsonl", validation: 0.25, negative: "not" }
const plan = (sections: Record<string, unknown> = {}): Plan => ({
  ...tinyPlan("minilm", { data, training: { steps: 4, batchSize: 8 } }),
  ...sections
})
const texts = [
  "the film is good",
  "the plot was dull and the cast very bad",
  "film",
  "a story and the music so very fine"
]

beforeAll(() => {
  w.model("minilm")
  w.write("related.jsonl", jsonLines(relatedRows(24)))
  w.write("more.jsonl", jsonLines(relatedRows(12, 24)))
  const rows = relatedRows(24).map((row, i, all) => ({ ...row, not: all[(i + 1) % 24]!.document }))
  w.write("triplets.jsonl", jsonLines(rows))
})

const variants = [
  { name: "pairs", sections: {}, pooling: "mean", normalize: true },
  {
    name: "triplets",
    sections: {
      model: { source: "minilm", task: { kind: "embedding", pooling: "cls", normalize: false } },
      data: triplets,
      loss: { matryoshka: [48, 16] }
    },
    pooling: "cls",
    normalize: false
  }
]

describe.skipIf(imports.code !== 0)("in Python", () => {
  type Vectors = ReadonlyArray<ReadonlyArray<number>>
  let made: ReadonlyArray<{ readonly merged: Vectors; readonly adapted: Vectors; readonly own: Vectors }>

  beforeAll(async () => {
    const cases: Array<object> = []
    const own: Array<Vectors> = []
    for (const { name, sections, pooling, normalize } of variants) {
      w.write(`${name}.json`, plan({ ...sections, adapter: { method: "lora", rank: 4, alpha: 32 } }))
      await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
      await succeed(w.cli(["merge", `runs/${name}`, ...onWasm]))
      const { stdout } = await succeed(w.cli(["embed", `runs/${name}`, ...texts, "--json", ...onWasm]))
      own.push(jsonObjects(stdout).map(({ vector }) => vector as ReadonlyArray<number>))
      const folder = w.path(`runs/${name}/merged`)
      const adapter = w.path(`runs/${name}/adapter`)
      cases.push({ folder, base: w.path("minilm"), adapter, pooling, normalize, maxLength: 16, texts })
    }
    const script = join(repository, "test", "e2e", "embedding_vectors.py")
    const { stdout } = await succeed(run([python, script], { cwd: w.directory, stdin: JSON.stringify(cases) }))
    made = JSON.parse(stdout).map((one: object, i: number) => ({ ...one, own: own[i]! }))
  }, TIMEOUT)

  variants.forEach(({ name }, i) => {
    test(`${name}: sentence-transformers and PEFT make the run's vectors`, () => {
      const { merged, adapted, own } = made[i]!
      // float32 through two layers in another order of sums
      expect(relativeError(merged.flat(), own.flat())).toBeLessThan(1e-5)
      expect(relativeError(adapted.flat(), own.flat())).toBeLessThan(1e-5)
      expect(own[0]).toHaveLength(48)
    })
  })

  test("an adapter that PEFT loads is read without its run too", async () => {
    const args = ["embed", "runs/pairs/adapter", "--base", "minilm", ...texts, "--json", ...onWasm]
    const vectors = jsonObjects((await succeed(w.cli(args))).stdout).map(({ vector }) => vector as Array<number>)
    expect(relativeError(vectors.flat(), made[0]!.own.flat())).toBeLessThan(1e-5)
  })
})

const training = { steps: 9, batchSize: 4, evaluateEvery: 3, evaluateRows: 5 }
const resumed: Readonly<Record<string, Plan>> = {
  "pairs, two batches a step": plan({ training: { ...training, accumulate: 2 } }),
  "pairs, the lower block frozen and kept": plan({
    training,
    adapter: { method: "lora", rank: 4, alpha: 8, targets: ["encoder.layer.1.**"] }
  }),
  "triplets of several sizes, blocks computed again": plan({
    data: triplets,
    loss: { matryoshka: [48, 16] },
    training: { ...training, recompute: "blocks" }
  })
}

describe("interrupted after any step and resumed, it is the uninterrupted run:", () => {
  Object.entries(resumed).forEach(([name, own], i) =>
    test(
      name,
      async () => {
        const file = w.write(`resumed-${i}.json`, { ...own, output: { checkpointEvery: 2, keepCheckpoints: 2 } })
        await complete(w, file, `whole/${i}`)
        const cut = `cut/${i}`
        await trainHere(w, file, { directory: cut, until: atStep(2 + i) })
        await trainHere(w, file, { resume: cut, until: atStep(6) })
        expect(metricsOf(w, cut).at(-1)).toMatchObject({ kind: "step", step: 6 })
        await complete(w, file, cut, { resume: cut })
        expect(resultsOf(w, cut)).toEqual(resultsOf(w, `whole/${i}`))
      },
      TIMEOUT
    )
  )
})
