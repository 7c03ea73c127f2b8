/**
 * From the name of a model in a plan or on a command line, a Hugging Face folder or hf:owner/name, to its description, its tokenizer and the
 * loaded model.
 */

import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Files } from "../../files/index.ts"
import type { Sources } from "../../hub/hub.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { causalTokenizer } from "../causal/causal-tokenizer.ts"
import { tokenizerFiles } from "../causal/tokenizer-files.ts"
import { familyIn, readJson } from "../checkpoint.ts"
import { type LoadFolderOptions, loadFolder, noHead, storedIn } from "../folder-model.ts"
import { ModelError } from "../model.ts"
import { placeOf, WeightlessFolders } from "../source.ts"
import { seq2seqFamilies } from "./families.ts"
import type { Seq2SeqDescription, Seq2SeqFamily, Seq2SeqModel } from "./seq2seq-model.ts"

/** Describes a model from its config and the headers of its weights. */
export const describeSeq2Seq = (source: string): Effect.Effect<Seq2SeqDescription, ModelError, Sources> =>
  Effect.gen(function* () {
    const folder = yield* placeOf(source)
    const config = yield* readJson(folder, "config.json")
    const failed = (problems: ReadonlyArray<string>) => new ModelError({ folder, problems })
    const family = familyIn<Seq2SeqFamily>(config, seq2seqFamilies)
    if (typeof family === "string") return yield* failed([family])
    const opened = family.open(config)
    if (Result.isFailure(opened)) return yield* failed(opened.failure)
    const network = opened.success
    const { embedding, outputLayer, otherNames, encode, decode, parameters, ...facts } = network
    const namesOf = (name: string) => [name, ...(otherNames[name] ?? [])]
    const byConfigAlone = (yield* WeightlessFolders) && !network.tied
    const places = yield* storedIn(folder, parameters, namesOf, new Set(byConfigAlone ? [] : [outputLayer]))
    const tied = !places.stored.has(outputLayer)
    return {
      ...facts,
      ...places,
      folder,
      network,
      parameters: parameters.filter(({ name }) => places.stored.has(name)),
      head: { ...noHead, parameters: [] },
      prefix: "",
      tied,
      exported: {
        task: "SEQ_2_SEQ_LM",
        nameOf: (name) => name,
        otherPrefix: "",
        modulesToSave: [],
        ownHead: false,
        inBase: new Set(),
        tiedTo: (name) => (name === embedding ? [...namesOf(name).slice(1), ...(tied ? [outputLayer] : [])] : []),
        fanInFanOut: false
      }
    }
  })

const SENTENCE_PIECE = "spiece.model"

/** Creates the folder's tokenizer, which ends every text with its end-of-text token if special tokens are requested. */
export const seq2seqTokenizer = ({
  folder,
  vocabularySize
}: Pick<Seq2SeqDescription, "folder" | "vocabularySize">): Effect.Effect<CausalTokenizer, ModelError, Files> =>
  Effect.gen(function* () {
    const files = yield* tokenizerFiles(folder)
    if (files.tokenizer !== null) return yield* causalTokenizer({ where: folder, ...files }, { vocabularySize })
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const there = yield* fs.exists(path.join(folder, SENTENCE_PIECE)).pipe(Effect.orElseSucceed(() => false))
    const problem = there
      ? `tokenizer.json: no such file, and ${SENTENCE_PIECE} is not supported; create it with transformers: AutoTokenizer.from_pretrained("${folder}").save_pretrained("${folder}")`
      : "tokenizer.json: no such file; a model needs its tokenizer to read text"
    return yield* new ModelError({ folder, problems: [problem] })
  })

/** Options for loading an encoder-decoder. */
export interface LoadSeq2SeqOptions extends LoadFolderOptions {
  /** tokenizer to use instead of the folder's own, which is then not read */
  readonly tokenizer?: CausalTokenizer
}

/** Loads tokenizer and weights of a described model; the weights live as long as the scope. Requires an open device. */
export const loadSeq2Seq = (
  description: Seq2SeqDescription,
  { tokenizer: givenTokenizer, ...options }: LoadSeq2SeqOptions
): Effect.Effect<Seq2SeqModel, ModelError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const { network, tied } = description
    const tokenizer = givenTokenizer ?? (yield* seq2seqTokenizer(description))
    const { weights, packed } = yield* loadFolder(description, options)
    const unembedding = tied ? network.embedding : network.outputLayer
    return {
      ...description,
      tokenizer,
      weights,
      packed,
      toDevice: seq2seqToDevice(network),
      forward: (input, linear, parametersNow, runBlock) => {
        const hidden = tf.tidy(() => {
          const read = input.attend?.sourcesRead === true
          const encoded = read ? null : network.encode(input, linear, parametersNow, runBlock)
          return network.decode(input, encoded, linear, parametersNow, runBlock)
        })
        return { hidden, weight: parametersNow(unembedding) as tf.Tensor2D, softcap: null }
      }
    }
  })

/** Opens, describes and loads a model; its weights live as long as the scope. */
export const openSeq2SeqModel = (source: string, options: LoadSeq2SeqOptions) =>
  Effect.flatMap(describeSeq2Seq(source), (description) => loadSeq2Seq(description, options))

/** Uploads a batch; the caller's tidy owns the tensors. Throws for an id without a row in the embedding. */
export const seq2seqToDevice =
  ({ vocabularySize }: Pick<Seq2SeqDescription, "vocabularySize">): Seq2SeqModel["toDevice"] =>
  ({ size, sourceLength, targetLength, inputIds, attentionMask, decoderInputIds, labels }) => {
    for (const ids of [inputIds, decoderInputIds]) {
      // a lookup beyond a table's end reads whatever is there; wasm does not report it
      const wrong = ids.find((id) => id < 0 || id >= vocabularySize)
      if (wrong !== undefined)
        throw new RangeError(`token id ${wrong} has no row: the model's table has ${vocabularySize}`)
    }
    return {
      input: {
        inputIds: tf.tensor2d(inputIds, [size, sourceLength], "int32"),
        attentionMask: tf.tensor2d(attentionMask, [size, sourceLength], "float32"),
        decoderInputIds: tf.tensor2d(decoderInputIds, [size, targetLength], "int32")
      },
      target: tf.tensor1d(labels, "int32")
    }
  }
