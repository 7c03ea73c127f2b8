/** What kinds over a `tf.LayersModel` have of their own: how rows become the numbers of its input, and what a row is called. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ArraysPlan, ImageArraysPlan } from "../../../schemas/index.ts"
import type {
  ArrayBatch,
  BatchPosition,
  ClassificationData,
  ClassificationSplit,
  DataError,
  LabelledText,
  Numbered
} from "../../data/index.ts"
import type { DescribedLayers, LayersClassifier, Network } from "../../models/index.ts"
import type { ResolvedPlan } from "../../plan/index.ts"
import type { Mistakes } from "../../training/index.ts"
import type { Asked, AskedField, Runner, World } from "../contract/index.ts"

export type LayersPlan = ArraysPlan | ImageArraysPlan

export type ResolvedLayersPlan<
  Plan extends LayersPlan = LayersPlan,
  Data extends ClassificationData = ClassificationData
> = ResolvedPlan<Plan, DescribedLayers, Data>

/** Of one row. */
export type RowShape = ReadonlyArray<number>

/** A loaded model with the resources that prepare its rows. */
export interface LayersWithRows<Ready> extends LayersClassifier {
  readonly ready: Ready
}

/** What rows become numbers for. */
export interface RowsFor<Plan extends LayersPlan, Ready> {
  readonly plan: Plan
  readonly shape: RowShape
  readonly ready: Ready
}

export const shapeOf = ({ base }: LayersClassifier): RowShape => base.inputs[0]!.shape.slice(1) as RowShape

export const rowsFor = <Plan extends LayersPlan, Ready>(
  model: LayersWithRows<Ready>,
  plan: Plan
): RowsFor<Plan, Ready> => ({ plan, shape: shapeOf(model), ready: model.ready })

export interface LayersRows<
  Plan extends LayersPlan,
  Data extends ClassificationData = ClassificationData,
  Ready = unknown
> {
  /** what is wrong with a model's input for such rows, as a sentence that begins with "its input"; undefined: nothing */
  problemOfShape(shape: RowShape): string | undefined
  /** Opens the files of a section until the scope closes; every row has to be one for an input of this shape. All problems at once. */
  open(section: Plan["data"], seed: number, shape: RowShape): Effect.Effect<Data, DataError, World>
  /** Opens what makes rows ready, until the scope closes. */
  readonly ready: (plan: Plan, shape: RowShape) => Effect.Effect<Ready, never, World>
  /** Endless batches from `start` on. Which rows the batch (epoch, index) holds depends on the seed alone. */
  training(
    split: ClassificationSplit,
    to: RowsFor<Plan, Ready>,
    start: BatchPosition
  ): Stream.Stream<ArrayBatch & Numbered, DataError>
  /** The first `rows` rows, all unless given, in their order, each once. */
  evaluation(
    split: ClassificationSplit,
    to: RowsFor<Plan, Ready>,
    rows?: number | undefined
  ): Stream.Stream<ArrayBatch, DataError>
  /** How users ask: what they fill in, by the shape of the model's input, and rows of a split to begin with. */
  readonly asking: {
    fields(plan: Plan, shape: RowShape): readonly [AskedField, ...ReadonlyArray<AskedField>]
    readonly examples: NonNullable<Runner<Plan, never, Network, ClassificationSplit>["asking"]>["examples"]
  }
  /** What keeps what a user asks about from being read, as the end of a sentence; undefined: nothing. */
  problemOf(asked: Asked, plan: Plan, shape: RowShape): string | undefined
  /** Pixels of the image in a row; absent where rows have none. See `Runner.images`. */
  pixels?(asked: Asked, plan: Plan): { readonly pixels: number } | { readonly broken: string }
  /** What a user asks about, each with the text that its prediction names. `folder`: what paths are relative to. */
  asked(
    asked: ReadonlyArray<Asked>,
    plan: Plan,
    folder: string | undefined
  ): Effect.Effect<ReadonlyArray<LabelledText>, DataError>
  /** Rows that a user asks about. They have no class: the batch's labels are 0. `apart`: on other threads, however few they are. */
  read(
    rows: ReadonlyArray<LabelledText>,
    to: RowsFor<Plan, Ready>,
    apart?: boolean
  ): Effect.Effect<ArrayBatch, DataError>
  /** Collects misclassified rows of a split, at most `limit`. */
  readonly keepMistakes: (source: ClassificationSplit, limit: number) => Mistakes
}
