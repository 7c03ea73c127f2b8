/**
 * A `tf.LayersModel` that stock tfjs loads: the model that `merge` writes, which is compared with the run before it is kept, with weights in the
 * requested precision. The loss of precision is measured: the run's own evaluations, once with its model and once with the one in the folder.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { byteSize, counted, isRecord, Listing, scientific } from "../boundary/index.ts"
import { fileError, readJsonFile, readTextFile, writeFileAtomic, writeJson } from "../files/index.ts"
import type { LoadedKind, Publisher } from "../kinds/index.ts"
import { readSpecs, type SmallerForm, smallerWeights } from "../models/index.ts"
import { Progress } from "../run/index.ts"
import { evaluateRun, type LoadedRun, loadMerged, writeMergedRun } from "../trained/index.ts"
import { scoresText } from "../training/index.ts"
import type { Exported, ExportWriter, FormatOption } from "./format.ts"

/** The forms of a merged model and their names. */
const called = {
  huggingface: "a Hugging Face folder",
  "layers-model": "a tf.LayersModel"
} as const satisfies Record<Publisher["mergesInto"], string>

/** Writer of what `merge` writes, as a format: the merged model, kept only if its outputs match the run's. */
export const mergedWriter = (form: Publisher["mergesInto"]): ExportWriter => ({
  obstacle: ({ kind }) =>
    Effect.map(Effect.promise(kind.publisher), ({ mergesInto }) =>
      mergesInto === form ? undefined : `merges into ${called[mergesInto]}: use --format ${mergesInto}`
    ),
  write: ({ directory, open }, folder) =>
    Effect.map(writeMergedRun(directory, open, folder), ({ tensors, check }) => ({
      lines: [
        `On ${counted(check.rows, `${check.split} row`)} its ${check.words.output}s differ from the run's by at most ${scientific(check.largestDifference, 2)}.`
      ],
      json: { tensors, check }
    })).pipe(Effect.scoped)
})

export interface LayersModelOptions extends Readonly<Record<string, FormatOption>> {
  readonly weights: FormatOption & { readonly values: readonly ["float32", "float16", "int8"] }
}

type Weights = LayersModelOptions["weights"]["values"][number]

/** tfjs's names of the stored types; null: unchanged. */
const forms: Readonly<Record<Weights, SmallerForm | null>> = { float32: null, float16: "float16", int8: "uint8" }

const merged = mergedWriter("layers-model")

export const layersModelWriter: ExportWriter<LayersModelOptions> = {
  obstacle: (run) => merged.obstacle(run, {}),
  write: (run, folder, { weights: [weights = "float32"] }) =>
    Effect.gen(function* () {
      const form = forms[weights]
      if (form === null) return yield* merged.write(run, folder, {})
      const before: Array<Evaluation> = []
      const open = Effect.tap(run.open, (loaded) =>
        Effect.map(evaluated(loaded), (reports) => void before.push(...reports))
      )
      const mergedExport = yield* merged.write({ ...run, open }, folder, {})
      const path = yield* Path.Path
      const source = path.join(folder, "model.json")
      const smaller = yield* storeSmaller(source, form)
      const after = before.length === 0 ? [] : yield* Effect.scoped(Effect.flatMap(loadMerged(run, source), evaluated))
      const measured = before.map((report, i): Measured => ({ before: report, after: after[i]! }))
      const card = path.join(folder, "README.md")
      yield* writeFileAtomic(card, `${yield* readTextFile(card)}\n${section(run.kind, weights, smaller, measured)}`)
      const exported: Exported = {
        lines: [...mergedExport.lines, ...lines(run.kind, weights, smaller, measured)],
        json: { ...mergedExport.json, weights: { stored: weights, ...smaller, evaluations: measured } }
      }
      return exported
    })
}

type Evaluation = Effect.Success<ReturnType<typeof evaluateRun>>[number]

interface Measured {
  readonly before: Evaluation
  readonly after: Evaluation
}

/** Evaluates every split that the run is judged by; an external adapter has no rows, and so no evaluations. */
const evaluated = (run: Parameters<typeof evaluateRun>[0] & Pick<Partial<LoadedRun>, "sample">) =>
  Effect.gen(function* () {
    if (run.sample !== undefined) return []
    const tell = yield* Progress
    // both evaluations are reported together, after the second
    return yield* Effect.provideService(evaluateRun(run), Progress, (event) =>
      event.kind === "evaluation" ? Effect.void : tell(event)
    )
  })

interface Smaller {
  /** size of the weights before and after, in bytes */
  readonly bytes: { readonly before: number; readonly after: number }
  /** number of tensors stored in fewer bytes, and of all tensors */
  readonly tensors: { readonly smaller: number; readonly all: number }
  /** largest change of a weight, and its tensor; null: no tensor changed */
  readonly worst: { readonly name: string; readonly largestError: number; readonly step?: number } | null
}

/** Rewrites the weights of our model.json in fewer bytes. */
const storeSmaller = (source: string, form: SmallerForm) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(path.dirname(source), "weights.bin")
    const data = yield* fs.readFile(file).pipe(Effect.mapError(fileError("read", file)))
    const model = yield* readJsonFile(source)
    const { weightsManifest, ...rest } = isRecord(model) ? model : {}
    const [group] = Array.isArray(weightsManifest) ? (weightsManifest as ReadonlyArray<unknown>) : []
    const weights = isRecord(group) && Array.isArray(group["weights"]) ? group["weights"] : []
    const { specs, data: stored, changed } = smallerWeights({ specs: readSpecs(weights, new Listing()), data }, form)
    yield* writeFileAtomic(file, stored)
    yield* writeJson(source, { ...rest, weightsManifest: [{ paths: ["weights.bin"], weights: specs }] })
    const smaller: Smaller = {
      bytes: { before: data.length, after: stored.length },
      tensors: { smaller: changed.length, all: specs.length },
      worst: changed.toSorted((a, b) => b.largestError - a.largestError)[0] ?? null
    }
    return smaller
  })

const storedText = (weights: Weights, { bytes, tensors, worst }: Smaller): string => {
  const parts = [
    `${tensors.smaller} of ${tensors.all} tensors are stored as ${weights}: ${byteSize(bytes.after)} instead of ${byteSize(bytes.before)}.`,
    ...(worst === null
      ? []
      : [
          `Weights differ by at most ${scientific(worst.largestError, 2)} from the unrounded ones (in ${worst.name}${worst.step === undefined ? "" : `, whose step is ${scientific(worst.step, 2)}`}).`
        ])
  ]
  return parts.join(" ")
}

const lines = (
  { metrics }: LoadedKind,
  weights: Weights,
  smaller: Smaller,
  measured: ReadonlyArray<Measured>
): ReadonlyArray<string> => [
  storedText(weights, smaller),
  ...(measured.length === 0
    ? [
        "The effect on the metrics was not measured, because there are no rows: evaluate the exported model on your own rows."
      ]
    : measured.flatMap(({ before, after }) => [
        `On ${counted(before.rows, `${before.split} row`)}, float32: ${scoresText(metrics, before)};`,
        `  ${weights}: ${scoresText(metrics, after)}.`
      ]))
]

/** Returns the section of the folder's README.md. */
const section = (
  { metrics }: LoadedKind,
  weights: Weights,
  smaller: Smaller,
  measured: ReadonlyArray<Measured>
): string =>
  [
    "## Weights",
    "",
    `${storedText(weights, smaller)} tfjs converts them back to float32 when it loads them.`,
    ...(measured.length === 0
      ? []
      : [
          "",
          "| weights | rows | metrics |",
          "|---|---|---|",
          ...measured.flatMap(({ before, after }) => [
            `| float32 | ${before.rows} (${before.split}) | ${scoresText(metrics, before)} |`,
            `| ${weights} | ${after.rows} (${after.split}) | ${scoresText(metrics, after)} |`
          ])
        ]),
    ""
  ].join("\n")
