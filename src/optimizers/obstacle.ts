/** What keeps an optimizer from its first step, with these parameters on the device in use. */
import * as Schema from "effect/Schema"
import { cut } from "../boundary/index.ts"

/** An optimizer that cannot move these parameters, with the reason and what to do. */
export class OptimizerObstacle extends Schema.TaggedError<OptimizerObstacle>()("OptimizerObstacle", {
  /** what was found, what was expected and what to do */
  obstacle: Schema.String
}) {
  override get message() {
    return `the optimizer cannot take a step here: ${cut(this.obstacle, 600)}`
  }
}
