/** Python that uses what a run left: the adapter over its base, and the merged folder. */
import { peftReader, python } from "../../output/index.ts"

type Plan = Parameters<typeof peftReader>[0]

export interface AdapterPlace {
  readonly plan: Plan
  readonly base: string
  readonly adapter: string
  readonly labels: ReadonlyArray<string>
}

export const photo = 'image = Image.open("photo.jpg").convert("RGB")'

/** An adapter under transformers' class with a linear head. */
export const classifierLines = ({ plan, base, adapter, labels }: AdapterPlace): ReadonlyArray<string> => {
  const isPeft = peftReader(plan) !== null
  return [
    "import torch",
    "from PIL import Image",
    ...(isPeft ? ["from peft import PeftModel"] : ["from safetensors.torch import load_file"]),
    "from transformers import AutoImageProcessor, AutoModelForImageClassification",
    "",
    `base = ${python(base)}`,
    `adapter = ${python(adapter)}`,
    `labels = ${JSON.stringify(labels)}`,
    "processor = AutoImageProcessor.from_pretrained(base)",
    "model = AutoModelForImageClassification.from_pretrained(",
    "    base, num_labels=len(labels), ignore_mismatched_sizes=True, dtype=torch.float32)",
    isPeft
      ? "model = PeftModel.from_pretrained(model, adapter)"
      : 'model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)',
    "model.eval()",
    "",
    photo,
    "with torch.no_grad():",
    '    logits = model(**processor(image, return_tensors="pt")).logits',
    "print(labels[logits.argmax(-1).item()])"
  ]
}

/** A merged folder as transformers' pipeline for images. */
export const pipelineLines: ReadonlyArray<string> = [
  "from transformers import pipeline",
  "",
  'classify = pipeline("image-classification", model="path/to/this/folder")',
  'print(classify("photo.jpg"))'
]
