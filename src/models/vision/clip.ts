/**
 * CLIP's tower of images (Radford et al. 2021) under a classifier: a ViT with a norm under its first block too, quick GELU, and patches without
 * bias. As transformers' own class has it, the classifier sees the mean of the patches' last hidden states, which pass no norm; the class
 * token and the norm over it are for what is compared with texts.
 *
 * @see transformers `CLIPForImageClassification`
 */
import * as Schema from "effect/Schema"
import { ActivationName, configReader, Epsilon, maybe, withDefault } from "../config-reader.ts"
import { labelFields, labelsInOrder } from "../labels.ts"
import type { BlockNames } from "../transformer-block.ts"
import { type ImageFamily, towerConfig, towerFields } from "./image-family.ts"

/** Part of config.json about images. */
export const ClipVisionConfig = Schema.Struct({
  ...towerFields,
  patch_size: withDefault(towerFields.patch_size, 32),
  hidden_act: withDefault(ActivationName, "quick_gelu"),
  layer_norm_eps: withDefault(Epsilon, 1e-5)
})

const ClipConfig = Schema.Struct({
  vision_config: withDefault(ClipVisionConfig, {}),
  // the first configs have this too, and transformers prefers it
  vision_config_dict: maybe(ClipVisionConfig),
  ...labelFields
})

const TOWER = "vision_model"

/** Returns the module names of a block of either tower. */
export const clipBlock = (block: string): BlockNames => ({
  projections: [`${block}.self_attn.q_proj`, `${block}.self_attn.k_proj`, `${block}.self_attn.v_proj`],
  attentionOutput: `${block}.self_attn.out_proj`,
  attentionNorm: `${block}.layer_norm1`,
  inner: `${block}.mlp.fc1`,
  outer: `${block}.mlp.fc2`,
  feedForwardNorm: `${block}.layer_norm2`
})

/** CLIP as a classifier of images. */
export const clip: ImageFamily = {
  name: "clip",
  className: "CLIPForImageClassification",
  inPipeline: false,
  processor: "CLIPImageProcessor",
  prefix: "",
  open: configReader(ClipConfig, (file) =>
    towerConfig(file.vision_config_dict ?? file.vision_config, {
      labels: labelsInOrder(file),
      at: file.vision_config_dict == null ? "vision_config." : "vision_config_dict."
    })
  ),
  tower: {
    classToken: { name: `${TOWER}.embeddings.class_embedding`, shape: (hidden) => [hidden] },
    patches: { module: `${TOWER}.embeddings.patch_embedding`, bias: false },
    positions: {
      name: `${TOWER}.embeddings.position_embedding.weight`,
      shape: (positions, hidden) => [positions, hidden]
    },
    // its name is misspelt in every checkpoint
    normBefore: `${TOWER}.pre_layrnorm`,
    block: (layer) => clipBlock(`${TOWER}.encoder.layers.${layer}`)
  },
  pooling: { of: "patches" },
  storedNames: (name) => [name],
  currentName: (name) => name
}
