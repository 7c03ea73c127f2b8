/** Runs over rows of numbers whose networks give logits, or one sigmoid of two classes; those of a softmax are in arrays.test.ts. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { loadAdapter } from "../../src/layers-model/index.ts"
import { predicted, TIMEOUT, workspace } from "./fixtures.ts"
import { inputs, pictures, plan, rows } from "./pictures.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const { baseOf } = pictures(w)

test(
  "learns through logits, and through one sigmoid of two classes",
  async () => {
    w.write("logits.json", plan({ model: { source: "logits/model.json" }, training: { steps: 150, batchSize: 8 } }))
    const twoClasses = { ...plan().data, train: "pair.jsonl", validation: 0.2, test: "pair.jsonl" }
    w.write(
      "two.json",
      plan({
        model: { source: "two/model.json", head: ["scores"] },
        data: twoClasses,
        training: { steps: 150, batchSize: 8 }
      })
    )
    for (const name of ["logits", "two"]) {
      await complete(w, `${name}.json`, `runs/${name}`)
      const { before, test } = w.json(`runs/${name}/run.json`) as never as Record<string, { readonly accuracy: number }>
      expect(before!.accuracy).toBeLessThan(0.8)
      expect(test!.accuracy).toBeGreaterThan(0.9)
      // a run learns with scores of the wrong sign as well: what they are, tfjs says
      const texts = rows(6).map(({ pixels }) => JSON.stringify(pixels))
      const own = (await predicted(w, `runs/${name}`, texts)).map(({ logits }) => Object.values(logits))
      const base = await baseOf(name)
      const adapted = await loadAdapter(base, w.path(`runs/${name}/adapter`))
      const x = inputs(6)
      const raw = adapted.predict(x) as tf.Tensor
      const scores = Array.from(await raw.data())
      tf.dispose([x, raw])
      own
        .flatMap((logits) => (name === "two" ? [logits[1]! - logits[0]!] : logits))
        .forEach((logit, i) => {
          // as far as probabilities count: 1e-7 from both ends
          const score = name === "two" ? Math.min(1 - 1e-7, Math.max(1e-7, scores[i]!)) : scores[i]!
          expect(logit).toBeCloseTo(name === "two" ? Math.log(score / (1 - score)) : score, 3)
        })
      await adapted.dispose()
    }
  },
  TIMEOUT
)
