/** Ways out: a run as the files of other engines. A format is a value; `formats.ts` is the table. */
export { type ExportReport, type ExportRequest, exportRun } from "./export-run.ts"
export {
  type Chosen,
  type Exported,
  type ExportFormat,
  ExportRefused,
  type ExportWriter,
  exportFormat,
  type FormatOption,
  type FormatOptions
} from "./format.ts"
export { formatNamed, formatNames, formats } from "./formats.ts"
