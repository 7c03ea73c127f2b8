/**
 * A decoder's run as GGUF files:
 *
 *   <run>-q8_0.gguf …      the merged model in each type that was asked for      (mixtures.ts)
 *   <run>-adapter.gguf     the adapter alone, for a file of the base             (adapter.ts)
 *   Modelfile              Ollama's, of the first of them
 *   README.md              what each file is and how far it is from the run
 *
 * Every file of a merged model is read back, and its logits are compared with the run's before the folder is kept.
 */

import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import { scientific } from "../../boundary/index.ts"
import { withoutGenerationTags } from "../../data/causal/index.ts"
import { Device } from "../../device/device.ts"
import { writeFileAtomic } from "../../files/index.ts"
import { IGNORED } from "../../kernels/index.ts"
import {
  type CausalDescription,
  type CausalModel,
  logitsOf,
  openCausalModel,
  openSource,
  storedChatTemplate
} from "../../models/causal/index.ts"
import {
  type EncodedValue,
  encoded,
  type GgufModel,
  ggufMetadata,
  ggufModelOf,
  type TensorToStore,
  unwritableAt,
  writeGguf
} from "../../models/gguf/write/index.ts"
import { compareOutputs } from "../../output/index.ts"
import { selectSites } from "../../plan/index.ts"
import { working } from "../../progress/index.ts"
import { readTensor } from "../../tensors/index.ts"
import type { DescribedRun } from "../../trained/index.ts"
import { ExportRefused, type ExportWriter, type FormatOption, type FormatOptions } from "../format.ts"
import { adapterMetadata, adapterObstacle, adapterTensors } from "./adapter.ts"
import { type FileCard, ggufCard, modelfile } from "./companions.ts"
import { type MergedTensor, mergedTensors, nameIn } from "./merged-tensors.ts"
import { type MixtureName, mixtures, typeOf } from "./mixtures.ts"

/** What a causal model says of a few texts: the exported file against the run. */
const texts = [
  "The quick brown fox jumps over the lazy dog.",
  "In 2024, about 37% of the 1,250 answers were given in words that few had expected.",
  "def add(a, b):\n    return a + b"
]

/** Tokens of a text at most: a row of logits is as long as the vocabulary. */
const MOST = 16

/** Returns a function that computes the logits of all tokens of texts, [tokens, vocabulary]. */
export const logitsOfTexts = (adapted: Adapted<CausalModel>) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { model } = adapted
    const parts: Array<Float32Array> = []
    for (const [done, text] of texts.entries()) {
      yield* working("computing logits to compare", { done, of: texts.length, unit: "texts" })
      const ids = model.tokenizer.encode(text, { special: true }).slice(0, Math.min(MOST, model.maxLength))
      if (ids.length === 0) continue
      const logits: Tensor2D = tf.tidy(() => {
        const { input } = model.toDevice(rowOf(ids))
        const output = adapted.forward(input, adapted.trainable)
        return logitsOf(output.hidden, output)
      })
      const values = yield* readTensor(logits, "logits of the export's check").pipe(
        Effect.ensuring(Effect.sync(() => logits.dispose()))
      )
      parts.push(values as Float32Array)
    }
    yield* device.sync
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  })

const rowOf = (ids: ReadonlyArray<number>) => ({
  size: 1,
  length: ids.length,
  inputIds: Int32Array.from(ids),
  labels: new Int32Array(ids.length).fill(IGNORED),
  segments: new Int32Array(ids.length),
  positions: Int32Array.from(ids.keys()),
  tokens: ids.length
})

const ADAPTER = "adapter"
type FileName = MixtureName | typeof ADAPTER

/** Options of the GGUF format, as listed in `formats.ts`. */
export interface GgufOptions extends FormatOptions {
  readonly type: FormatOption & { readonly values: readonly [FileName, ...ReadonlyArray<FileName>] }
}

const merged = (types: ReadonlyArray<FileName>): ReadonlyArray<MixtureName> => types.filter((type) => type !== ADAPTER)

/** What a run's kind knows of a decoder. */
const isDecoder = (model: object): model is CausalDescription => "decoder" in model && "eosIds" in model

export const ggufWriter: ExportWriter<GgufOptions> = {
  obstacle: ({ kind, plan, model }, { type: types }) =>
    Effect.gen(function* () {
      if (kind.generation === undefined || !isDecoder(model)) {
        return `is of data.format "${plan.data.format}", but GGUF export supports decoder (text-generation) models only: use --format huggingface`
      }
      const { config } = yield* openSource(model.source)
      const ggufModel = ggufModelOf(model.family, config)
      if ("reason" in ggufModel) return `its base ${ggufModel.reason}: use --format huggingface`
      const lacking = model.parameters.filter(({ name }) => nameIn(ggufModel, model, name) === undefined)
      if (lacking.length > 0) {
        return `its base has ${lacking[0]!.name}, which llama.cpp's ${ggufModel.writing.architecture.name} does not: use --format huggingface`
      }
      if (!types.includes(ADAPTER)) return undefined
      const { parameters } = yield* Effect.fromResult(selectSites(plan, model))
      return adapterObstacle(plan.adapter, parameters)
    }),

  write: (run, folder, { type: types }) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const name = path.basename(path.resolve(run.directory))
      const fileOf = (type: FileName) => `${name}-${type}.gguf`
      const ggufExport = yield* Effect.scoped(writeFiles(run, folder, types, name, fileOf))
      const cards: Array<FileCard> = []
      for (const type of types) {
        cards.push(
          type === ADAPTER
            ? { type, file: fileOf(type), label: "the adapter, in F32", check: null }
            : {
                type,
                file: fileOf(type),
                label: mixtures[type].label,
                check: yield* checked(run, ggufExport, path.join(folder, fileOf(type)), type)
              }
        )
      }
      yield* writeFileAtomic(path.join(folder, "Modelfile"), ggufExport.modelfile)
      const { base, writes, notes } = ggufExport
      const facts = { name, base, files: cards, writes, notes }
      yield* writeFileAtomic(path.join(folder, "README.md"), ggufCard(facts))
      return {
        lines: [
          ...cards.flatMap(({ file, check }) =>
            check === null
              ? []
              : [
                  `${file}: logits differ from the run's by at most ${scientific(check.relativeDifference, 2)} of the largest; ${check.sameLabel} of ${check.rows} next tokens are the same.`
                ]
          ),
          ...notes,
          "Modelfile is Ollama's; README.md shows how to use the files."
        ],
        json: {
          checks: Object.fromEntries(cards.flatMap(({ type, check }) => (check === null ? [] : [[type, check]])))
        }
      }
    })
}

interface ExportedFiles {
  /** [tokens, vocabulary] of the run */
  readonly logits: Float32Array
  readonly width: number
  readonly modelfile: string
  /** the base's name */
  readonly base: string
  /** it was trained on conversations */
  readonly writes: "chat" | "text"
  /** what llama.cpp does otherwise */
  readonly notes: ReadonlyArray<string>
}

/** The run's model lives no longer than its files are written. */
const writeFiles = (
  run: DescribedRun,
  folder: string,
  types: ReadonlyArray<FileName>,
  name: string,
  fileOf: (type: FileName) => string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const loaded = yield* run.open
    const { adapted } = loaded.kind.generation!.writing(loaded)
    const causalModel = adapted.model
    const source = yield* openSource(causalModel.source)
    const { chatTemplate: template } = causalModel.tokenizer
    const model = ggufModelOf(causalModel.family, source.config)
    if ("reason" in model) return yield* refusedAs(run, `its base ${model.reason}`)
    const mixed = merged(types)
    if (mixed.length > 0) {
      const metadata = yield* ggufMetadata(source, causalModel, model, causalModel.tokenizer)
      if ("reason" in metadata) return yield* refusedAs(run, `its base ${metadata.reason}`)
      const { tensors } = mergedTensors(adapted, source, model)
      for (const type of mixed) {
        const all = new Map([
          ...metadata,
          // llama.cpp's Jinja has no generation tags
          ...(template === null || template === storedChatTemplate(source)
            ? []
            : [["tokenizer.chat_template", encoded.string(withoutGenerationTags(template))] as const]),
          ["general.name", encoded.string(name)],
          ["general.file_type", encoded.u32(mixtures[type].fileType)],
          ["general.quantization_version", encoded.u32(2)]
        ] as const)
        yield* writeMixture(path.join(folder, fileOf(type)), type, all, tensors, causalModel)
      }
    }
    if (types.includes(ADAPTER)) yield* writeAdapter(path.join(folder, fileOf(ADAPTER)), adapted, model, name)
    const base = path.basename(causalModel.source)
    const onGguf = base.endsWith(".gguf")
    const exportedFiles: ExportedFiles = {
      logits: mixed.length === 0 ? new Float32Array(0) : yield* logitsOfTexts(adapted),
      width: causalModel.vocabularySize,
      base,
      notes: model.notes,
      writes: causalModel.tokenizer.chatTemplate === null ? "text" : "chat",
      modelfile: modelfile({
        ...(mixed[0] !== undefined
          ? { from: fileOf(mixed[0]), adapter: null }
          : {
              from: onGguf ? base : "base.gguf",
              note: onGguf ? "the base's file, next to this one" : "the base as a GGUF file, next to this one",
              adapter: fileOf(ADAPTER)
            }),
        tokenizer: causalModel.tokenizer,
        eosIds: causalModel.eosIds
      })
    }
    return exportedFiles
  })

const refusedAs = (run: DescribedRun, reason: string) => new ExportRefused({ place: run.directory, reason })

const writeMixture = (
  file: string,
  type: MixtureName,
  metadata: ReadonlyMap<string, EncodedValue>,
  tensors: ReadonlyMap<string, MergedTensor>,
  { layers, tied }: Pick<CausalModel, "layers" | "tied">
) => {
  const stored = new Map(
    [...tensors].map(([name, { shape, values }]) => [
      name,
      { shape, values, type: typeOf(type, name, shape, { blocks: layers, tied }) }
    ])
  )
  return writeGguf(file, metadata, stored, bytesOf)
}

/** A tensor's bytes; halves end at 65504. */
const bytesOf = <E, R>(name: string, { values, type }: TensorToStore<E, R>) =>
  Effect.flatMap(values, (data) => {
    const at = type.name === "F32" ? -1 : unwritableAt(data)
    if (at < 0) return Effect.succeed(type.encode(data))
    const reason = `has ${data[at]} at element ${at}, which ${type.name} cannot represent; export it with --type f32`
    return Effect.fail(new ExportRefused({ place: `tensor ${name}`, reason }))
  })

const writeAdapter = (file: string, adapted: Adapted<CausalModel>, model: GgufModel, name: string) =>
  Effect.gen(function* () {
    const { alpha, tensors } = yield* adapterTensors(adapted, model)
    const metadata = adapterMetadata(model.writing.architecture.name, name, alpha)
    yield* writeGguf(file, metadata, tensors, bytesOf)
  })

/** The file against the run. */
const checked = (run: DescribedRun, { logits, width }: ExportedFiles, file: string, type: MixtureName) =>
  Effect.gen(function* () {
    const again = yield* Effect.scoped(
      Effect.gen(function* () {
        return yield* logitsOfTexts(yield* unadapted(yield* openCausalModel(file)))
      })
    )
    const comparison = compareOutputs(logits, again, width, { answer: "next token" })
    const { bound } = mixtures[type]
    if (logits.length === again.length && comparison.relativeDifference <= bound) return comparison
    return yield* refusedAs(
      run,
      `as ${type} the model differs from the trained one: its logits differ by ${scientific(comparison.relativeDifference, 2)} of the largest (allowed: ${scientific(bound)}); nothing was written. Export on another device (--device wasm or cpu)`
    )
  })
