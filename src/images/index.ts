/** Images on the host: from the bytes of a file to the input values of a model. */
export { crc32 } from "./crc32.ts"
export { decodedImage, headerOf } from "./decode.ts"
export { encodedPng } from "./encode-png.ts"
export { imageHeader } from "./file.ts"
export {
  type Augmentation,
  type ImageDraw,
  ImageError,
  type ImageFormat,
  type ImageHeader,
  type ImageJob,
  type Pixels,
  type Processing,
  type Resampling,
  type Size
} from "./image.ts"
export { preparedImages } from "./prepare.ts"
export { type ParsedProcessing, type ProcessorName, preprocessorConfig, processingOf } from "./preprocessor-config.ts"
export { numbersOf, processed } from "./process.ts"
export { type ImagePool, type ImagePoolOptions, imagePool } from "./threads.ts"
