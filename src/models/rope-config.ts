/**
 * What a config.json says of rotary positions. It has two spellings: `rope_parameters: { rope_type, rope_theta, … }` since transformers 5,
 * and before that `rope_theta` and `partial_rotary_factor` beside `rope_scaling: { type or rope_type, … } | null`. Defaults are transformers'.
 *
 * @see transformers `modeling_rope_utils.py`
 */
import * as Schema from "effect/Schema"
import { Count, maybe, Positive } from "./config-reader.ts"
import { type Rope, type RopeScaling, rotaryRows } from "./rotary-rows.ts"

const Factors = Schema.Array(Positive)

/** Rotary positions in a config.json. */
export const RopeFile = Schema.Struct({
  rope_type: maybe(Schema.String),
  type: maybe(Schema.String),
  rope_theta: maybe(Positive),
  partial_rotary_factor: maybe(Positive),
  factor: maybe(Positive),
  low_freq_factor: maybe(Positive),
  high_freq_factor: maybe(Positive),
  original_max_position_embeddings: maybe(Count),
  attention_factor: maybe(Positive),
  beta_fast: maybe(Positive),
  beta_slow: maybe(Positive),
  mscale: maybe(Schema.Finite),
  mscale_all_dim: maybe(Schema.Finite),
  truncate: maybe(Schema.Boolean),
  short_factor: maybe(Factors),
  long_factor: maybe(Factors)
})
type RopeFile = typeof RopeFile.Type

/** What the config says beside it, for all layers. */
interface RopeSurroundings {
  readonly max_position_embeddings: number
  readonly original_max_position_embeddings?: number | null | undefined
  readonly partial_rotary_factor?: number | null | undefined
}

/** The rotary positions of a file, and why it is refused: then they are those without a scaling. */
interface ParsedRope {
  readonly rope: Rope
  readonly problems: ReadonlyArray<string>
}

/** Returns the rotary positions for heads of a given width. */
export type RopeOfHead = (headDim: number) => ParsedRope

/** Creates a reader of rotary positions. `where`: the field that contains them; `theta`: the default base. */
export const ropeOf =
  (fields: RopeFile | null | undefined, theta: number, where: string, beside: RopeSurroundings): RopeOfHead =>
  (headDim) => {
    const file = fields ?? {}
    const { dimensions, problems } = dimensionsOf(file, beside, headDim, where)
    const { scaling, wrong } = scalingOf(file, beside, dimensions)
    const rope = { theta: file.rope_theta ?? theta, dimensions, scaling }
    const finite = [1, beside.max_position_embeddings + 1].every((length) => hasFiniteAngles(rope, length))
    const notFinite = finite ? [] : ["its angles are not finite numbers; check rope_theta and the scaling's factors"]
    const inside = [...wrong, ...notFinite].map((problem) => `config.json: ${where}: ${problem}`)
    return { rope, problems: [...problems, ...inside] }
  }

/** Checked at position 1 of a text: a scaling may divide by 0, and numbers of a file may exceed float32. */
const hasFiniteAngles = (rope: Rope, length: number): boolean => {
  // no head is that long: the shapes of the weights will say so; no angles are made for what a wrong file claims
  if (rope.dimensions > 4_096) return true
  const { cos, sin } = rotaryRows(rope).at(Int32Array.of(1), Int32Array.of(length))
  return [...cos, ...sin].every(Number.isFinite)
}

/** Columns of a head that are turned. */
const dimensionsOf = (file: RopeFile, beside: RopeSurroundings, headDim: number, where: string) => {
  const partial = file.partial_rotary_factor ?? beside.partial_rotary_factor ?? 1
  const dimensions = Math.floor(headDim * partial)
  if (partial === 1 || (dimensions >= 2 && dimensions <= headDim && dimensions % 2 === 0)) {
    return { dimensions, problems: [] }
  }
  const at = file.partial_rotary_factor == null ? "config.json" : `config.json: ${where}`
  const wrong = `${at}: partial_rotary_factor ${partial} turns ${dimensions} of a head's ${headDim} columns; expected an even number`
  return { dimensions: headDim, problems: [wrong] }
}

interface ParsedScaling {
  readonly scaling: RopeScaling | null
  readonly wrong: ReadonlyArray<string>
}

const refused = (...wrong: ReadonlyArray<string>): ParsedScaling => ({ scaling: null, wrong })
const accepted = (scaling: RopeScaling | null): ParsedScaling => ({ scaling, wrong: [] })

type Reader = (
  file: RopeFile,
  at: { readonly dimensions: number; readonly positions: number; readonly original: number }
) => ParsedScaling

const scalingOf = (file: RopeFile, beside: RopeSurroundings, dimensions: number): ParsedScaling => {
  const type = file.rope_type ?? file.type ?? "default"
  if (!Object.hasOwn(readers, type)) {
    return refused(`rope_type ${JSON.stringify(type)}; supported are ${Object.keys(readers).join(", ")}`)
  }
  const { needs, read } = readers[type as keyof typeof readers]
  // transformers prefers the one beside it
  const original = beside.original_max_position_embeddings ?? file.original_max_position_embeddings
  const complete = { ...file, original_max_position_embeddings: original }
  const missing = needs.filter((name) => complete[name] == null)
  if (missing.length > 0) return refused(`rope_type "${type}" needs ${missing.join(", ")}`)
  const positions = beside.max_position_embeddings
  return read(file, { dimensions, positions, original: original ?? positions })
}

const readers = {
  default: { needs: [], read: () => accepted(null) },
  linear: { needs: ["factor"], read: ({ factor }) => accepted({ kind: "linear", factor: factor! }) },
  llama3: {
    needs: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
    read: ({ factor, low_freq_factor: low, high_freq_factor: high }, { original }) =>
      high! > low!
        ? accepted({ kind: "llama3", factor: factor!, lowFrequencyFactor: low!, highFrequencyFactor: high!, original })
        : refused(`high_freq_factor ${high} is not larger than low_freq_factor ${low}`)
  },
  dynamic: {
    needs: ["factor"],
    // max_position_embeddings is what is stretched, whatever else names an original context
    read: ({ factor }, { positions }) => accepted({ kind: "dynamic", factor: factor!, original: positions })
  },
  yarn: {
    needs: [],
    read: (file, { positions, original }) => {
      const {
        beta_fast: fast,
        beta_slow: slow,
        truncate,
        attention_factor: attention,
        mscale,
        mscale_all_dim: all
      } = file
      const factor = file.factor ?? positions / original
      const scale = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1)
      return accepted({
        kind: "yarn",
        factor,
        original,
        fast: fast ?? 32,
        slow: slow ?? 1,
        truncate: truncate ?? true,
        // 0 means absent
        attention: attention ?? (mscale && all ? scale(mscale) / scale(all) : scale(1))
      })
    }
  },
  longrope: {
    needs: ["short_factor", "long_factor"],
    read: (file, { dimensions, positions, original }) => {
      const { short_factor: short, long_factor: long, attention_factor: attention } = file
      const factor = file.factor ?? positions / original
      const wrong = Object.entries({ short_factor: short!, long_factor: long! }).flatMap(([name, { length }]) =>
        length === dimensions / 2
          ? []
          : [`${name} has ${length} numbers; expected ${dimensions / 2}, one for each pair of columns`]
      )
      const stretched = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))
      return wrong.length > 0
        ? refused(...wrong)
        : accepted({ kind: "longrope", original, short: short!, long: long!, attention: attention ?? stretched })
    }
  }
} satisfies Record<string, { readonly needs: ReadonlyArray<keyof RopeFile>; readonly read: Reader }>

/** Reads the rotary positions, in either spelling, of a family whose layers share them. */
export const oneRope = (
  file: RopeSurroundings & {
    readonly rope_theta?: number | null | undefined
    readonly rope_scaling?: RopeFile | null | undefined
    readonly rope_parameters?: RopeFile | null | undefined
  }
): RopeOfHead => {
  const { rope_parameters: parameters, rope_scaling: scaling, rope_theta: theta } = file
  const where = parameters == null ? "rope_scaling" : "rope_parameters"
  return ropeOf(parameters ?? scaling, theta ?? 10_000, where, file)
}

/** Returns the number of positions that a scaling supports; 0: unknown. */
export const reachOf = ({ scaling }: Rope): number =>
  scaling?.kind === "dynamic" || scaling?.kind === "yarn" ? Math.floor(scaling.original * scaling.factor) : 0
