/**
 * What stands in the slots of the sentences: `{room}`, for one. Training says the values before the bar; validation and test say those after it, of
 * which training says none. A list without a bar serves all three: numbers.
 */

const lists = {
  room: "kitchen; bedroom; living room; hall; bathroom; garage; office; basement; laundry room; dining room; pantry; den | nursery; attic; guest room; study; library; sunroom",
  door: "front door; back door; garage door; side door; garden gate; balcony door; patio door | cellar door; shed door; main gate; terrace door",
  music:
    "Nina Simone; Miles Davis; Radiohead; Adele; ABBA; Bob Marley; soft jazz; piano music; lo-fi beats; Vivaldi; Daft Punk; Johnny Cash | Ella Fitzgerald; Coldplay; Chopin; country classics; Stevie Wonder; film music",
  title:
    "dentist appointment; team meeting; budget review; piano lesson; book club; yoga class; car inspection; sales call; haircut; design review; job interview; swimming lesson; choir practice | eye test; project kickoff; tennis match; wine tasting; board meeting; guitar lesson; vet visit; staff lunch",
  date: "Monday; Wednesday; Friday; Saturday; 3 May; 14 June; 21 March; 9 October; 30 July; 12 January | Tuesday; Thursday; 17 April; 25 August; 6 November; 28 February",
  time: "08:00; 08:30; 09:00; 09:15; 10:00; 10:30; 11:15; 12:00; 13:30; 14:00; 14:45; 16:00; 17:30; 18:15; 19:00; 20:30; 9 am; 10 am; 11 am; 1 pm; 3 pm; 6 pm | 07:40; 09:20; 10:10; 11:50; 13:20; 15:40; 16:50; 18:10; 19:20; 21:40; 8 am; 5 pm",
  task: "water the plants; call the bank; take out the trash; pay the rent; feed the cat; buy milk; send the report; pick up the kids; charge the car; walk the dog; book the flights | return the books; check the oven; renew the passport; clean the filter; order the cake; sign the contract",
  guests:
    "Ana; Ben and Chloe; David; Emma and Frank; Grace; Hugo and Ivy; Jack, Lena and Marco; Chloe, David and Ana | Nadia; Oscar and Priya; Rosa and Theo; Yusuf, Zoe and Rosa",
  product:
    "desk lamps; coffee grinders; rain jackets; yoga mats; water bottles; phone chargers; office chairs; frying pans; wool blankets; electric kettles; picture frames; pillows | camping tents; bread knives; leather wallets; winter gloves; board games; bath towels",
  order:
    "A4821; B1093; C7756; D3340; E9178; F2605; G6412; H5087; A7719; B8264; C3051; D9936; E1470; F6683; G2298; H4905; A1352; C8547 | K2946; L7310; M5583; N8027; P1469; R6654; S3198; T9071",
  street:
    "12 Oak Street; 7 Park Avenue; 30 Mill Lane; 5 King Road; 18 Lake Drive; 41 Hill Street; 9 Station Road | 23 Rose Street; 6 Bridge Road; 14 Maple Avenue; 35 Harbor Lane",
  city: "Boston; Denver; Leeds; Dublin; Austin; Toronto; Oslo | Chicago; Bristol; Portland; Ottawa",
  degrees: "17; 18; 19; 20; 21; 22; 23; 24; 25",
  brightness: "10; 20; 25; 30; 40; 50; 60; 70; 75; 80; 90",
  volume: "2; 3; 4; 5; 6; 7; 8",
  minutes: "20; 30; 45; 60; 90",
  price: "20; 25; 30; 40; 50; 60; 75; 80; 100; 120; 150",
  cost: "8; 9; 11; 12; 14; 15; 17; 19",
  count: "4; 7; 13; 16; 18; 22; 28; 33",
  quantity: "2; 3; 4; 5; 6; 8; 10; two; three; four; five"
} as const

type Slot = keyof typeof lists

/** A value as a sentence says it, and as a call has it. */
export interface Value {
  /** in the words of the user: "9 am" */
  readonly said: string
  /** the argument: "09:00" */
  readonly meant: unknown
}

const words = ["zero", "one", "two", "three", "four", "five"]
const count = (said: string) => (words.includes(said) ? words.indexOf(said) : Number(said))

const clock = (said: string) => {
  const [hour, half] = said.split(" ") as [string, string?]
  return half === undefined ? said : `${String(Number(hour) + (half === "pm" ? 12 : 0)).padStart(2, "0")}:00`
}

const meanings: { readonly [S in Slot]?: (said: string) => unknown } = {
  time: clock,
  guests: (said) => said.split(/, | and /),
  degrees: Number,
  brightness: Number,
  volume: Number,
  minutes: Number,
  price: Number,
  quantity: count
}

const isSlot = (slot: string): slot is Slot => slot in lists

/** All values of a slot that training may say, or that validation and test may say. */
export const valuesOf = (slot: string, training: boolean): ReadonlyArray<Value> => {
  if (!isSlot(slot)) throw new Error(`no values for {${slot}}`)
  const [seen, unseen = seen] = lists[slot].split(" | ") as [string, string?]
  return (training ? seen : unseen).split("; ").map((said) => ({ said, meant: meanings[slot]?.(said) ?? said }))
}

/** The values that no training row may have. */
export const unseenValues: ReadonlyArray<string> = Object.entries(lists).flatMap(([slot, list]) =>
  list.includes("|") ? valuesOf(slot, false).map(({ said }) => said) : []
)
