/** A fact about a whole document that no single field can state: it has a name, and a sentence for each violation. */
import type { PlanProblem } from "./problems.ts"

/** `check` returns every violation. */
export interface Rule<Document> {
  readonly name: string
  readonly check: (document: Document) => ReadonlyArray<PlanProblem>
}

/** A rule with at most one violation, complained about at `path`. */
export const rule = <Document>(
  name: string,
  path: string,
  check: (document: Document) => string | undefined
): Rule<Document> => ({
  name,
  check: (document) => {
    const message = check(document)
    return message === undefined ? [] : [{ path, message }]
  }
})
