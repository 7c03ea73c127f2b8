/** The chat template that a plan chooses: another file's in place of the checkpoint's, the values that it reads, the date that it writes. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { CausalData, PreferenceData } from "../../../schemas/index.ts"
import { readTextFile } from "../../files/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type DataError, dataError } from "../data-error.ts"

type Section = CausalData | PreferenceData

/** A tokenizer with the chat template of a section, where it has one; conversations then use it everywhere. */
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
    const own: CausalTokenizer = {
      ...tokenizer,
      chatTemplate: source,
      ...(templateValues === undefined ? {} : { templateValues }),
      ...(templateDate === undefined ? {} : { templateDate })
    }
    return writesDate(own) && templateDate === undefined ? { ...own, templateDate: today() } : own
  })

/** Whether the chat template may write a date. */
const writesDate = ({ chatTemplate }: CausalTokenizer): boolean => chatTemplate?.includes("strftime_now") === true

/** Here, as YYYY-MM-DD. */
const today = (): string => {
  const now = new Date()
  const two = (n: number) => String(n).padStart(2, "0")
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
}

/** A section with the date that its template writes, so that a run is the same on any day. */
export const withTemplateDate = <S extends Section>(section: S, { templateDate }: CausalTokenizer): S =>
  "reasoning" in section && templateDate !== undefined ? { ...section, templateDate } : section
