/** Predictions for the webcam: one frame at a time, the next one after the last prediction. */
import { useEffect, useState } from "preact/hooks"
import type { AnswerPair } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { takePicture, useCamera, Viewfinder } from "../../parts/camera.tsx"
import { Status, Trouble } from "../../parts/loading.tsx"
import { useSettled, useStudio } from "../../use.ts"
import { Bars } from "./Bars.tsx"
import { readPicture } from "./Field.tsx"

/** minimum interval between frames, in ms */
const PERIOD = 250

interface LiveProps {
  readonly id: string
  /** the name of the field that takes pictures */
  readonly field: string
}

const Watching = ({ id, field }: LiveProps) => {
  const { host } = useStudio()
  const { video, isReady, problem, again } = useCamera()
  const [answer, setAnswer] = useState<AnswerPair["trained"]>()
  const [failure, setFailure] = useState<HostError>()
  const [round, setRound] = useState(0)
  // announced once it is stable
  const settled = useSettled(answer?.label ?? "")
  useEffect(() => {
    if (!isReady) return
    const stop = new AbortController()
    const { signal } = stop
    setFailure(undefined)
    const watch = async () => {
      while (!signal.aborted) {
        const next = performance.now() + PERIOD
        const picture = await readPicture(await takePicture(video.current!, "frame.jpg"))
        const [pair] = await host.call("ask", { id, rows: [{ [field]: picture }], sides: ["trained"] }, { signal })
        if (signal.aborted) return
        setAnswer(pair!.trained)
        await new Promise((resolve) => setTimeout(resolve, next - performance.now()))
      }
    }
    watch().catch((failed: HostError) => {
      if (!signal.aborted) setFailure(failed)
    })
    return () => stop.abort()
  }, [isReady, round])
  return (
    <div class="live">
      <Trouble problem={problem} again={again} />
      <Trouble problem={failure} again={() => setRound((last) => last + 1)} />
      <Viewfinder video={video} />
      {answer === undefined ? (
        <p class="quiet">{isReady ? "Waiting for the first prediction …" : "Opening the camera …"}</p>
      ) : (
        <div class="card">
          <p class="label">{answer.label}</p>
          <Bars
            shares={answer.shares.toSorted((a, b) => a.name.localeCompare(b.name))}
            label="Probabilities, live"
            isWhole
          />
        </div>
      )}
      <Status>{settled}</Status>
    </div>
  )
}

/** The camera opens only when its button is pressed. */
export const Live = (props: LiveProps) => {
  const [isOn, setOn] = useState(false)
  return (
    <section aria-label="Webcam">
      <button type="button" onClick={() => setOn(!isOn)}>
        {isOn ? "Stop the webcam" : "Use the webcam"}
      </button>
      {isOn ? <Watching {...props} /> : null}
    </section>
  )
}
