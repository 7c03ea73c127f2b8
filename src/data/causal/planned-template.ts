/** The chat template of a plan: another file instead of the checkpoint's, its variables, and the date that it writes. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { CausalData, PreferenceData } from "../../../schemas/index.ts"
import { readTextFile } from "../../files/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type DataError, dataError } from "../data-error.ts"

type Section = CausalData | PreferenceData

/** Returns a tokenizer with the chat template of a section, if it has one; all conversations then use it. */
export const plannedTokenizer = (
  tokenizer: CausalTokenizer,
  section: Section
): Effect.Effect<CausalTokenizer, DataError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (!("reasoning" in section)) return tokenizer
    const { chatTemplate: file, templateValues, templateDate } = section
    const source =
      file === undefined
        ? tokenizer.chatTemplate
        : yield* readTextFile(file, "template-source").pipe(
            Effect.mapError(({ missing, reason }) =>
              dataError("data.chatTemplate", `${file} ${missing ? "does not exist" : reason}; expected a .jinja file`)
            )
          )
    const planned: CausalTokenizer = {
      ...tokenizer,
      chatTemplate: source,
      ...(templateValues === undefined ? {} : { templateValues }),
      ...(templateDate === undefined ? {} : { templateDate })
    }
    return writesDate(planned) && templateDate === undefined ? { ...planned, templateDate: today() } : planned
  })

/** Checks whether the chat template may write a date. */
const writesDate = ({ chatTemplate }: CausalTokenizer): boolean => chatTemplate?.includes("strftime_now") === true

/** The local date as YYYY-MM-DD. */
const today = (): string => {
  const now = new Date()
  const two = (n: number) => String(n).padStart(2, "0")
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
}

/** Returns a section with the date that its template writes, so that a run does not depend on the day. */
export const withTemplateDate = <S extends Section>(section: S, { templateDate }: CausalTokenizer): S =>
  "reasoning" in section && templateDate !== undefined ? { ...section, templateDate } : section
