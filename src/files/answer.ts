/** Responses of servers: the size of a body is unknown until it ends. */

/** Reads the body of a response. Returns undefined and stops reading if it has more than `most` bytes. */
export const readAnswer = async (response: Response, most: number): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  const reader = response.body?.getReader()
  const parts: Array<Uint8Array> = []
  let length = 0
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    length += part.value.length
    if (length > most) {
      await reader?.cancel()
      return undefined
    }
    parts.push(part.value)
  }
  const bytes = new Uint8Array(length)
  let place = 0
  for (const part of parts) {
    bytes.set(part, place)
    place += part.length
  }
  return bytes
}
