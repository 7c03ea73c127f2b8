/** What kinds over a `tf.LayersModel` have of their own: how rows become the numbers of its input, and what a row is called. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ArraysPlan } from "../../schemas/index.ts"
import type {
  ArrayBatch,
  BatchPosition,
  ClassificationData,
  ClassificationSplit,
  DataError,
  Numbered,
  TextFields
} from "../data/index.ts"
import type { DescribedLayers, LayersClassifier } from "../models/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import type { Asked, World } from "./kind.ts"

export type LayersPlan = ArraysPlan

export type ResolvedLayersPlan<
  Plan extends LayersPlan = LayersPlan,
  Data extends ClassificationData = ClassificationData
> = ResolvedPlan<Plan, DescribedLayers, Data>

/** Of one row. */
export type RowShape = ReadonlyArray<number>

export const shapeOf = ({ base }: LayersClassifier): RowShape => base.inputs[0]!.shape.slice(1) as RowShape

export interface LayersRows<Plan extends LayersPlan, Data extends ClassificationData = ClassificationData> {
  /** what is wrong with a model's input for such rows, as the end of a sentence; undefined: nothing */
  problemOfShape(shape: RowShape): string | undefined
  /** Opens the files of a section until the scope closes; every row has to be one for an input of this shape. All problems at once. */
  open(section: Plan["data"], seed: number, shape: RowShape): Effect.Effect<Data, DataError, World>
  /** Endless batches from `start` on. Which rows the batch (epoch, index) holds depends on the seed alone. */
  training(
    split: ClassificationSplit,
    plan: Plan,
    shape: RowShape,
    start: BatchPosition
  ): Stream.Stream<ArrayBatch & Numbered, DataError>
  /** The first `rows` rows, all unless given, in their order, each once. */
  evaluation(
    split: ClassificationSplit,
    plan: Plan,
    shape: RowShape,
    rows?: number | undefined
  ): Stream.Stream<ArrayBatch, DataError>
  /** What a user asks about, as the text that a prediction names. */
  textOf(asked: Asked, plan: Plan): string
  /** What keeps what a user asks about from being read, as the end of a sentence; undefined: nothing. */
  problemOf(asked: Asked, plan: Plan, shape: RowShape): string | undefined
  /** Rows that a user asks about. They have no class: the batch's labels are 0. */
  read(texts: ReadonlyArray<TextFields>, plan: Plan, shape: RowShape): Effect.Effect<ArrayBatch, DataError>
}
