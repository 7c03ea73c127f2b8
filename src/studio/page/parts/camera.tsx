/** The camera, for as long as what uses it is shown: opened with the reader's permission, its frames as pictures, and released at the end. */
import type { RefObject } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import type { HostError } from "../host.ts"

type Problem = Pick<HostError, "message">

const NO_CAMERA =
  "This page cannot use the camera here: open the studio over https, or on this machine at http://localhost or http://127.0.0.1."

/** Why a camera does not open, by the name of the browser's error. */
const reasons: Readonly<Record<string, string>> = {
  NotAllowedError:
    "The browser does not let this page use the camera: allow it next to the page's address, then try again.",
  NotFoundError: "No camera was found: connect one, then try again.",
  NotReadableError: "Another program uses the camera: close it, then try again."
}

const problemOf = ({ name, message }: Error): Problem => ({
  message: reasons[name] ?? `The camera could not be opened: ${message || name}.`
})

/** Rejects with a problem. */
const openCamera = async (): Promise<MediaStream> => {
  // absent where the page is not secure
  const devices: MediaDevices | undefined = navigator.mediaDevices
  if (devices === undefined) throw { message: NO_CAMERA } satisfies Problem
  try {
    return await devices.getUserMedia({ audio: false, video: { width: { ideal: 640 }, facingMode: "user" } })
  } catch (error) {
    throw problemOf(error as Error)
  }
}

const release = (stream: MediaStream): void => {
  for (const track of stream.getTracks()) track.stop()
}

export interface Camera {
  readonly video: RefObject<HTMLVideoElement | null>
  /** its frames can be taken */
  readonly isReady: boolean
  readonly problem: Problem | undefined
  /** opens it again after a problem */
  readonly again: () => void
}

/** Opens the camera with the component, and releases it when the component leaves. */
export const useCamera = (): Camera => {
  const video = useRef<HTMLVideoElement>(null)
  const [round, setRound] = useState(0)
  const [isReady, setReady] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  useEffect(() => {
    let isWanted = true
    let opened: MediaStream | undefined
    setProblem(undefined)
    const fail = (failed: Problem) => {
      if (!isWanted) return
      setReady(false)
      setProblem(failed)
    }
    openCamera()
      .then(async (stream) => {
        // the component left while the reader was asked
        if (!isWanted) return release(stream)
        opened = stream
        const [track] = stream.getVideoTracks()
        track?.addEventListener("ended", () =>
          fail({ message: "The camera was disconnected: connect it, then try again." })
        )
        const element = video.current!
        element.srcObject = stream
        await element.play()
        if (isWanted) setReady(true)
      })
      .catch(fail)
    return () => {
      isWanted = false
      setReady(false)
      if (opened !== undefined) release(opened)
    }
  }, [round])
  return { video, isReady, problem, again: () => setRound((last) => last + 1) }
}

/** What the camera sees. Mirrored, as people see themselves; its pictures are not. */
export const Viewfinder = ({ video }: Pick<Camera, "video">) => (
  <video ref={video} class="viewfinder" aria-label="What the camera sees" muted playsInline />
)

/** Pixels of a picture's side: what models of images read has 224, and a crop of it as many. */
const SIDE = 256
const QUALITY = 0.9

/** The square in the middle of the current frame, as a JPEG file. */
export const takePicture = (video: HTMLVideoElement, name: string): Promise<File> => {
  const side = Math.min(video.videoWidth, video.videoHeight)
  const canvas = document.createElement("canvas")
  canvas.width = SIDE
  canvas.height = SIDE
  const [left, top] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2]
  canvas.getContext("2d")!.drawImage(video, left, top, side, side, 0, 0, SIDE, SIDE)
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) =>
        blob === null
          ? reject(new Error("the browser could not capture the frame"))
          : resolve(new File([blob], name, { type: "image/jpeg" })),
      "image/jpeg",
      QUALITY
    )
  )
}
