import { expect, test } from "bun:test"
import { largestActivations } from "../../../../src/kinds/encoder/resolve.ts"

test("blocks with their norms before keep two outputs of norms and two addends more", () => {
  const plan = {
    adapter: { method: "lora", rank: 8, alpha: 16 },
    training: { batchSize: 8, evaluateBatchSize: 8, recompute: "none" }
  } as Parameters<typeof largestActivations>[0]
  const model = { hiddenSize: 384, intermediateSize: 1536, attentionHeads: 6, layers: 12 }
  const batch = { size: 8, length: 197 }
  const more = largestActivations(plan, model, batch, "before") - largestActivations(plan, model, batch)
  expect(more).toBe(4 * 384 * 12 * 8 * 197)
  // ViT-S measured: at most 866 MB of tensors, of which 106 MB are weights and trained state
  const measured = 760e6
  const estimate = 4 * largestActivations(plan, model, batch, "before")
  expect(estimate).toBeGreaterThan(0.85 * measured)
  expect(estimate).toBeLessThan(1.15 * measured)
})
