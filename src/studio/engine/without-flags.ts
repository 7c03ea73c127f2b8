/** Messages that commands share with the studio, whose page has lists and fields in place of flags. */
import { formats } from "../../exports/formats.ts"
import { columnNames, flagOf } from "../../suggest/index.ts"

/** Flags, as the page calls what they set: columns by their roles, fields of a push by their labels. */
const fields: Readonly<Record<string, string>> = {
  ...Object.fromEntries(columnNames.map(flagOf).map((flag) => [flag, flag.replaceAll("-", " ")])),
  "base-model": "Base model on the Hub",
  report: "Include the report"
}

/** "--text-pair" is “text pair”; a model and a format stand for themselves. */
export const withoutFlags = (message: string): string =>
  message
    .replaceAll(/--model (?=\S)/g, "")
    .replaceAll(/--format ([\w-]+)/g, (_, name: string) => formats.find((one) => one.name === name)?.title ?? name)
    .replaceAll(/--([a-z]+(?:-[a-z]+)*)/g, (flag, name: string) =>
      Object.hasOwn(fields, name) ? `“${fields[name]}”` : flag
    )
