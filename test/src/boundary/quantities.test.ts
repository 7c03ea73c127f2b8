/** Each quantity over its range, as every place shows it; and no place formats one on its own. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Glob } from "bun"
import {
  byteSize,
  counted,
  duration,
  number,
  percent,
  roughDuration,
  scientific,
  score,
  wholeNumber
} from "../../../src/boundary/index.ts"

const missing = [
  [null, "–"],
  [undefined, "–"],
  [Number.NaN, "–"],
  [Number.POSITIVE_INFINITY, "–"]
] as const

type Value = number | null | undefined
const table: Readonly<
  Record<string, readonly [(value: Value) => string, ReadonlyArray<readonly [value: Value, text: string]>]>
> = {
  percent: [
    percent,
    [
      [0, "0.0 %"],
      [1e-9, "< 0.1 %"],
      [0.00049, "< 0.1 %"],
      [0.0005, "0.1 %"],
      [0.8725, "87.3 %"],
      [0.99949, "99.9 %"],
      [0.9995, "> 99.9 %"],
      [1, "100.0 %"],
      [1.5, "150.0 %"]
    ]
  ],
  score: [
    score,
    [
      [0, "0.000"],
      [4.24e-5, "4.2e-5"],
      [-4e-4, "-4e-4"],
      [4.9e-4, "4.9e-4"],
      [5e-4, "0.001"],
      [0.3, "0.300"],
      [999.95, "999.950"]
    ]
  ],
  scientific: [
    scientific,
    [
      [0, "0"],
      [1e-7, "1e-7"],
      [0.002, "2e-3"],
      [-0.05, "-5e-2"],
      [0.0999, "9.99e-2"],
      [0.1, "0.1"],
      [16, "16"],
      [1e30, "1e30"]
    ]
  ],
  "scientific, 2 digits": [
    (value) => scientific(value, 2),
    [
      [0, "0"],
      [1.549e-6, "1.5e-6"],
      [9.96e-3, "1e-2"],
      [0.0999, "0.1"],
      [12.3, "12"]
    ]
  ],
  number: [
    number,
    [
      [0, "0"],
      [1e-4, "1e-4"],
      [9.99e-4, "9.99e-4"],
      [0.001, "0.001"],
      [0.53912, "0.539"],
      [999.95, "1000"],
      [123456, "123456"],
      [1e6, "1e6"],
      [1234567, "1.23e6"],
      [-0.00071, "-7.1e-4"]
    ]
  ],
  byteSize: [
    byteSize,
    [
      [0, "0 B"],
      [812, "812 B"],
      [999.4, "999 B"],
      [999.6, "1 kB"],
      [41_234, "41.2 kB"],
      [999_499, "999 kB"],
      [999_950, "1 MB"],
      [2.306e6, "2.31 MB"],
      [540.4e6, "540 MB"],
      [8.1e9, "8.1 GB"],
      [3.2e15, "3200 TB"]
    ]
  ],
  duration: [
    duration,
    [
      [0, "0 s"],
      [1e-9, "1 ms"],
      [0.0123, "12 ms"],
      [0.9996, "1.0 s"],
      [3.21, "3.2 s"],
      [9.96, "10 s"],
      [59.4, "59 s"],
      [59.6, "1 min 0 s"],
      [245, "4 min 5 s"],
      [3599.6, "1 h 0 min"],
      [7380, "2 h 3 min"],
      [1e6, "277 h 47 min"]
    ]
  ],
  roughDuration: [
    roughDuration,
    [
      [0, "0 s"],
      [0.1, "1 s"],
      [89.4, "90 s"],
      [90, "2 min"],
      [245, "5 min"],
      [5340, "89 min"],
      [5341, "1 h 30 min"],
      [7380, "2 h 3 min"]
    ]
  ]
}

for (const [name, [format, values]] of Object.entries(table))
  test(name, () => {
    const all = [...values, ...missing]
    expect(all.map(([value]) => [value, format(value)])).toEqual(all.map(([value, text]) => [value, text]))
  })

test("whole numbers and counts", () => {
  expect([0, 999, 1350, -1e6, 1350n, null, undefined].map(wholeNumber)).toEqual([
    "0",
    "999",
    "1,350",
    "-1,000,000",
    "1,350",
    "–",
    "–"
  ])
  expect([counted(0, "row"), counted(1, "row"), counted(1350, "row"), counted(2, "class", "classes")]).toEqual([
    "0 rows",
    "1 row",
    "1,350 rows",
    "2 classes"
  ])
})

test("no other file formats a grouped number, a size or a share", () => {
  const own = /toLocaleString\(|\} (kB|MB|GB|MiB)\b|\)\} %/
  const reasons: Readonly<Record<string, string>> = {
    "src/boundary/counts.ts": "the formatters",
    "src/boundary/quantities.ts": "the formatters",
    "src/doctor/index.ts": "limits of a GPU are powers of two, and documented as MiB",
    "src/output/report/results.ts": "cells of a confusion matrix have room for whole percents",
    "src/studio/page/views/runs/Confusions.tsx": "the same",
    "src/studio/page/views/runs/OneRun.tsx": "progress is shown in whole percents",
    "src/studio/page/worker/world.ts": "progress counts whole MB, of one unit"
  }
  const root = join(import.meta.dir, "../../..")
  const files = [...new Glob("{src,schemas,adapters}/**/*.{ts,tsx}").scanSync(root)]
  expect(files.length).toBeGreaterThan(500)
  const formatting = files.filter((file) => own.test(readFileSync(join(root, file), "utf8")))
  expect(formatting.sort()).toEqual(Object.keys(reasons).sort())
})
