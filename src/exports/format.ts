/**
 * The contract of an export format: one value, `ExportFormat`, and one line of the table in `formats.ts`.
 *
 * The value contains what `--help` and the command's flags need, and loads the rest when it is chosen. Its writer fills a folder with a temporary
 * name, which is renamed once it is complete.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { listed } from "../boundary/index.ts"
import type { Device } from "../device/device.ts"
import type { Reported, World } from "../kinds/index.ts"
import type { DescribedRun } from "../trained/index.ts"

/** An option of an export format, given as a flag of its name: `--type q8_0,q4_k`. */
export interface FormatOption {
  /** what the option controls, for `--help` */
  readonly summary: string
  readonly values: readonly [string, ...ReadonlyArray<string>]
  /** default values, used if the flag is absent */
  readonly usual: ReadonlyArray<string>
  /** whether the flag takes several values, separated by commas */
  readonly several: boolean
}

export type FormatOptions = Readonly<Record<string, FormatOption>>

/** The chosen values of each option, without duplicates, in the order given. */
export type Chosen<Options extends FormatOptions> = {
  readonly [Name in keyof Options]: ReadonlyArray<Options[Name]["values"][number]>
}

export interface ExportFormat<Options extends FormatOptions = FormatOptions> {
  /** value of `--format`, and the name of the output folder in the run's folder unless `--out` names another */
  readonly name: string
  /** display name: "ONNX" */
  readonly title: string
  /** heading of its card in the studio: "In a web page" */
  readonly usedIn: string
  /** tools that read the format, for `--help`: a few words */
  readonly summary: string
  readonly options: Options
  readonly writer: () => Promise<ExportWriter<Options>>
}

/** Writer of an export format. */
export interface ExportWriter<Options extends FormatOptions = FormatOptions> {
  // methods, whose arguments a format narrows to its own
  /**
   * Returns why this run cannot be exported to the format and what to do instead, as the end of a sentence that begins with the run's folder;
   * undefined if it can. Reads no weights.
   */
  obstacle(run: DescribedRun, chosen: Chosen<Options>): Effect.Effect<string | undefined, Reported, World>
  /** Writes all files into `folder`, which is empty. `run.open` loads the model. */
  write(run: DescribedRun, folder: string, chosen: Chosen<Options>): Effect.Effect<Exported, Reported, Device | World>
}

/** Report of an export. */
export interface Exported {
  /** sentences to print, one per line */
  readonly lines: ReadonlyArray<string>
  /** additional fields of `export --json` */
  readonly json: Readonly<Record<string, unknown>>
}

/** Defines a format and infers the types of its options. */
export const exportFormat = <const Options extends FormatOptions>(
  format: ExportFormat<Options>
): ExportFormat<Options> => format

/** Error of exporting a run that the format does not support, or of an option value that it does not have. */
export class ExportRefused extends Schema.TaggedError<ExportRefused>()("ExportRefused", {
  place: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.place}: ${this.reason}`
  }
}

/** Parses a format's options, each a comma-separated list, by name. Returns the values, or what is invalid as a sentence. */
export const chosenOf = <Options extends FormatOptions>(
  { name, options }: Pick<ExportFormat<Options>, "name" | "options">,
  optionTexts: Readonly<Record<string, string | undefined>>
): Chosen<Options> | ExportRefused => {
  const refused = (option: string, reason: string) => new ExportRefused({ place: `--${option}`, reason })
  for (const [option, text] of Object.entries(optionTexts)) {
    if (text === undefined || option in options) continue
    const flags = Object.keys(options).map((option) => `--${option}`)
    const has = flags.length === 0 ? "which has no options" : `which has ${listed(flags).join(", ")}`
    return refused(option, `is not an option of --format ${name}, ${has}`)
  }
  const chosen: Record<string, ReadonlyArray<string>> = {}
  for (const [option, { values, usual, several }] of Object.entries(options)) {
    const text = optionTexts[option]
    const parts = text === undefined ? usual : [...new Set(text.split(",").map((part) => part.trim()))]
    const wrong = parts.find((part) => !values.includes(part))
    const expected = several
      ? `one or more of ${listed(values).join(", ")}, comma-separated`
      : `one of ${listed(values).join(", ")}`
    if (wrong !== undefined)
      return refused(option, `found ${JSON.stringify(wrong)}; --format ${name} accepts ${expected}`)
    if (!several && parts.length > 1)
      return refused(option, `found ${parts.length} values; --format ${name} accepts ${expected}`)
    chosen[option] = parts
  }
  return chosen as Chosen<Options>
}
