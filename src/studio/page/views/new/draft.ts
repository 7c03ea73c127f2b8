/** An unfinished plan: the rows, the choices and the current plan. It survives a reload. */
import type { LearnableRows, OutlinedPlan, PlanJson, SuggestedPlan } from "../../../protocol/index.ts"

export interface Dialect {
  readonly separator?: "comma" | "semicolon" | "tab" | "pipe"
  readonly encoding?: "utf-8" | "latin1"
}

export interface Draft {
  /** the rows, as the host names them; null: opened as a plan, with rows anywhere */
  readonly source: string | null
  readonly dialect: Dialect
  /** the chosen task (`keyOf`); null: the clear one */
  readonly learns: string | null
  /** null: the recommended one */
  readonly model: string | null
  /** columns by the roles that a user chose; the others are detected */
  readonly columns: Readonly<Record<string, string>>
  readonly name: string
  readonly plan: PlanJson | null
  /** the plan as typed text; null: formatted from `plan` */
  readonly text: string | null
  /** the suggestion that `plan` started from, as JSON; null: not from a suggestion */
  readonly basis: string | null
  readonly isEdited: boolean
  readonly isNamed: boolean
}

/** Identifies a task among those of the same rows. */
export const keyOf = ({ format, columns }: LearnableRows): string => JSON.stringify([format, columns])

const nothing: Draft = {
  source: null,
  dialect: {},
  learns: null,
  model: null,
  columns: {},
  name: "",
  plan: null,
  text: null,
  basis: null,
  isEdited: false,
  isNamed: false
}

/** Rows were dropped, or named. */
export const draftOfRows = (source: string): Draft => ({ ...nothing, source })

/** A plan was opened. */
export const draftOfPlan = (name: string, plan: PlanJson): Draft => ({
  ...nothing,
  name,
  plan,
  isEdited: true,
  isNamed: true
})

const asJson = (plan: PlanJson): string => JSON.stringify(plan)

/** Whether a suggestion differs from the one that the plan started from. */
export const isNews = ({ basis }: Draft, { plan }: SuggestedPlan): boolean => basis !== asJson(plan)

/** The draft with the suggestion as its plan. */
export const suggested = (draft: Draft, { name, plan }: SuggestedPlan): Draft => ({
  ...draft,
  plan,
  text: null,
  basis: asJson(plan),
  isEdited: false,
  name: draft.isNamed ? draft.name : name
})

/** The draft with a plan of the user's own, which no suggestion replaces. */
export const withOwn = (draft: Draft, { name, plan }: OutlinedPlan): Draft => ({
  ...draft,
  plan,
  text: null,
  basis: null,
  isEdited: true,
  name: draft.isNamed ? draft.name : name
})

/** A plan of the user's own, without rows. */
export const draftOfOwn = (outlined: OutlinedPlan): Draft => withOwn(nothing, outlined)

/** The draft with an edited plan. */
export const edited = (draft: Draft, plan: PlanJson, text: string | null): Draft => ({
  ...draft,
  plan,
  text,
  isEdited: true
})

const KEY = "tfjs-lora-pro-studio.new-run"

export const storedDraft = (): Draft | null => {
  try {
    const stored = sessionStorage.getItem(KEY)
    // an earlier version of the page may have left fewer fields
    return stored === null ? null : { ...nothing, ...(JSON.parse(stored) as Partial<Draft>) }
  } catch {
    return null
  }
}

export const keep = (draft: Draft | null): void => {
  try {
    if (draft === null) sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, JSON.stringify(draft))
  } catch {
    // without storage a reload starts over
  }
}
