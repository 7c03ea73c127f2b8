/**
 * ONNX for transformers.js and onnxruntime:
 *
 *   config.json, tokenizer files           the base's, with this model's class, labels, and the length at which texts are cut
 *   onnx/model.onnx, model_fp16.onnx, …    the forward pass as it is trained, with what was trained merged into its weights
 *   README.md                              a card with a script
 *
 * The graph comes from the model's own forward pass: it runs once more over tensors without values (trace.ts) at two sizes of its inputs
 * (sizes.ts), and each kernel becomes the nodes of its rule (rules.ts).
 */

import type { DataType } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import ownPackage from "../../../package.json" with { type: "json" }
import { byteSize, isRecord } from "../../boundary/index.ts"
import { fileError, writeFileAtomic, writeJson } from "../../files/index.ts"
import type { Served, ServedFile } from "../../kinds/index.ts"
import { baseLinear, type Network, readBaseCard, readJson } from "../../models/index.ts"
import {
  copyCompanions,
  markdown,
  roundedParameters,
  trainedParameters,
  withoutUntrue,
  writeMergedConfig
} from "../../output/index.ts"
import { working, workingThrough } from "../../progress/index.ts"
import { readTensor, type Weights } from "../../tensors/index.ts"
import { type Chosen, ExportRefused, type ExportWriter, type FormatOption, type FormatOptions } from "../format.ts"
import type { Port } from "./graph.ts"
import { type PrecisionName, precisions, type Stored } from "./precisions.ts"
import { shapes } from "./rules.ts"
import { type Axes, generalized, type SizesDiffer } from "./sizes.ts"
import { type Placeholders, traced } from "./trace.ts"
import { writtenModel } from "./written.ts"

/** Maximum size of a protobuf message, in bytes. */
const MOST_BYTES = 2 ** 31

const sized = ({ axes }: Served): readonly [Axes, Axes] => {
  const at = (probe: 0 | 1) => Object.fromEntries(Object.entries(axes).map(([name, sizes]) => [name, sizes[probe]]))
  return [at(0), at(1)]
}

/** Runs the forward pass at the given sizes. */
const pass =
  ({ adapted: { model }, inputs, forward }: Served, axes: Axes) =>
  ({ input, parameter }: Placeholders) => {
    const shapeOf = new Map([...model.parameters, ...model.head.parameters].map(({ name, shape }) => [name, shape]))
    const made = new Map<string, ReturnType<Placeholders["parameter"]>>()
    const lookup = (name: string) => {
      const known = made.get(name) ?? parameter(name, shapeOf.get(name)!)
      made.set(name, known)
      return known
    }
    // tables that the model holds in fewer bits are written as the numbers that they are
    const weights: Weights = Object.assign(lookup, {
      trained: new Map([...(model.packed ?? [])].map(([name]) => [name, lookup(name)]))
    })
    const declared = inputs.map(({ name, shape, dtype }) => {
      const sizes = shape.map((size) => (typeof size === "number" ? size : axes[size]!))
      return [name, input(name, sizes, dtype satisfies DataType)] as const
    })
    return forward(Object.fromEntries(declared), baseLinear({ weights }), weights)
  }

/** Returns every parameter that the pass reads, with the adapter merged in. */
const parametersOf = ({ adapted }: Served, names: Iterable<string>) =>
  Effect.gen(function* () {
    const { model } = adapted
    const trained = trainedParameters<Network>(adapted)
    const rounded = roundedParameters<Network>(adapted)
    const shapeOf = new Map([...model.parameters, ...model.head.parameters].map(({ name, shape }) => [name, shape]))
    const stored = new Map<string, Stored>()
    yield* workingThrough("merging", "tensors", [...new Set(names)], (name) =>
      Effect.gen(function* () {
        const changed = trained.get(name) ?? rounded.get(name)
        const data = changed === undefined ? yield* readTensor(model.weights(name), name) : yield* changed.read
        stored.set(name, { name, shape: shapeOf.get(name)!, data: data as Float32Array })
      })
    )
    return stored
  })

/** Options of the ONNX format, as listed in `formats.ts`. */
export interface OnnxOptions extends FormatOptions {
  readonly dtype: FormatOption & { readonly values: readonly [PrecisionName, ...ReadonlyArray<PrecisionName>] }
}

export const onnxWriter: ExportWriter<OnnxOptions> = {
  obstacle: ({ kind }) =>
    Effect.map(Effect.promise(kind.publisher), ({ served }) => (typeof served === "string" ? served : undefined)),
  write: ({ directory, kind, open }, folder, { dtype }: Chosen<OnnxOptions>) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const run = yield* open
      const { served: serve } = yield* Effect.promise(kind.publisher)
      if (typeof serve === "string") return yield* new ExportRefused({ place: directory, reason: serve })
      const served = yield* serve.of(run)
      const { base, inputs, config, files } = served
      const axes = sized(served)
      yield* working("tracing the forward pass")
      const { traces, constants } = yield* traced(
        shapes,
        axes.map((sizes) => pass(served, sizes))
      )
      const trace = yield* Effect.try({
        try: () => generalized([traces[0]!, traces[1]!], axes),
        catch: (error) => error as SizesDiffer
      })
      const names = trace.values.flatMap(({ origin }) => (origin?.kind === "parameter" ? [origin.name] : []))
      const stored = yield* parametersOf(served, names)
      const numbers = yield* Effect.forEach(constants, (tensor) =>
        Effect.map(readTensor(tensor, "a tensor of the model"), (data) => Array.from(data))
      )
      const bytes = [...stored.values()].reduce((sum, { data }) => sum + data.byteLength, 0)
      if (bytes >= MOST_BYTES) {
        const reason = `has ${byteSize(bytes)} of parameters, and an ONNX file holds at most 2.1 GB: use --format huggingface`
        return yield* new ExportRefused({ place: directory, reason })
      }
      yield* fs.makeDirectory(path.join(folder, "onnx")).pipe(Effect.mapError(fileError("write", folder)))
      const ports = inputs.map(({ name, stored, shape }): Port => ({ name, type: stored, shape }))
      for (const name of dtype) {
        const precision = precisions[name]
        const model = {
          trace,
          inputs: ports,
          parameter: (name: string) => stored.get(name)!,
          constants: numbers,
          version: ownPackage.version
        }
        yield* working(`writing ${precision.file}`)
        yield* writeFileAtomic(path.join(folder, "onnx", precision.file), writtenModel(model, precision))
      }
      if (base !== null) yield* copyCompanions(base, folder, served.tokenizer)
      const json = (place: string, name: ServedFile) =>
        readJson(place, name).pipe(
          Effect.map((json) => (isRecord(json) ? json : {})),
          Effect.orElseSucceed(() => ({}))
        )
      const described = base === null ? {} : yield* json(base, "config.json")
      yield* writeMergedConfig(base ?? folder, folder, { ...withoutUntrue(described), ...config })
      for (const [name, content] of Object.entries(files) as ReadonlyArray<[ServedFile, object]>) {
        yield* writeJson(path.join(folder, name), { ...(yield* json(folder, name)), ...content })
      }
      const { license } = yield* readBaseCard(path.join(base ?? folder, "README.md"))
      yield* writeFileAtomic(
        path.join(folder, "README.md"),
        card(path.basename(path.resolve(directory)), served, license)
      )
      return {
        lines: [`transformers.js loads it as "${served.task}"; README.md has a script.`],
        json: { task: served.task }
      }
    }).pipe(Effect.scoped)
}

const card = (name: string, { task, usage }: Served, license: string | undefined): string =>
  [
    "---",
    "library_name: transformers.js",
    `pipeline_tag: ${task}`,
    "tags:",
    "- onnx",
    "- tfjs-lora-pro",
    ...(license === undefined ? [] : [`license: ${JSON.stringify(license)}`]),
    "---",
    "",
    `# ${markdown(name)}, as ONNX`,
    "",
    "A tfjs-lora-pro run for transformers.js and onnxruntime: its forward pass, with the adapter merged into the weights.",
    "",
    "## How to use",
    "",
    ...usage,
    ""
  ].join("\n")
