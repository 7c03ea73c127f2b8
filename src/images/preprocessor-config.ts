/**
 * What preprocessor_config.json says of a checkpoint's images, as transformers' processors of ViT, CLIP and DeiT understand it. What is
 * absent there is what the processor's class says. What changes pixels in a way that is not known here is refused.
 */
import { isRecord, limit, overLimit, quoted } from "../boundary/index.ts"
import type { Processing, Resampling, Size } from "./image.ts"

type Three = readonly [number, number, number]

/** What a class of processors does where a file says nothing. */
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

/** By the class's name without "ImageProcessor" or, in older files, "FeatureExtractor", and what follows. */
const processors: Readonly<Record<string, Defaults>> = { ViT: vit, CLIP: clip, DeiT: deit }

/** Classes of processors whose absent values are known. */
export type ProcessorName = "ViTImageProcessor" | "CLIPImageProcessor" | "DeiTImageProcessor"

/** Pillow's numbers of its filters. */
const filters: ReadonlyArray<Resampling> = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

/** Keys that change no pixel, or none of what a classifier is given. */
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
  // every image becomes RGB
  "do_convert_rgb"
])

/** What was made of a file, or all that is wrong with it: sentences without the file's name. */
export type ParsedProcessing =
  | {
      /** what the file says, with the defaults of its class */
      readonly processing: Processing
    }
  | {
      /** a sentence each, without the file's name; at least one */
      readonly problems: ReadonlyArray<string>
    }

/** Takes values out of a file, keeps what is wrong with them, and knows which were never asked for. */
class Fields {
  readonly problems: Array<string> = []
  private readonly asked = new Set<string>()
  private readonly values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values
  }

  /** `read`: undefined where the value is none of the `expected`. Null is as good as absent. */
  take<A>(key: string, absent: A, expected: string, read: (value: unknown) => A | undefined): A {
    this.asked.add(key)
    const value = this.values[key] ?? undefined
    if (value === undefined) return absent
    const own = read(value)
    if (own === undefined) this.problems.push(`${key}: found ${quoted(value)}; expected ${expected}`)
    return own ?? absent
  }

  flag(key: string, absent: boolean): boolean {
    return this.take(key, absent, "true or false", (value) => (typeof value === "boolean" ? value : undefined))
  }

  /** Each key that changes images in a way that no one asked about. */
  refuseOthers(): void {
    for (const [key, value] of Object.entries(this.values)) {
      if (this.asked.has(key) || harmless.has(key) || value === null || value === false) continue
      this.problems.push(`${key}: found ${quoted(value)}, which is not known here and may change images; expected none`)
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
  const [own, older] = [named("image_processor_type"), named("feature_extractor_type")]
  const name = own ?? older ?? absent
  const known = processors[name.replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, "")]
  if (known !== undefined) return known
  const key = own === undefined ? "feature_extractor_type" : "image_processor_type"
  fields.problems.push(
    `${key}: found ${quoted(name)}; expected ${Object.keys(processors)
      .map((one) => `${one}ImageProcessor`)
      .join(", ")}`
  )
  return processors[absent.replace("ImageProcessor", "")]!
}

/** What images are resized to, if they are. */
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

/** The size of all images in the end; undefined where they would have several. */
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

/** What is done to an image's bytes to make numbers of them. */
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
 * What a preprocessor_config.json says, or all that is wrong with it. `absent`: the class that the model's family has where the file names
 * none.
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

/** A preprocessor_config.json that says all of it, for readers whose absent values are others. */
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
    /** what images are resized to */
    size:
      "height" in resized
        ? resized
        : {
            /** pixels of the shorter edge */
            shortest_edge: resized.shortestEdge
          },
    /** Pillow's number of the filter, 0 to 5 */
    resample: filters.indexOf(resampling),
    /** false: resizing gives the final size */
    do_center_crop: !isWhole,
    /** the final size, in pixels */
    crop_size: size,
    /** false: bytes are taken as they are */
    do_rescale: scale !== 1,
    /** what bytes are multiplied by */
    rescale_factor: scale,
    /** always */
    do_normalize: true,
    /** of each channel, after scaling */
    image_mean: mean,
    /** of each channel */
    image_std: deviation
  }
}
