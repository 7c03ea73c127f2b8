/** The families of models of images, by `model_type` of config.json. Adding one takes a file and a line here (CONTRIBUTING.md). */
import { clip } from "./clip.ts"
import type { ImageFamily } from "./image-family.ts"
import { vit } from "./vit.ts"

/** Image model families by `model_type`. */
export const imageFamilies = { vit, clip } as const satisfies Record<string, ImageFamily>
