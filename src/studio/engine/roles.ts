/** What columns of rows can be for a model. */
import * as Effect from "effect/Effect"
import { kinds } from "../../kinds/index.ts"
import { columnDescriptions, columnNames, namedModel, severalColumns } from "../../suggest/index.ts"
import type { ColumnRole } from "../protocol/index.ts"

/** The roles of all formats that such a model is trained with, in the order in which users are told of them. */
export const rolesOf = (model: string) =>
  Effect.gen(function* () {
    const named = yield* namedModel(model)
    const all = yield* Effect.all(kinds)
    const fitting = all.filter(({ detecting }) => detecting.takes(named))
    // where no kind takes it, the first says what is wrong with it
    const own = new Set((fitting.length === 0 ? all.slice(0, 1) : fitting).flatMap(columnsOfKind))
    return columnNames
      .filter((name) => own.has(name))
      .map(
        (name): ColumnRole => ({
          name,
          says: columnDescriptions[name],
          isSeveral: severalColumns.includes(name)
        })
      )
  })

const columnsOfKind = ({ detecting }: { readonly detecting: { readonly columns: object } }): ReadonlyArray<string> =>
  Object.values(detecting.columns).flat()
