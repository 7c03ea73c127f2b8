/** What tests of runs over images share: drawn images in folders, a toy ViT, and plans over both. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { drawn, drawnClasses } from "../images.ts"
import { repository, tinyPlan, workspace } from "./fixtures.ts"

/** As transformers' ViTImageProcessor says it, at the size of the toy. */
const preprocessor = {
  image_processor_type: "ViTImageProcessor",
  do_resize: true,
  size: { height: 16, width: 16 },
  resample: 2,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5]
}

const data = { format: "images", train: "photos/train", validation: 0.25, test: "photos/test" }

export const imagesPlan = (more: Record<string, unknown> = {}, sections: Record<string, unknown> = {}) =>
  tinyPlan("vit", {
    data: { ...data, augment: { flip: true, crop: 0.8 }, ...more },
    optimizer: { kind: "lora-pro", learningRate: 5e-3, headLearningRate: 1e-2 },
    training: { steps: 14, batchSize: 8 },
    ...sections
  })

/** photos/train (36 images), photos/test (12, of which one is labelled as another), vit/ and plan.json. */
export const imagesWorkspace = () => {
  const w = workspace()
  cpSync(join(repository, "test/golden/models/vit"), w.path("vit"), { recursive: true })
  w.write("vit/preprocessor_config.json", preprocessor)
  const put = (name: string, bytes: Uint8Array) => {
    mkdirSync(dirname(w.path(name)), { recursive: true })
    writeFileSync(w.path(name), bytes)
  }
  for (const label of drawnClasses) {
    for (let i = 0; i < 12; i++) put(`photos/train/${label}/${i}.png`, drawn(label, i))
    for (let i = 0; i < 4; i++) put(`photos/test/${label}/${i}.png`, drawn(label, 100 + i))
  }
  // the image of a ring that is said to be one of stripes: a mistake, whatever is learned
  put("photos/test/stripes/0.png", drawn("ring", 200))
  w.write("plan.json", imagesPlan())
  return { w, put }
}
