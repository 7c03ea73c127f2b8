/**
 * tfjs-lora-pro for programs with a `tf.LayersModel`: `tfjs-lora-pro/layers`. A promise API over the package's
 * other parts.
 *
 * @example
 * import type { Tensor } from "@tensorflow/tfjs-core"
 * import type { LayersModel } from "@tensorflow/tfjs-layers"
 * import { adapt } from "tfjs-lora-pro/layers"
 *
 * const personalised = async (model: LayersModel, x: Tensor, y: Tensor) => {
 *   const adapted = await adapt(model, { rank: 8, alpha: 16 })
 *   await adapted.fit(x, y, { epochs: 3 })
 *   await adapted.save("adapters/customer-7")
 * }
 */
export { adapt, type LoadOptions, loadAdapter } from "./adapt.ts"
export type { AdaptedLayersModel } from "./adapted-layers-model.ts"
export type { CombineOptions } from "./adapter-set.ts"
export type { Combined, CombinedSite } from "./arithmetic.ts"
export type { CalibrationData, Examples } from "./calibration-data.ts"
export { AdaptError, AdapterFileError } from "./errors.ts"
export * from "./fit/index.ts"
export { copyOf, writeMerged } from "./merged-model.ts"
export type { AdaptOptionsInput } from "./options.ts"
export type { AdapterSource, AdapterTarget } from "./places.ts"
export type { ModelInput, PredictOptions } from "./predict.ts"
export { type RestoreOptions, restoredAdapter, restoreTensors, savedAdapter } from "./saved-adapter.ts"
export { type AdapterFiles, MODEL_FILE, peftFiles, readPeftFile } from "./stored-forms.ts"
