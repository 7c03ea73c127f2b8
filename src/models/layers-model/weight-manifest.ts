/**
 * The weights' manifest of a model.json, before a file of it is touched: which files, in the model's own folder, and which numbers follow
 * one another in them.
 *
 *   [{ "paths": ["group1-shard1of1.bin"], "weights": [{ "name": "dense/kernel", "shape": [3, 4], "dtype": "float32" }] }]
 */
import type * as tf from "@tensorflow/tfjs-core"
import { isRecord, Listing, limit, overLimit, quoted, wholeNumber } from "../../boundary/index.ts"

/** A group of weights in a model.json. */
export interface WeightManifest {
  /** paths relative to the model's folder, in the order in which their bytes are concatenated */
  readonly paths: ReadonlyArray<string>
  readonly specs: ReadonlyArray<tf.io.WeightsManifestEntry>
  readonly numbers: number
  readonly bytes: number
}

/** Reads the manifest, or returns all its problems. */
export const readManifest = (groups: ReadonlyArray<unknown>): WeightManifest | ReadonlyArray<string> => {
  const problems = new Listing()
  const sound = groups.filter((group): group is Group => {
    const is = isRecord(group) && Array.isArray(group["paths"]) && Array.isArray(group["weights"])
    if (!is) problems.add(`its weightsManifest has ${quoted(group)}; expected paths and weights`)
    return is
  })
  const paths = readPaths(
    sound.flatMap((group) => group.paths),
    problems
  )
  const specs = readSpecs(
    sound.flatMap(({ weights }) => weights),
    problems
  )
  const numbers = specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const bytes = specs.reduce((sum, spec) => sum + bytesOfSpec(spec), 0)
  if (bytes > limit("layers-model-bytes")) {
    problems.add(`its weights are ${wholeNumber(bytes)} bytes, more than ${overLimit("layers-model-bytes")}`)
  }
  return problems.isEmpty ? { paths, specs, numbers, bytes } : problems.entries
}

interface Group {
  readonly paths: ReadonlyArray<unknown>
  readonly weights: ReadonlyArray<unknown>
}

const readPaths = (entries: ReadonlyArray<unknown>, problems: Listing): ReadonlyArray<string> => {
  if (entries.length > limit("weight-files")) {
    problems.add(`its weights are in ${wholeNumber(entries.length)} files, more than ${overLimit("weight-files")}`)
    return []
  }
  const paths = new Set<string>()
  for (const path of entries) {
    if (typeof path !== "string" || leadsOut(path)) {
      problems.add(`its weightsManifest names the file ${quoted(path)}; expected one in the model's own folder`)
      continue
    }
    const plain = partsOf(path).join("/")
    if (paths.has(plain)) problems.add(`its weightsManifest names the file ${quoted(path)} twice`)
    paths.add(plain)
  }
  return [...paths]
}

const partsOf = (path: string): ReadonlyArray<string> => path.split("/").filter((part) => part !== "" && part !== ".")

/** Out of the folder, also where "\" separates and "C:" is a drive; a URL is. */
const leadsOut = (path: string): boolean =>
  /^[/\\]|^[a-z][\w+.-]*:|\p{Cc}/iu.test(path) || path.split(/[/\\]/).includes("..") || partsOf(path).length === 0

/** Returns the valid weights of a manifest in tfjs's format; adds the problems of the others to `problems`. */
export const readSpecs = (
  specs: ReadonlyArray<unknown>,
  problems: Listing
): ReadonlyArray<tf.io.WeightsManifestEntry> => {
  const names = new Set<string>()
  return specs.filter((entry, i): entry is tf.io.WeightsManifestEntry => {
    const problem = specProblem(entry)
    const { name } = isRecord(entry) ? entry : {}
    const where = typeof name === "string" ? quoted(name) : `number ${i}`
    if (problem !== undefined) problems.add(`its weight ${where} ${problem}`)
    else if (names.has(`${name}`)) problems.add(`its weight ${where} is listed twice`)
    names.add(`${name}`)
    return problem === undefined
  })
}

/** Bytes of a number as it is stored. */
const plainBytes = { float32: 4, int32: 4, bool: 1 } as const
const quantizedBytes = { uint8: 1, uint16: 2, float16: 2 } as const

const isKeyOf = <Table extends object>(table: Table, key: unknown): key is keyof Table & string =>
  typeof key === "string" && Object.hasOwn(table, key)

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, n) => product * n, 1)

/** The end of a sentence that begins with the weight. */
const specProblem = (entry: unknown): string | undefined => {
  if (!isRecord(entry)) return `is ${quoted(entry)}; expected an object`
  const { name, shape, dtype } = entry
  // tfjs collects weights in objects, in which such a name is no key
  if (typeof name !== "string" || name === "" || name in {}) return `has the name ${quoted(name)}; expected a name`
  if (!Array.isArray(shape) || !shape.every(isCount) || !Number.isSafeInteger(sizeOf(shape))) {
    return `has the shape ${quoted(shape)}; expected a list of whole numbers`
  }
  if (shape.length > limit("tensor-axes")) return `has ${shape.length} axes, more than ${overLimit("tensor-axes")}`
  if (!isKeyOf(plainBytes, dtype)) {
    return `has the dtype ${quoted(dtype)}; expected one of ${Object.keys(plainBytes).join(", ")}`
  }
  return "quantization" in entry ? quantizationProblem(entry["quantization"], dtype) : undefined
}

const quantizationProblem = (quantization: unknown, dtype: string): string | undefined => {
  const { dtype: held, scale, min } = isRecord(quantization) ? quantization : {}
  if (!isKeyOf(quantizedBytes, held) || dtype === "bool" || (held === "float16" && dtype !== "float32")) {
    return `of dtype ${dtype} is quantized as ${quoted(held)}; expected one of ${Object.keys(quantizedBytes).join(", ")}`
  }
  return held === "float16" || (Number.isFinite(scale) && Number.isFinite(min))
    ? undefined
    : `is quantized with scale ${quoted(scale)} and min ${quoted(min)}; expected two numbers`
}

const bytesOfSpec = ({ shape, dtype, quantization }: tf.io.WeightsManifestEntry): number => {
  const held = quantization?.dtype ?? dtype
  const each = isKeyOf(quantizedBytes, held) ? quantizedBytes[held] : isKeyOf(plainBytes, held) ? plainBytes[held] : 0
  return each * sizeOf(shape)
}
