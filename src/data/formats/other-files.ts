/** Files without rows that this program can read, with advice on each. */
import * as Effect from "effect/Effect"
import { type DataError, dataError } from "../data-error.ts"
import type { DataFile } from "../file.ts"

const adviceByExtension: ReadonlyArray<readonly [extensions: RegExp, advice: string]> = [
  [/\.(xlsx?|xlsm|ods|numbers)$/i, "this is a spreadsheet: save the sheet as CSV and use that file"],
  [/\.(tar|tgz|7z|rar)$/i, "this archive format is not supported: repack it as .zip, or use the unpacked folder"],
  [
    /\.(docx?|odt|rtf|pdf|html?)$/i,
    "this is plain text without columns: convert it to .csv or .jsonl, one example per row"
  ],
  [/\.(png|jpe?g|webp|gif)$/i, "this is a single image: use a folder that has one folder of images per label"]
]

/** Returns what to do instead of reading a file of this name, or undefined for other extensions. */
export const adviceOn = (path: string): string | undefined => adviceByExtension.find(([names]) => names.test(path))?.[1]

/** First bytes of files that are not text. */
const beginnings: ReadonlyArray<readonly [bytes: ReadonlyArray<number>, what: string]> = [
  [[0x89, 0x50, 0x4e, 0x47], "a PNG image"],
  [[0xff, 0xd8, 0xff], "a JPEG image"],
  [
    [0x50, 0x4b, 0x03, 0x04],
    "a spreadsheet or a ZIP archive: save the sheet as CSV, or rename the archive to end in .zip"
  ],
  [[0x25, 0x50, 0x44, 0x46], "a PDF"],
  [[0x50, 0x41, 0x52, 0x31], "a Parquet file: rename it to .parquet"],
  [[0x1f, 0x8b], "gzip data: rename it to end in .gz"]
]

/** Fails for a binary file: otherwise each of its lines would be reported. */
export const refuseBinary = ({ name, size, read }: DataFile): Effect.Effect<void, DataError> =>
  Effect.gen(function* () {
    const head = yield* read(0, Math.min(size, 1_024))
    const signature = beginnings.find(([bytes]) => bytes.every((byte, at) => head[at] === byte))
    if (signature !== undefined)
      return yield* dataError(name, `this is not a text file despite its name: it starts like ${signature[1]}`)
    // with a byte order mark, or if every other byte is 0, it is UTF-16, which its own reader handles
    const zeros = head.filter((byte) => byte === 0).length
    const isUtf16 = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)
    if (zeros > 0 && !isUtf16 && zeros < head.length / 3)
      return yield* dataError(
        name,
        "this is not a text file despite its name: it contains binary data; expected rows of text"
      )
  })
