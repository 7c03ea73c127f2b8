/** A classifier of images as other engines run it: pixels in, logits out. */
import type { Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { ImagesPlan } from "../../../schemas/index.ts"
import { preprocessorConfig } from "../../images/index.ts"
import type { Network } from "../../models/index.ts"
import { labelsOfConfig } from "../../output/index.ts"
import type { Trained } from "../contract/index.ts"
import { type Served, script } from "../contract/served.ts"
import { type ImagesModel, taskOf } from "./task.ts"

export const servedImages = ({ plan, adapted }: Trained<ImagesPlan, ImagesModel>): Effect.Effect<Served> => {
  const { model } = adapted
  const { height, width } = model.image
  return Effect.succeed({
    adapted: adapted as Adapted<Network>,
    base: model.folder,
    tokenizer: { tokenTypes: 0 },
    task: "image-classification",
    // as transformers has them, channels first
    inputs: [
      {
        name: "pixel_values",
        stored: "float",
        dtype: "float32",
        shape: ["batch_size", model.processing.channels, height, width]
      }
    ],
    axes: { batch_size: [11, 13] },
    forward: ({ pixel_values: pixels }, linear, weights) => ({
      logits: model.forward(tf.transpose(pixels as Tensor4D, [0, 2, 3, 1]), linear, weights)
    }),
    config: { ...taskOf(plan).config(model), ...labelsOfConfig(model.labels) },
    // said in full: what is absent from a file, transformers.js does not take from a class
    files: { "preprocessor_config.json": preprocessorConfig(model.processing) },
    usage: model.inPipeline ? pipelineUse : modelUse(model.labels)
  })
}

const SIZES =
  "Images that have the model's size already are the run's, number for number; others transformers.js resizes in its own way, which is not quite Pillow's."

const pipelineUse = [
  SIZES,
  "",
  script("pipeline", [
    'const classify = await pipeline("image-classification", "folder")',
    'console.log(await classify("photo.jpg"))'
  ])
]

const modelUse = (labels: ReadonlyArray<string>): ReadonlyArray<string> => [
  `The pipeline of transformers.js for images has no class of this model, which runs without it. ${SIZES}`,
  "",
  script("AutoImageProcessor, AutoModel, load_image", [
    `const labels = ${JSON.stringify(labels)}`,
    'const processor = await AutoImageProcessor.from_pretrained("folder")',
    'const model = await AutoModel.from_pretrained("folder")',
    'const { logits } = await model(await processor(await load_image("photo.jpg")))',
    "console.log(labels[logits.tolist()[0].reduce((best, logit, i, all) => (logit > all[best] ? i : best), 0)])"
  ])
]
