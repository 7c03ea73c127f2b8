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

/** What a user asks about: a text, or a row with the columns of the plan (a pair of texts has no other form). */
export type Asked = string | Readonly<Record<string, unknown>>

/** What a user fills in to ask a run: a column of its rows. */
export interface AskedField {
  /** the column's */
  readonly name: string
  /** "image": a data: URI; "number": one, as text; "numbers": a JSON list */
  readonly type: "text" | "image" | "number" | "numbers"
  /** of numbers: how the model's input arranges them, row by row */
  readonly shape?: ReadonlyArray<number>
}

/** What the model says of a row. A kind adds what its models say besides: probabilities, values. */
export interface Prediction {
  /** the row's text; of an image its file, of numbers their list */
  readonly text: string
  /** the second text of a pair; absent: rows have one */
  readonly textPair?: string
  /** in a word: a class, several of them with commas between, a value */
  readonly label: string
  /** the model's outputs by their names: of a classifier label → logit */
  readonly logits: Readonly<Record<string, number>>
  /** probability of each label, where the outputs are labels */
  readonly probabilities?: Readonly<Record<string, number>>
  /** the labels that are given, where they are any number */
  readonly labels?: ReadonlyArray<string>
  /** numbers in the data's units, where that is what the model says */
  readonly values?: Readonly<Record<string, number>>
}

/** A trained model and the plan that it was trained by. */
export interface Trained<Plan extends RunPlan = RunPlan, M extends Network = Network> {
  /** the run's own, decoded */
  readonly plan: Plan
  /** the base model with the trained adapter in it */
  readonly adapted: Adapted<M>
  /** steps it was trained for; NaN of an adapter from elsewhere, which does not say */
  readonly steps: number
}

/** A language model, and how it was taught to be spoken to. */
export interface Writing {
  /** the model with what was trained */
  readonly adapted: Adapted<CausalModel>
  /** it learned conversations */
  readonly chat: boolean
  /** what conversations without a system message of their own began with in training */
  readonly system: string | undefined
}

/** How texts are written for those that are read. */
export interface WriteOptions {
  /** tokens of a text at most; the plan's unless given */
  readonly maxTokens?: number | undefined
  /** continuations that are followed at a time, of which the most probable text is taken; 1, the most probable token each time, unless given */
  readonly beams?: number | undefined
  /** the text that is read is taken as it is, without what the plan puts before it */
  readonly plain?: boolean | undefined
  /** the frozen weights alone, without what was trained */
  readonly base?: boolean | undefined
}

/** How a text is written whose tokens are reported as they are chosen. */
export interface ObservedWriting {
  /** tokens of the text at most */
  readonly maxTokens: number
  /** 0: always the most probable token */
  readonly temperature: number
  /** of the choice at a temperature above 0 */
  readonly seed: number
  /** the frozen weights alone, without what was trained */
  readonly base: boolean
  /** told of each token */
  readonly observer: TokenObserver
  /** how each forward pass is run */
  readonly turn: Turn
}

/** A text that was written for one that was read. */
export interface WrittenText {
  /** without the token that ended it */
  readonly text: string
  /** tokens that were chosen */
  readonly tokens: number
  /** whether it came to its end, or to as many tokens as it may have */
  readonly finish: "eos" | "length"
}

// methods, whose arguments a kind narrows to its own
/** What a trained model is asked: which questions there are, what is wrong with one, and what the model says. */
export interface Answers<
  Plan extends RunPlan = RunPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  /** How users ask the run; absent where there is nothing to ask. */
  readonly asking?: {
    /** What they fill in, in its order. A model that goes on with texts has one, the text. */
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
  /** What is known of rows that contain images before one is decoded; absent where rows have none. */
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
  /** The same for one text, each token reported as it is chosen. */
  writeObserved?(
    adapted: Adapted<M>,
    plan: Plan,
    text: string,
    options: ObservedWriting
  ): Effect.Effect<WrittenText["finish"], Reported, Device>
  /** Present where the model goes on with the texts that it reads. */
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
