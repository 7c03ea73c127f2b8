/** Pairs of answers and a causal language model: values of a plan, as of conversations, but for the loss and its rate. */
import { type Choice, findings, knobs, measured, rates, type Suggesting } from "../../../suggest/index.ts"
import { cautions, chooseCausal, languageFacts, suggestCausal } from "../causal/suggest.ts"
import { estimateMemory } from "../resolve.ts"
import { type ResolvedPreferencePlan, SEQUENCES } from "./resolve.ts"

const loss: Choice = {
  path: "loss.kind",
  value: "dpo",
  reason:
    "each pair moves the model away from what it was by as much as the pair asks for; with orpo, which needs no model to compare with, the better answers are learned by heart too"
}

/** Of what conversations are given: nothing is packed, and a preference has a rate of its own. */
const ofPairs = (choice: Choice): ReadonlyArray<Choice> => {
  if (choice.path === "data.packing") return []
  if (choice.path !== "optimizer.learningRate") return [choice]
  return [measured(choice.path, rates.preference, "", findings.preferenceRate)]
}

export const suggestPreference: Suggesting<ResolvedPreferencePlan> = {
  uncut: suggestCausal.uncut,
  heldOut: suggestCausal.heldOut,
  choose(seen, held) {
    const facts = { ...languageFacts("chat", seen, held), sequences: SEQUENCES }
    const choices = [loss, ...chooseCausal(facts).flatMap(ofPairs)]
    return { choices, cautions: cautions(facts, choices) }
  },
  turns: (choices) => knobs(choices, { method: null, packing: findings.decoderPacking, blocks: true, shortest: 64 }),
  estimate: (plan, { model, trainable, selected }) => estimateMemory(plan, model, trainable, selected.sites, SEQUENCES)
}
