/**
 * ViT (Dosovitskiy et al. 2020): patches, a class token and learned positions under a pre-norm transformer, and a classifier over the class
 * token's last hidden state.
 *
 * Modules have the names of transformers 5 (`vit.layers.0.attention.q_proj`), under which PEFT writes adapters. Files of weights have those of
 * before (`vit.encoder.layer.0.attention.attention.query`), which transformers still writes; a `ViTModel`'s file has them without `vit.`.
 *
 * @see transformers `ViTForImageClassification`
 */
import * as Schema from "effect/Schema"
import { ActivationName, configReader, Epsilon, withDefault } from "../config-reader.ts"
import { labelFields, labelsInOrder } from "../labels.ts"
import { CLASSIFIER, type ImageFamily, towerConfig, towerFields } from "./image-family.ts"

const ViTConfig = Schema.Struct({
  ...towerFields,
  patch_size: withDefault(towerFields.patch_size, 16),
  hidden_act: withDefault(ActivationName, "gelu"),
  layer_norm_eps: withDefault(Epsilon, 1e-12),
  qkv_bias: withDefault(Schema.Boolean, true),
  ...labelFields
})

/** Modules of a block: today's names, and those of before. */
const RENAMED = [
  ["attention.q_proj", "attention.attention.query"],
  ["attention.k_proj", "attention.attention.key"],
  ["attention.v_proj", "attention.attention.value"],
  ["attention.o_proj", "attention.output.dense"],
  ["mlp.fc1", "intermediate.dense"],
  ["mlp.fc2", "output.dense"]
] as const

type Spelling = 0 | 1

const STARTS = ["layers.", "encoder.layer."] as const
const [NOW] = STARTS

/** A name of a block's part in the other spelling; other names are the same in both. */
const respelled = (name: string, from: Spelling, to: Spelling): string => {
  const [, layer, rest] = name.startsWith(STARTS[from])
    ? (/^(\d+)\.(.*)$/.exec(name.slice(STARTS[from].length)) ?? [])
    : []
  if (rest === undefined) return name
  const pair = RENAMED.find((renamed) => `${rest}.`.startsWith(`${renamed[from]}.`))
  return `${STARTS[to]}${layer}.${pair === undefined ? rest : pair[to] + rest.slice(pair[from].length)}`
}

const PREFIX = "vit."

/** ViT. */
export const vit: ImageFamily = {
  name: "vit",
  className: "ViTForImageClassification",
  inPipeline: true,
  processor: "ViTImageProcessor",
  prefix: PREFIX,
  open: configReader(ViTConfig, (file) =>
    towerConfig(file, { bias: { projection: file.qkv_bias }, labels: labelsInOrder(file) })
  ),
  tower: {
    classToken: { name: "embeddings.cls_token", shape: (hidden) => [1, 1, hidden] },
    patches: { module: "embeddings.patch_embeddings.projection", bias: true },
    positions: { name: "embeddings.position_embeddings", shape: (positions, hidden) => [1, positions, hidden] },
    normBefore: null,
    block: (layer) => {
      const block = `${NOW}${layer}`
      return {
        projections: [`${block}.attention.q_proj`, `${block}.attention.k_proj`, `${block}.attention.v_proj`],
        attentionOutput: `${block}.attention.o_proj`,
        attentionNorm: `${block}.layernorm_before`,
        inner: `${block}.mlp.fc1`,
        outer: `${block}.mlp.fc2`,
        feedForwardNorm: `${block}.layernorm_after`
      }
    }
  },
  pooling: { of: "class", norm: "layernorm" },
  storedNames: (name) => {
    if (name.startsWith(`${CLASSIFIER}.`)) return [name]
    const old = respelled(name, 0, 1)
    return [PREFIX + old, PREFIX + name, old, name]
  },
  currentName: (name) => respelled(name, 1, 0)
}
