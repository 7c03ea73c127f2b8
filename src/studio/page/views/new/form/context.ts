/** What every field of the form needs: the schema that references lead into, and what is wrong where. */
import { createContext } from "preact"
import { useContext } from "preact/hooks"
import type { PlanProblem } from "../../../../protocol/index.ts"
import type { Schema } from "./schema.ts"

export interface FormContext {
  readonly root: Schema
  readonly problems: ReadonlyArray<PlanProblem>
}

export const Form = createContext<FormContext>({ root: {}, problems: [] })

export const useForm = (): FormContext => useContext(Form)

/** The element of a field, by its path in the plan. */
export const idOf = (path: string): string => `plan-${path === "" ? "all" : path}`

/** What is wrong at this place alone; with `within`, also inside it. */
export const useProblems = (path: string, within = false): ReadonlyArray<string> =>
  useForm().problems.flatMap((problem) =>
    problem.path === path || (within && problem.path.startsWith(`${path}.`)) ? [problem.message] : []
  )
