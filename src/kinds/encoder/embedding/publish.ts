/** Text embeddings: the adapter's model card, and a folder that sentence-transformers loads. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type Adapted, unadapted } from "../../../../adapters/index.ts"
import { fileError, writeJson } from "../../../files/index.ts"
import { familyOf, loadDescribed } from "../../../models/index.ts"
import {
  type CardParts,
  type CardSource,
  CHECKED_ROWS,
  changeOf,
  fenced,
  inTypeScript,
  peftReader,
  python,
  writeMerged
} from "../../../output/index.ts"
import type { Publisher, Runner, Served, Trained } from "../../contract/index.ts"
import { mergedRun } from "../../contract/merged-run.ts"
import { script } from "../../contract/served.ts"
import { longestText } from "../resolve.ts"
import { applied, type Serving, servedText } from "../served.ts"
import { type RelatedSplit, textsOfRow } from "./data.ts"
import { type EmbeddingModel, embeddingModel, vectorsOf } from "./model.ts"
import { describeEmbedder, type RelatedPlan, type ResolvedRelatedPlan } from "./resolve.ts"
import { MODULES, POOLING_FOLDER, SENTENCE_CONFIG } from "./sentence-transformer.ts"

type Open = Runner<RelatedPlan, ResolvedRelatedPlan, EmbeddingModel, RelatedSplit>["splits"]

export const publishRelated: Publisher<RelatedPlan, ResolvedRelatedPlan, EmbeddingModel, RelatedSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: {
    of: ({ plan, adapted }) => servedEmbedder({ plan, adapted })
  },
  card: (source) => relatedCard(source),
  merge: (trained, splits, run, folder) => merged(trained, splits, run, folder)
}

const merged = (
  { plan, adapted, steps }: Trained<RelatedPlan, EmbeddingModel>,
  splits: Open,
  run: string,
  folder: string
) => {
  const { model } = adapted
  return mergedRun({
    adapted,
    run,
    base: model.folder,
    width: model.hiddenSize,
    words: { output: "coordinate", answer: null },
    splits: (model) => splits(model, plan),
    outputs: (model, source) => checkedVectors(model, plan, source),
    write: Effect.tap(writeMerged(adapted, folder), () => writeModules(model, longestText(plan, model), folder)),
    // the folder states how hidden states become vectors
    reopened: Effect.gen(function* () {
      const description = yield* describeEmbedder(folder)
      return yield* unadapted(embeddingModel(yield* loadDescribed(description, { seed: 0 })))
    }),
    card: {
      pipeline: "sentence-similarity",
      tags: ["sentence-transformers", "feature-extraction"],
      introduction: [
        `Embeds texts as vectors of ${model.hiddenSize} numbers: ${changeOf(adapted, { alone: "an encoder" })}, trained for ${steps} steps and merged into the base model.`
      ],
      weights: plan.model.weights,
      leftOut: "they are a head's",
      usage
    }
  })
}

/** Returns vectors [rows, hidden] of the first texts of the rows to compare, in their order. */
const checkedVectors = (adapted: Adapted<EmbeddingModel>, plan: RelatedPlan, source: RelatedSplit) =>
  Effect.flatMap(source.read(Array.from({ length: Math.min(CHECKED_ROWS, source.rows) }, (_, i) => i)), (rows) =>
    vectorsOf(
      adapted,
      rows.map((row) => textsOfRow(row)[0]!),
      { batchSize: plan.training.evaluateBatchSize, maxLength: longestText(plan, adapted.model) }
    )
  )

/** Writes sentence-transformers' files, in the spelling that all its versions read. */
const writeModules = ({ head, hiddenSize }: EmbeddingModel, maxLength: number, folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folders = [POOLING_FOLDER, ...(head.output === "normalized" ? ["2_Normalize"] : [])]
    for (const name of folders) {
      const created = path.join(folder, name)
      yield* fs.makeDirectory(created).pipe(Effect.mapError(fileError("write", created)))
    }
    const modules = ["Transformer", "Pooling", "Normalize"].slice(0, 1 + folders.length)
    yield* writeJson(
      path.join(folder, MODULES),
      modules.map((name, idx) => ({
        idx,
        name: `${idx}`,
        path: idx === 0 ? "" : folders[idx - 1],
        type: `sentence_transformers.models.${name}`
      }))
    )
    yield* writeJson(path.join(folder, POOLING_FOLDER, "config.json"), {
      word_embedding_dimension: hiddenSize,
      pooling_mode_cls_token: head.pooling === "first",
      pooling_mode_mean_tokens: head.pooling === "mean",
      pooling_mode_max_tokens: false,
      pooling_mode_mean_sqrt_len_tokens: false
    })
    yield* writeJson(path.join(folder, SENTENCE_CONFIG), { max_seq_length: maxLength, do_lower_case: false })
    yield* writeJson(path.join(folder, "config_sentence_transformers.json"), {
      prompts: {},
      default_prompt_name: null,
      similarity_fn_name: "cosine"
    })
  })

const usage: ReadonlyArray<string> = [
  "It loads in sentence-transformers:",
  "",
  fenced("python", [
    "from sentence_transformers import SentenceTransformer",
    "",
    'model = SentenceTransformer("path/to/this/folder")',
    'vectors = model.encode(["a text", "another"])',
    "print(model.similarity(vectors, vectors))"
  ])
]

const relatedCard = (source: CardSource<ResolvedRelatedPlan>): CardParts => {
  const { resolved } = source
  const { plan, model } = resolved
  const longest = longestText(plan, model)
  const { matryoshka } = plan.loss
  return {
    pipeline: "sentence-similarity",
    task: "sentence-similarity",
    alone: "An encoder",
    purpose: "to embed texts so that matching texts have similar vectors",
    settings: [
      ["maximum tokens per text", longest],
      ["dimensions of a vector", model.hiddenSize],
      ...(matryoshka === undefined ? [] : [["sizes to which vectors can be truncated", matryoshka.join(", ")] as const])
    ],
    loading: [
      `${peftReader(plan) === null ? "In Python, with transformers" : "In Python, with PEFT"}, from the folder in which training was started:`,
      fenced("python", pythonLines(source)),
      inTypeScript(source, 'embed(["a text"])')
    ].join("\n\n"),
    limits: `measures by cosine how similar two texts are, not whether either is true. Cosines of different models are not comparable. Texts are cut at ${longest} tokens.`
  }
}

const pythonLines = ({ resolved: { plan, model }, base, adapter }: CardSource<ResolvedRelatedPlan>) => {
  const reader = peftReader(plan)
  return [
    "import torch",
    ...(reader === null ? ["from safetensors.torch import load_file"] : ["from peft import PeftModel"]),
    "from transformers import AutoModel, AutoTokenizer",
    "",
    `base = ${python(base)}`,
    `adapter = ${python(adapter)}`,
    "tokenizer = AutoTokenizer.from_pretrained(base)",
    "model = AutoModel.from_pretrained(base, dtype=torch.float32)",
    reader === null
      ? 'model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)'
      : "model = PeftModel.from_pretrained(model, adapter)",
    "model.eval()",
    "",
    `batch = tokenizer(["a text", "another"], padding=True, truncation=True, max_length=${longestText(plan, model)}, return_tensors="pt")`,
    "with torch.no_grad():",
    "    hidden = model(**batch).last_hidden_state",
    ...(model.head.pooling === "mean"
      ? ['mask = batch["attention_mask"].unsqueeze(-1)', "vectors = (hidden * mask).sum(1) / mask.sum(1)"]
      : ["vectors = hidden[:, 0]"]),
    ...(model.head.output === "normalized" ? ["vectors = torch.nn.functional.normalize(vectors)"] : []),
    "print(torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0))"
  ]
}

/**
 * Describes outputs for other engines: vectors [batch, hidden] as sentence-transformers names them, and the hidden states for
 * transformers.js's pipeline.
 */
const servedEmbedder = (serving: Serving) => {
  const { model } = serving.adapted
  const forward = applied(model)
  const pooling = model.head.pooling === "mean" ? "mean" : "cls"
  const options = `{ pooling: "${pooling}", normalize: ${model.head.output === "normalized"} }`
  return Effect.succeed<Served>({
    ...servedText(serving),
    task: "feature-extraction",
    forward: (inputs, linear, weights) => {
      const { said, hidden } = forward(inputs, linear, weights)
      return { ...(hidden === undefined ? {} : { last_hidden_state: hidden }), sentence_embedding: said }
    },
    config: {
      architectures: [`${familyOf(model.family).className}Model`],
      id2label: undefined,
      label2id: undefined,
      problem_type: undefined
    },
    usage: [
      "The pipeline pools the last hidden states; with these options its vectors match those of the run. `sentence_embedding`, the model's other output, is already pooled.",
      "",
      script("pipeline", [
        'const embed = await pipeline("feature-extraction", "folder")',
        `const vectors = await embed(["a text", "another"], ${options})`
      ])
    ]
  })
}
