/** A model as `select` sees one: the names and shapes of a two-layer BERT, nothing else. */
import type { ModelDescription } from "../../src/models/model.ts"
import type { LinearSite } from "../../src/tensors/trainable.ts"

const HIDDEN = 32
const INTERMEDIATE = 64

const block = (layer: number): ReadonlyArray<LinearSite> => {
  const site = (name: string, out = HIDDEN, inputs = HIDDEN): LinearSite => ({
    name: `encoder.layer.${layer}.${name}`,
    kind: "dense",
    part: name.startsWith("attention") ? "attention" : "mlp",
    out,
    in: inputs
  })
  return [
    site("attention.self.query"),
    site("attention.self.key"),
    site("attention.self.value"),
    site("attention.output.dense"),
    site("intermediate.dense", INTERMEDIATE, HIDDEN),
    site("output.dense", HIDDEN, INTERMEDIATE)
  ]
}

const norm = (name: string) => [
  { name: `${name}.weight`, shape: [HIDDEN] },
  { name: `${name}.bias`, shape: [HIDDEN] }
]

const sites = [...block(0), ...block(1)]

export const described: Pick<ModelDescription, "sites" | "parameters" | "prefix"> = {
  prefix: "bert.",
  sites,
  parameters: [
    { name: "embeddings.word_embeddings.weight", shape: [120, HIDDEN] },
    ...norm("embeddings.LayerNorm"),
    ...sites.flatMap(({ name, out, in: inputs }) => [
      { name: `${name}.weight`, shape: [out, inputs] },
      { name: `${name}.bias`, shape: [out] }
    ]),
    ...[0, 1].flatMap((layer) => norm(`encoder.layer.${layer}.attention.output.LayerNorm`))
  ]
}

/** The short name of a site, without what all names share: `0.attention.self.query`. */
export const short = (name: string): string => name.replace("encoder.layer.", "")
