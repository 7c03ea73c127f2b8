/** Labelled images and a Hugging Face model of images. */
import type { ImagesPlan } from "../../../schemas/index.ts"
import type { RunKind } from "../contract/index.ts"
import { unusedText } from "../encoder/kind.ts"
import { classFacts, classWords } from "../rows/classes.ts"
import { imagesText } from "../rows/images.ts"
import { adoptImages } from "./adopt.ts"
import { type ResolvedImagesPlan, resolveImages } from "./resolve.ts"
import { detectImages, suggestImages } from "./suggest.ts"
import { describeImages } from "./task.ts"

export const images: RunKind<ImagesPlan, ResolvedImagesPlan> = {
  ...classFacts,
  resolve: resolveImages,
  describe: describeImages,
  baseOf: (_, { folder }) => folder,
  labelsOf: ({ labels }) => labels,
  words: {
    model: ({ title, layers, hiddenSize, image }) =>
      `${title} (${layers} layers, ${hiddenSize} wide, images of ${image.width}×${image.height})`,
    modelName: ({ family }) => family,
    untrained: ({ untrained }) => untrained,
    ...classWords,
    unit: "images",
    lines: ({ model, data }) => ({ weights: unusedText(model), images: imagesText(data.images) }),
    json: ({ model: { family, folder, labels, unusedTensors, image }, data }) => ({
      model: { family, folder, labels, unusedTensors, image },
      images: data.images
    })
  },
  suggesting: suggestImages,
  detecting: detectImages,
  adopting: adoptImages,
  next: (_, run) => `predict ${run} photo.jpg`,
  runner: () => import("./run.ts").then(({ runImages }) => runImages),
  publisher: () => import("./publish.ts").then(({ publishImages }) => publishImages)
}
