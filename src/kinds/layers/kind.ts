/** What `validate` and `train` say of every `tf.LayersModel`, and what a kind of runs over one is made of. */
import type { ClassificationData } from "../../data/index.ts"
import type { Detecting, Suggesting } from "../../suggest/index.ts"
import type { RunKind } from "../contract/index.ts"
import { classFacts, classWords } from "../rows/classes.ts"
import type { CalledRows } from "./card.ts"
import { describeLayers, resolveLayers } from "./resolve.ts"
import type { LayersPlan, LayersRows, ResolvedLayersPlan } from "./rows.ts"

interface LayersKind<Plan extends LayersPlan, Data extends ClassificationData, Ready> {
  readonly rows: LayersRows<Plan, Data, Ready>
  readonly called: CalledRows
  readonly suggesting: Suggesting<ResolvedLayersPlan<Plan, Data>>
  readonly detecting: Detecting
  /** what `predict` is given, as words of a shell */
  readonly asked: string
  /** what `validate` says of images */
  readonly images?: (data: Data) => { readonly text: string; readonly json: object }
}

export const layersKind = <Plan extends LayersPlan, Data extends ClassificationData, Ready>({
  rows,
  called,
  suggesting,
  detecting,
  asked,
  images
}: LayersKind<Plan, Data, Ready>) =>
  ({
    ...classFacts,
    resolve: resolveLayers(rows),
    describe: describeLayers,
    baseOf: (_, { source }) => source,
    labelsOf: ({ labels }) => labels,
    words: {
      model: ({ name, layers, inputShape }) =>
        `the LayersModel ${name} (${layers} layers, ${called.shaped(inputShape.join("×"))})`,
      modelName: ({ name }) => name,
      untrained: () => "the model as it was",
      ...classWords,
      unit: called.unit,
      lines: ({ data }) => (images === undefined ? {} : { images: images(data).text }),
      json: ({ model: { name, source, labels, inputShape }, data }) => ({
        model: { name, source, labels, inputShape },
        ...(images === undefined ? {} : { images: images(data).json })
      })
    },
    suggesting,
    detecting,
    next: (_, run) => `predict ${run} ${asked}`,
    runner: () => import("./run.ts").then(({ layersRunner }) => layersRunner(rows)),
    publisher: () => import("./publish.ts").then(({ layersPublisher }) => layersPublisher(rows, called))
  }) satisfies RunKind<Plan, ResolvedLayersPlan<Plan, Data>>
