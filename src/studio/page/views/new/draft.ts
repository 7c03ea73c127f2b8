/** An unfinished plan: what was dropped and chosen, and the plan as it is now. It survives a reload of the page. */
import type { LearnableRows, OutlinedPlan, PlanJson, SuggestedPlan } from "../../../protocol/index.ts"

export interface Dialect {
  readonly separator?: "comma" | "semicolon" | "tab" | "pipe"
  readonly encoding?: "utf-8" | "latin1"
}

export interface Draft {
  /** the rows, as the host names them; null: it began with a plan, whose rows may be anywhere */
  readonly source: string | null
  readonly dialect: Dialect
  /** of what the rows could teach, the one that a user chose (`keyOf`); null: the clear one */
  readonly learns: string | null
  /** null: the one that suits what is learned */
  readonly model: string | null
  /** columns by the roles that a user gave them; the others are found */
  readonly columns: Readonly<Record<string, string>>
  readonly name: string
  readonly plan: PlanJson | null
  /** the plan as a text, where it was typed so; null: as it is written from `plan` */
  readonly text: string | null
  /** the suggestion that `plan` began as, as JSON; null: it is no suggestion */
  readonly basis: string | null
  readonly isEdited: boolean
  readonly isNamed: boolean
}

/** What tells one thing that rows could teach from the others. */
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

/** Whether a suggestion is another one than what the plan began as. */
export const isNews = ({ basis }: Draft, { plan }: SuggestedPlan): boolean => basis !== asJson(plan)

/** With the suggestion in place of the plan. */
export const suggested = (draft: Draft, { name, plan }: SuggestedPlan): Draft => ({
  ...draft,
  plan,
  text: null,
  basis: asJson(plan),
  isEdited: false,
  name: draft.isNamed ? draft.name : name
})

/** With a plan of the user's own, which no suggestion takes the place of. */
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

/** With the plan as a user changed it. */
export const edited = (draft: Draft, plan: PlanJson, text: string | null): Draft => ({
  ...draft,
  plan,
  text,
  isEdited: true
})

const KEY = "tfjs-lora-pro-studio.new-run"

export const kept = (): Draft | null => {
  try {
    const found = sessionStorage.getItem(KEY)
    // whatever an earlier version of the page has left: what it lacks is nothing
    return found === null ? null : { ...nothing, ...(JSON.parse(found) as Partial<Draft>) }
  } catch {
    return null
  }
}

export const keep = (draft: Draft | null): void => {
  try {
    if (draft === null) sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, JSON.stringify(draft))
  } catch {
    // a page without storage begins anew after a reload
  }
}
