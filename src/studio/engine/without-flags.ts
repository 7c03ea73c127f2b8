/** Messages that commands share with the studio, whose page has lists and fields in place of flags. */
import { formats } from "../../exports/formats.ts"

/** Flags that the page calls otherwise: fields of a push by their labels. The others are called by their names. */
const fields: Readonly<Record<string, string>> = {
  "base-model": "Base model on the Hub",
  report: "Include the report"
}

/** "--text-pair" becomes “text pair”; a model and a format stand for themselves, and remarks on the command line are left out. */
export const withoutFlags = (message: string): string =>
  message
    .replaceAll(/ \(of suggest: --[\w-]+\)/g, "")
    .replaceAll(/--model (?=\S)/g, "")
    .replaceAll(
      /--format ([\w-]+)/g,
      (_, name: string) => formats.find((format) => format.name === name)?.title ?? name
    )
    .replaceAll(/--([a-z]+(?:-[a-z]+)*)/g, (_, name: string) => `“${fields[name] ?? name.replaceAll("-", " ")}”`)
