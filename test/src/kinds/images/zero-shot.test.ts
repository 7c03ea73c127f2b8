import { expect, test } from "bun:test"
import { zeroShot } from "../../../../src/kinds/images/zero-shot.ts"

test("only a folder with both of CLIP's towers is proposed for labels that it knows by their names", () => {
  const suits = (config: object) => zeroShot.suits?.(config as never)?.path
  expect(suits({ model_type: "clip", architectures: ["CLIPModel"] })).toBe("model.task")
  expect(suits({ model_type: "clip", architectures: ["CLIPForImageClassification"] })).toBeUndefined()
  expect(suits({ model_type: "clip" })).toBeUndefined()
  expect(suits({ model_type: "vit", architectures: ["CLIPModel"] })).toBeUndefined()
  expect(suits({ model_type: "vit", architectures: ["ViTForImageClassification"] })).toBeUndefined()
})
