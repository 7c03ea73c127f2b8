/** The part of a kind of run that the studio, `serve` and the commands ask: predictions, vectors and texts of a trained model. */
import type * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import type { CausalSplit } from "../../data/causal/index.ts"
import type { DataError } from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import type { Files } from "../../files/index.ts"
import type { TokenObserver, Turn } from "../../generation/index.ts"
import type { CausalModel } from "../../models/causal/index.ts"
import type { ModelError, Network } from "../../models/index.ts"
import type { SplitSource, Splits } from "../../plan/index.ts"
import type { Reported, World } from "./world.ts"

/** An input: a text, or a row with the columns of the plan (required for pairs of texts). */
export type Asked = string | Readonly<Record<string, unknown>>

/** An input field of a run: a column of its rows. */
export interface AskedField {
  /** the column's */
  readonly name: string
  /** "image": a data: URI; "number": one, as text; "numbers": a JSON list */
  readonly type: "text" | "image" | "number" | "numbers"
  /** of numbers: how the model's input arranges them, row by row */
  readonly shape?: ReadonlyArray<number>
}

/** A prediction for a row. Kinds add fields such as probabilities and values. */
export interface Prediction {
  /** the row's text; of an image its file, of numbers their list */
  readonly text: string
  /** the second text of a pair; absent: rows have one */
  readonly textPair?: string
  /** the answer as text: a class, several classes separated by commas, or a value */
  readonly label: string
  /** outputs of the model by name; for a classifier, label → logit */
  readonly logits: Readonly<Record<string, number>>
  /** probability of each label, where the outputs are labels */
  readonly probabilities?: Readonly<Record<string, number>>
  /** the labels that are given, where they are any number */
  readonly labels?: ReadonlyArray<string>
  /** predicted values in the units of the data */
  readonly values?: Readonly<Record<string, number>>
}

/** A trained model and its plan. */
export interface Trained<Plan extends RunPlan = RunPlan, M extends Network = Network> {
  /** the run's own, decoded */
  readonly plan: Plan
  /** the base model with the trained adapter in it */
  readonly adapted: Adapted<M>
  /** steps it was trained for; NaN of an adapter from elsewhere, which does not say */
  readonly steps: number
}

/** A language model and the format of its prompts. */
export interface Writing {
  /** the model with what was trained */
  readonly adapted: Adapted<CausalModel>
  /** it learned conversations */
  readonly chat: boolean
  /** what conversations without a system message of their own began with in training */
  readonly system: string | undefined
}

/** Options for generating texts from inputs. */
export interface WriteOptions {
  /** maximum tokens per text; default: the plan's */
  readonly maxTokens?: number | undefined
  /** beams of beam search; default 1, greedy decoding */
  readonly beams?: number | undefined
  /** whether to use the input without the plan's prefix */
  readonly plain?: boolean | undefined
  /** whether to use the base model without the adapter */
  readonly base?: boolean | undefined
}

/** Options for generating a text with a callback per token. */
export interface ObservedWriting {
  /** maximum tokens of the text */
  readonly maxTokens: number
  /** sampling temperature; 0: greedy decoding */
  readonly temperature: number
  /** seed of sampling */
  readonly seed: number
  /** whether to use the base model without the adapter */
  readonly base: boolean
  /** called with each token */
  readonly observer: TokenObserver
  /** runs each forward pass */
  readonly turn: Turn
}

/** A text generated for an input. */
export interface WrittenText {
  /** generated text, without the end token */
  readonly text: string
  /** number of generated tokens */
  readonly tokens: number
  /** whether it ended by itself or at the token limit */
  readonly finish: "eos" | "length"
}

// methods, whose arguments a kind narrows to its own
/** What a trained model is asked: which questions there are, what is wrong with one, and what the model says. */
export interface Answers<
  Plan extends RunPlan = RunPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  /** Input fields of the run; absent if it takes no inputs. */
  readonly asking?: {
    /** Returns the input fields in order. A model that continues texts has one, the text. */
    fields(adapted: Adapted<M>, plan: Plan): readonly [AskedField, ...ReadonlyArray<AskedField>]
    /** Rows of a split by these fields, to begin with; `tools`: what a conversation's model may call, as JSON text. */
    examples(
      source: Source,
      plan: Plan,
      rows: ReadonlyArray<number>
    ): Effect.Effect<ReadonlyArray<Readonly<Record<string, string>>>, Reported, Files>
  }
  /**
   * What keeps a text or a row from being predicted, as the end of a sentence that begins with its place; undefined: nothing does. Absent
   * where nothing is predicted.
   */
  problemOf?(adapted: Adapted<M>, plan: Plan, row: Asked): string | undefined
  /** Checks of rows with images before decoding; absent for rows without images. */
  readonly images?: {
    /** Pixels of the image in a row from others, by its header; `broken`: why the row is rejected, such as a path or a URL. */
    pixels(plan: Plan, row: Asked): { readonly pixels: number } | { readonly broken: string }
    /** `predict` in two parts: decodes the rows' images, which takes no device, and returns the effect of the rest. */
    decoded(
      adapted: Adapted<M>,
      plan: Plan,
      rows: ReadonlyArray<Asked>
    ): Effect.Effect<Effect.Effect<ReadonlyArray<Prediction>, Reported, Device>, Reported, Device>
  }
  /**
   * What the model says of users' texts or rows, one prediction each, in their order. `folder`: what paths in rows are relative to; the
   * working directory unless given.
   */
  predict(
    adapted: Adapted<M>,
    plan: Plan,
    rows: ReadonlyArray<Asked>,
    folder?: string
  ): Effect.Effect<ReadonlyArray<Prediction>, Reported, Device>
  /** The vectors of texts, one each, in their order; present where the model makes vectors. */
  embed?(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>
  ): Effect.Effect<ReadonlyArray<Float32Array>, Reported, Device>
  /** The texts that the model writes for others, one each, in their order; present where it reads one text and writes another. */
  write?(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>,
    options: WriteOptions
  ): Effect.Effect<ReadonlyArray<WrittenText>, Reported, Device>
  /** Generates one text and reports each token when it is chosen. */
  writeObserved?(
    adapted: Adapted<M>,
    plan: Plan,
    text: string,
    options: ObservedWriting
  ): Effect.Effect<WrittenText["finish"], Reported, Device>
  /** Present if the model continues its input texts. */
  readonly generation?: {
    writing(trained: Trained<Plan, M>): Writing & { readonly plan: Plan }
    /** The rows of a trained plan, whose prompts can be asked; see `splits`. */
    splits(
      writing: Pick<Writing, "adapted">,
      plan: Plan,
      file?: string
    ): Effect.Effect<Splits<CausalSplit>, DataError | ModelError, World>
  }
}
