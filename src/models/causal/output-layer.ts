/** Names in transformers' own classes, where the output layer stands beside the backbone. */
/** The output layer's parameter, which has no prefix in any class. */
export const OUTPUT_LAYER = "lm_head.weight"

/** A parameter's or module's name in transformers' own class: what a PEFT adapter's keys are made of. */
export const causalClassName = ({ prefix }: { readonly prefix: string }, name: string): string =>
  name === OUTPUT_LAYER || `${name}.weight` === OUTPUT_LAYER ? name : prefix + name
