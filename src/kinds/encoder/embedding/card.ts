/** An embedding model's part of its adapter's model card, with the code that makes the same vectors in Python. */
import { type CardParts, type CardSource, fenced, inTypeScript, peftReader, python } from "../../../output/index.ts"
import { longestText } from "../resolve.ts"
import type { ResolvedRelatedPlan } from "./resolve.ts"

export const relatedCard = (source: CardSource<ResolvedRelatedPlan>): CardParts => {
  const { resolved } = source
  const { plan, model } = resolved
  const longest = longestText(plan, model)
  const { matryoshka } = plan.loss
  return {
    pipeline: "sentence-similarity",
    task: "sentence-similarity",
    alone: "An encoder",
    purpose: "to give texts vectors of which those that belong together point the same way",
    settings: [
      ["tokens of a text at most", longest],
      ["numbers of a vector", model.hiddenSize],
      ...(matryoshka === undefined ? [] : [["sizes that vectors may be cut to", matryoshka.join(", ")] as const])
    ],
    loading: [
      `${peftReader(plan) === null ? "In Python, with transformers" : "In Python, with PEFT"}, from the folder that training was started in:`,
      fenced("python", pythonLines(source)),
      inTypeScript(source, 'embed(["a text"])')
    ].join("\n\n"),
    limits: `says by a cosine how alike two texts are, not whether either is true; a cosine of one model is not comparable with another's. Texts are cut at ${longest} tokens.`
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
