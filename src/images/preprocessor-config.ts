/**
 * Parses a checkpoint's preprocessor_config.json, with the semantics of transformers' processors for ViT, CLIP and DeiT. Absent
 * fields have the defaults of the processor's class. Options that change pixels in an unsupported way are rejected.
 */
import { isRecord, limit, overLimit, quoted } from "../boundary/index.ts"
import type { Processing, Resampling, Size } from "./image.ts"

type Three = readonly [number, number, number]

/** Defaults of a processor class. */
interface Defaults {
  readonly resample: number
  readonly size: Size | { readonly shortestEdge: number }
  readonly crop: Size | null
  readonly mean: Three
  readonly deviation: Three
}

const square = (edge: number): Size => ({ height: edge, width: edge })
const half: Three = [0.5, 0.5, 0.5]

const vit: Defaults = { resample: 2, size: square(224), crop: null, mean: half, deviation: half }
const clip: Defaults = {
  resample: 3,
  size: { shortestEdge: 224 },
  crop: square(224),
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711]
}
const deit: Defaults = { resample: 3, size: square(256), crop: square(224), mean: half, deviation: half }

/** Processor classes by name without "ImageProcessor" or, in older files, "FeatureExtractor" and what follows. */
const processors: Readonly<Record<string, Defaults>> = { ViT: vit, CLIP: clip, DeiT: deit }

/** Processor classes whose defaults are known. */
export type ProcessorName = "ViTImageProcessor" | "CLIPImageProcessor" | "DeiTImageProcessor"

/** Filters by Pillow's number. */
const filters: ReadonlyArray<Resampling> = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

/** Keys that do not change pixels, or none that a classifier receives. */
const harmless = new Set([
  "image_processor_type",
  "feature_extractor_type",
  "processor_class",
  "auto_map",
  "data_format",
  "input_data_format",
  "return_tensors",
  "device",
  "disable_grouping",
  "image_seq_length",
  "_valid_processor_keys",
  // every image is converted to RGB
  "do_convert_rgb"
])

/** The parsed processing, or all problems of a file. */
export type ParsedProcessing =
  | {
      /** the file's values, with defaults of its class */
      readonly processing: Processing
    }
  | {
      /** at least one sentence, without the name of the file */
      readonly problems: ReadonlyArray<string>
    }

/** Reads values from a file, collects problems, and tracks which keys were read. */
class Fields {
  readonly problems: Array<string> = []
  private readonly readKeys = new Set<string>()
  private readonly values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values
  }

  /** Reads a value; null counts as absent. `read` returns undefined for a value that is not `expected`. */
  take<A>(key: string, absent: A, expected: string, read: (value: unknown) => A | undefined): A {
    this.readKeys.add(key)
    const value = this.values[key] ?? undefined
    if (value === undefined) return absent
    const parsed = read(value)
    if (parsed === undefined) this.problems.push(`${key}: found ${quoted(value)}; expected ${expected}`)
    return parsed ?? absent
  }

  flag(key: string, absent: boolean): boolean {
    return this.take(key, absent, "true or false", (value) => (typeof value === "boolean" ? value : undefined))
  }

  /** Reports each remaining key that changes images. */
  refuseOthers(): void {
    for (const [key, value] of Object.entries(this.values)) {
      if (this.readKeys.has(key) || harmless.has(key) || value === null || value === false) continue
      this.problems.push(`${key}: found ${quoted(value)}, which is unknown and may change images; remove it`)
    }
  }
}

const isEdge = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0

const sizeOf = (value: unknown): Size | undefined => {
  if (isEdge(value)) return square(value)
  if (!isRecord(value) || Object.keys(value).length !== 2) return undefined
  const { height, width } = value
  return isEdge(height) && isEdge(width) ? { height, width } : undefined
}

const threeOf = (value: unknown): Three | undefined => {
  const all = typeof value === "number" ? [value, value, value] : value
  return Array.isArray(all) && all.length === 3 && all.every((one) => Number.isFinite(one))
    ? (all as readonly number[] as Three)
    : undefined
}

const classOf = (fields: Fields, absent: ProcessorName): Defaults => {
  const named = (key: string) =>
    fields.take<string | undefined>(key, undefined, "the name of a class", (value) =>
      typeof value === "string" ? value : undefined
    )
  const [current, older] = [named("image_processor_type"), named("feature_extractor_type")]
  const name = current ?? older ?? absent
  const known = processors[name.replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, "")]
  if (known !== undefined) return known
  const key = current === undefined ? "feature_extractor_type" : "image_processor_type"
  fields.problems.push(
    `${key}: found ${quoted(name)}; expected ${Object.keys(processors)
      .map((one) => `${one}ImageProcessor`)
      .join(", ")}`
  )
  return processors[absent.replace("ImageProcessor", "")]!
}

/** Returns how images are resized. */
const resizeOf = (fields: Fields, { size }: Defaults): Processing["resize"] => {
  const toSquare = fields.flag("default_to_square", "height" in size)
  const resize = fields.take<Size | { readonly shortestEdge: number }>(
    "size",
    size,
    'a number of pixels, {"height", "width"} or {"shortest_edge"}',
    (value) => {
      if (isEdge(value)) return toSquare ? square(value) : { shortestEdge: value }
      if (isRecord(value) && Object.keys(value).length === 1 && isEdge(value["shortest_edge"])) {
        return { shortestEdge: value["shortest_edge"] }
      }
      return sizeOf(value)
    }
  )
  return fields.flag("do_resize", true) ? resize : null
}

/** Returns the final size of all images, or undefined if sizes would differ. */
const finalSize = (fields: Fields, { crop }: Defaults, resize: Processing["resize"]): Size | undefined => {
  const cropped = fields.flag("do_center_crop", crop !== null)
  const size = fields.take("crop_size", crop ?? square(224), 'a number of pixels or {"height", "width"}', sizeOf)
  if (cropped) return size
  if (resize !== null && resize !== "cover" && "height" in resize) return resize
  fields.problems.push(
    resize === null
      ? "do_resize: found false, and no do_center_crop, which leaves images of several sizes; expected one of them"
      : 'size: found {"shortest_edge"} without do_center_crop, which leaves images of several sizes; expected {"height", "width"}, or do_center_crop'
  )
  return undefined
}

/** Returns how bytes are converted to input values. */
const numbersOf = (fields: Fields, defaults: Defaults): Pick<Processing, "scale" | "mean" | "deviation"> => {
  const factor = fields.take("rescale_factor", 1 / 255, "a number above 0", (value) =>
    typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined
  )
  const mean = fields.take("image_mean", defaults.mean, "three numbers", threeOf)
  const deviation = fields.take("image_std", defaults.deviation, "three numbers above 0", (value) => {
    const three = threeOf(value)
    return three?.every((one) => one > 0) ? three : undefined
  })
  const scale = fields.flag("do_rescale", true) ? factor : 1
  return fields.flag("do_normalize", true)
    ? { scale, mean, deviation }
    : { scale, mean: [0, 0, 0], deviation: [1, 1, 1] }
}

/**
 * Parses a preprocessor_config.json. Returns the processing, or all problems. `absent`: the class of the model's family, for files that
 * name none.
 */
export const processingOf = (value: unknown, absent: ProcessorName): ParsedProcessing => {
  if (!isRecord(value)) return { problems: [`found ${quoted(value)}; expected an object`] }
  const fields = new Fields(value)
  const defaults = classOf(fields, absent)
  const resize = resizeOf(fields, defaults)
  const size = finalSize(fields, defaults, resize)
  const resampling = fields.take<Resampling>(
    "resample",
    filters[defaults.resample]!,
    `one of Pillow's filters, 0 to 5 (${filters.join(", ")})`,
    (number) => (typeof number === "number" ? filters[number] : undefined)
  )
  const numbers = numbersOf(fields, defaults)
  fields.refuseOthers()
  if (size !== undefined && size.height * size.width > limit("image-pixels")) {
    fields.problems.push(`the size of images is ${size.height} × ${size.width}, more than ${overLimit("image-pixels")}`)
  }
  if (size === undefined || fields.problems.length > 0) return { problems: fields.problems }
  return { processing: { size, resize, resampling, ...numbers, channels: 3 } }
}

/** Returns a complete preprocessor_config.json, for readers with other defaults. */
export const preprocessorConfig = ({ size, resize, resampling, scale, mean, deviation }: Processing) => {
  const isWhole =
    resize !== null &&
    resize !== "cover" &&
    "height" in resize &&
    resize.height === size.height &&
    resize.width === size.width
  const resized = resize === null || resize === "cover" ? size : resize
  return {
    /** false: images are not resized */
    do_resize: resize !== null,
    /** size to resize to */
    size:
      "height" in resized
        ? resized
        : {
            /** length of the shorter edge in pixels */
            shortest_edge: resized.shortestEdge
          },
    /** Pillow's number of the filter, 0 to 5 */
    resample: filters.indexOf(resampling),
    /** false: resizing returns the final size */
    do_center_crop: !isWhole,
    /** final size in pixels */
    crop_size: size,
    /** false: bytes are not scaled */
    do_rescale: scale !== 1,
    /** factor that bytes are multiplied by */
    rescale_factor: scale,
    /** always true */
    do_normalize: true,
    /** mean of each channel, after scaling */
    image_mean: mean,
    /** standard deviation of each channel */
    image_std: deviation
  }
}
