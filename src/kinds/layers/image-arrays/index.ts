/** Labelled images and a `tf.LayersModel`. */
import type { ImageArraysPlan } from "../../../../schemas/index.ts"
import type { ImageClasses } from "../../../data/images/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { imagesText } from "../../rows/images.ts"
import { layersKind } from "../kind.ts"
import type { ResolvedLayersPlan } from "../rows.ts"
import { calledImages, imageRows } from "./rows.ts"
import { detectImageArrays, suggestImageArrays } from "./suggest.ts"

export const imageArrays: RunKind<ImageArraysPlan, ResolvedLayersPlan<ImageArraysPlan, ImageClasses>> = layersKind({
  rows: imageRows,
  called: calledImages,
  suggesting: suggestImageArrays,
  detecting: detectImageArrays,
  asked: "photo.jpg",
  images: ({ images }) => ({ text: imagesText(images), json: images })
})
