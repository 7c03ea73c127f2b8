/** CLIP with its zero-shot head: embeddings of the labels by its text tower are the classifier's weights. */
import * as Effect from "effect/Effect"
import { describeZeroShot, imageFamilies, loadZeroShot, readProcessing } from "../../models/vision/index.ts"
import { peftReader, python } from "../../output/index.ts"
import { photo, type TaskOf } from "./image-task.ts"

/** transformers class */
const CLASS = "CLIPModel"

const adapted = { vision: "image tower adapted", both: "both towers adapted" } as const

export const zeroShot: TaskOf<"zero-shot"> = {
  alone: "CLIP's zero-shot head",
  pipeline: "zero-shot-image-classification",
  python: (task, { plan, base, adapter, labels }) => {
    const isPeft = peftReader(plan) !== null
    return lines(task, labels, {
      imports: isPeft ? ["from peft import PeftModel"] : ["from safetensors.torch import load_file"],
      places: [`base = ${python(base)}`, `adapter = ${python(adapter)}`],
      model: [
        isPeft
          ? "model = PeftModel.from_pretrained(model, adapter)"
          : 'model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)'
      ]
    })
  },
  mergedPython: (task, labels) =>
    lines(task, labels, { imports: [], places: ['base = "path/to/this/folder"'], model: [] }),
  describe: ({ source, task }, labels = []) =>
    Effect.gen(function* () {
      const { length: count } = task.templates
      const described = yield* describeZeroShot(source, { ...task, labels })
      const { frozenText, text, prompts, notes: prompted } = described.zeroShot
      const { processing, notes } = yield* readProcessing(described, imageFamilies.clip.processor)
      return {
        ...described,
        title: `${described.family}, zero-shot by ${count === 1 ? "one template" : `${count} templates`}, ${adapted[task.towers]}`,
        untrained: "zero-shot CLIP",
        className: CLASS,
        inPipeline: false,
        processing,
        textTower: frozenText === null ? { ...text.config, size: prompts.length, length: longest(prompts) } : undefined,
        notes: [...notes, ...prompted],
        load: (options) => loadZeroShot(described, options)
      }
    }),
  suits: ({ model_type, architectures }) =>
    model_type === imageFamilies.clip.name && Array.isArray(architectures) && architectures.includes(CLASS)
      ? {
          path: "model.task",
          value: { kind: "zero-shot", templates: ["a photo of a {}."] },
          reason: `the folder has both CLIP towers: training starts from CLIP's zero-shot classifier, whose prompts contain the label names. For a new linear head use "task": { "kind": "image-classification" }`,
          source: "as in the CLIP experiments of arXiv 2407.18242"
        }
      : undefined,
  standIns: () => ["0", "1"],
  config: ({ className }) => ({ architectures: [className] })
}

const longest = (prompts: ReadonlyArray<ReadonlyArray<number>>): number =>
  prompts.reduce((most, { length }) => Math.max(most, length), 0)

interface Parts {
  readonly imports: ReadonlyArray<string>
  readonly places: ReadonlyArray<string>
  /** lines of Python that change `model` after it is loaded */
  readonly model: ReadonlyArray<string>
}

const lines = (
  { templates }: { readonly templates: ReadonlyArray<string> },
  labels: ReadonlyArray<string>,
  { imports, places, model }: Parts
): ReadonlyArray<string> => [
  "import torch",
  "from PIL import Image",
  ...imports,
  "from transformers import AutoProcessor, CLIPModel",
  "",
  ...places,
  `labels = ${JSON.stringify(labels)}`,
  `templates = ${JSON.stringify(templates)}`,
  "processor = AutoProcessor.from_pretrained(base)",
  "model = CLIPModel.from_pretrained(base, dtype=torch.float32)",
  ...model,
  "model.eval()",
  "",
  photo,
  'texts = [template.replace("{}", label) for label in labels for template in templates]',
  'inputs = processor(text=texts, images=image, padding=True, truncation=True, return_tensors="pt")',
  "with torch.no_grad():",
  "    output = model(**inputs)",
  "    weights = output.text_embeds.reshape(len(labels), len(templates), -1).mean(1)",
  "    weights = weights / weights.norm(dim=-1, keepdim=True)",
  "    logits = model.logit_scale.exp() * output.image_embeds @ weights.T",
  "print(labels[logits.argmax(-1).item()])"
]
