/** Labelled rows of a plan that is trained: its classes are known. */
import * as Effect from "effect/Effect"
import type { ArraysPlan, ClassificationPlan } from "../../schemas/index.ts"
import type { ClassificationData } from "../data/index.ts"

type Section = (ClassificationPlan | ArraysPlan)["data"]

/** The section with its classes; with `file`, that file's rows in the place of all splits. */
export const rowsOf = <S extends Section>(section: S, labels: ReadonlyArray<string>, file?: string): S => {
  if (file === undefined) return { ...section, labels }
  const { validation: _, test: __, ...columns } = section
  return { ...columns, labels, train: file } as S
}

export const onlySplits = Effect.map(({ splits }: ClassificationData) => splits)
