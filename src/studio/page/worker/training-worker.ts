/** A worker that trains one run, and is ended by who started it: what it held in memory goes with it. */
import { messageOf } from "../../../boundary/index.ts"
import type { Place, RunAsked, RunTold, StopAsked } from "./told.ts"
import { type Training, trainingHere } from "./trainer.ts"
import { fetchingText, openWorld } from "./world.ts"

const tell = (told: RunTold) => postMessage(told)

/** Gives what takes the wish to stop. */
export const openTrainingWorker = async (place: Place, run: RunAsked): Promise<(asked: StopAsked) => void> => {
  const none = () => {}
  try {
    const world = await openWorld(place.base, (...fetching) => tell({ kind: "note", text: fetchingText(...fetching) }))
    // then files are in the memory of another worker
    if (world.unkept !== null) throw new Error(world.unkept)
    const training: Training = trainingHere(place, world)(run, tell)
    return training.stop
  } catch (cause) {
    tell({ kind: "ended", message: messageOf(cause) })
    return none
  }
}
