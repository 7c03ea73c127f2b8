/**
 * What users ask for. A sentence has slots, `{room}` for one, and the arguments that it implies without a slot. Training, validation and test have
 * sentences of their own.
 */

/** A sentence and what it says without a slot. */
export type Sentence = readonly [text: string, implied?: Readonly<Record<string, unknown>>]

/** Sentences by the file whose rows have them. */
export interface Sentences<T> {
  readonly train: ReadonlyArray<T>
  readonly validation: ReadonlyArray<T>
  readonly test: ReadonlyArray<T>
}

const on = { on: true }
const off = { on: false }
const locked = { locked: true }
const unlocked = { locked: false }

/** Sentences that ask for one call, by the function. */
export const requests: Readonly<Record<string, Sentences<Sentence>>> = {
  set_light: {
    train: [
      ["Turn on the light in the {room}.", on],
      ["Switch off the {room} light.", off],
      ["Please turn the {room} lights off.", off],
      ["Lights on in the {room}, please.", on],
      ["Dim the {room} light to {brightness} percent.", on],
      ["Set the light in the {room} to {brightness}%.", on],
      ["It's too dark in the {room}, put the light on.", on],
      ["No more light in the {room}, thanks.", off],
      ["I want the {room} light at {brightness} percent.", on]
    ],
    validation: [
      ["Kill the lights in the {room}.", off],
      ["Bring the {room} light up to {brightness} percent.", on]
    ],
    test: [
      ["Could you get the light on in the {room}?", on],
      ["I left the light burning in the {room}, shut it off.", off],
      ["Make the {room} light {brightness} percent bright.", on]
    ]
  },
  set_thermostat: {
    train: [
      ["Set the thermostat to {degrees} degrees."],
      ["Make it {degrees} degrees in the {room}."],
      ["Heat the {room} to {degrees} degrees.", { mode: "heat" }],
      ["Cool the {room} down to {degrees} degrees.", { mode: "cool" }],
      ["Set the temperature to {degrees}, in eco mode.", { mode: "eco" }],
      ["I'd like {degrees} degrees in the {room}, please."],
      ["Use eco mode and keep the {room} at {degrees} degrees.", { mode: "eco" }],
      ["Cooling on, {degrees} degrees, please.", { mode: "cool" }]
    ],
    validation: [
      ["Could we have the {room} at {degrees} degrees?"],
      ["Warm up the {room} to {degrees}, please: heat it.", { mode: "heat" }]
    ],
    test: [
      ["The {room} should be at {degrees} degrees."],
      ["Change the temperature to {degrees} degrees and go eco.", { mode: "eco" }],
      ["Start to cool the {room}, I want {degrees} degrees.", { mode: "cool" }]
    ]
  },
  lock_door: {
    train: [
      ["Lock the {door}.", locked],
      ["Unlock the {door}, please.", unlocked],
      ["Make sure the {door} is locked.", locked],
      ["I'm leaving, please lock the {door}.", locked],
      ["My guests are here, unlock the {door}.", unlocked],
      ["Can you lock the {door} for the night?", locked],
      ["The {door} has to be unlocked now.", unlocked],
      ["I'm locked out, open the lock of the {door}.", unlocked]
    ],
    validation: [
      ["Is the {door} open? Then lock it.", locked],
      ["Please get the {door} unlocked.", unlocked]
    ],
    test: [
      ["Let the plumber in and unlock the {door}.", unlocked],
      ["I forgot to lock the {door}, do it for me.", locked],
      ["Keep the {door} locked tonight.", locked]
    ]
  },
  set_blinds: {
    train: [
      ["Close the blinds in the {room}.", { position: "closed" }],
      ["Open the {room} blinds.", { position: "open" }],
      ["Put the blinds in the {room} at half.", { position: "half" }],
      ["Let some sun into the {room}: open the blinds.", { position: "open" }],
      ["Half close the blinds in the {room}.", { position: "half" }],
      ["The sun is too bright in the {room}, close the blinds.", { position: "closed" }],
      ["I want the {room} blinds open.", { position: "open" }],
      ["Can you close the {room} blinds, please?", { position: "closed" }]
    ],
    validation: [
      ["Shut the {room} blinds, they should be closed.", { position: "closed" }],
      ["Blinds half way down in the {room}.", { position: "half" }]
    ],
    test: [
      ["Could the blinds in the {room} be closed?", { position: "closed" }],
      ["Pull up the {room} blinds until they are open.", { position: "open" }],
      ["Leave the {room} blinds half open.", { position: "half" }]
    ]
  },
  play_music: {
    train: [
      ["Play {music}."],
      ["Play some {music} in the {room}."],
      ["Put on {music} in the {room}, please."],
      ["I feel like {music}."],
      ["Start {music} at volume {volume}."],
      ["Play {music} at volume {volume} in the {room}."],
      ["Can we have {music} in the {room}?"],
      ["Music in the {room}: {music}."],
      ["Let me hear {music}."]
    ],
    validation: [["How about some {music} in the {room}?"], ["Stream {music}, volume {volume}."]],
    test: [
      ["I want to listen to {music}."],
      ["Give us {music} in the {room}, volume {volume}."],
      ["It's time for some {music} in the {room}."]
    ]
  },
  create_event: {
    train: [
      ["Add the {title} to my calendar on {date} at {time}."],
      ["Put the {title} in my calendar for {date}, {time}."],
      ["Schedule the {title} for {date} at {time}, {minutes} minutes."],
      ["New event: {title}, {date}, {time}."],
      ["Book the {title} for {date} at {time} with {guests}."],
      ["Plan the {title} with {guests} on {date} at {time}."],
      ["My {title} is on {date} at {time}, add it to the calendar."],
      ["Invite {guests} to the {title} on {date} at {time}."],
      ["Block {minutes} minutes for the {title} on {date} at {time}."]
    ],
    validation: [
      ["Enter the {title} in my calendar, please: {date} at {time}."],
      ["Set up the {title} on {date}, {time}, with {guests}."]
    ],
    test: [
      ["I have the {title} at {time} on {date}, save it in my calendar."],
      ["Get {guests} together for the {title} on {date} at {time}."],
      ["Reserve {minutes} minutes on {date} at {time} for the {title}."]
    ]
  },
  list_events: {
    train: [
      ["What is on my calendar on {date}?"],
      ["Show my events for {date}."],
      ["Do I have anything on {date}?"],
      ["What do I have tomorrow?", { date: "tomorrow" }],
      ["List my appointments on {date}."],
      ["Am I free on {date}?"],
      ["What are my plans for {date}?"],
      ["What is on my calendar today?", { date: "today" }],
      ["Which meetings do I have on {date}?"]
    ],
    validation: [["Is there anything planned for {date}?"], ["Tell me about my day on {date}."]],
    test: [
      ["How does my calendar look on {date}?"],
      ["Read me my schedule for {date}."],
      ["Am I busy tomorrow?", { date: "tomorrow" }]
    ]
  },
  move_event: {
    train: [
      ["Move the {title} to {date}."],
      ["Move my {title} to {time}."],
      ["Push the {title} to {date} at {time}."],
      ["Can we shift the {title} to {time}?"],
      ["The {title} is now on {date}, please move it."],
      ["Reschedule the {title} for {date} at {time}."],
      ["Put the {title} off until {date}."],
      ["Move the {title} to tomorrow at {time}.", { date: "tomorrow" }]
    ],
    validation: [["Change the time of the {title} to {time}, please."], ["Bring the {title} forward to {date}."]],
    test: [
      ["Postpone the {title} to {date}."],
      ["My {title} has to be at {time} instead."],
      ["Let's have the {title} on {date} at {time} instead."]
    ]
  },
  cancel_event: {
    train: [
      ["Cancel the {title}."],
      ["Cancel my {title} on {date}."],
      ["Delete the {title} from my calendar."],
      ["The {title} on {date} is off, remove it."],
      ["Please drop the {title} on {date}."],
      ["I can't go to the {title}, cancel it."],
      ["Take the {title} off my calendar."]
    ],
    validation: [["Remove my {title} from {date}."], ["I don't need the {title} any more, delete it."]],
    test: [
      ["Call off the {title} on {date}."],
      ["There will be no {title}, so delete it."],
      ["Clear my {title} on {date}."]
    ]
  },
  set_reminder: {
    train: [
      ["Remind me to {task} at {time}."],
      ["Set a reminder for {time}: {task}."],
      ["At {time} I have to {task}, remind me."],
      ["Remind me on {date} at {time} to {task}."],
      ["Don't let me forget to {task} at {time}."],
      ["Reminder: {task}, {date}, {time}."],
      ["Please remind me tomorrow at {time} to {task}.", { date: "tomorrow" }],
      ["I need a reminder to {task} at {time} on {date}."]
    ],
    validation: [["Ping me at {time} to {task}."], ["On {date} at {time}, remind me that I have to {task}."]],
    test: [
      ["Give me a nudge at {time} to {task}."],
      ["I tend to forget things. Remind me at {time} on {date} to {task}."],
      ["Make a reminder, please: {time}, {task}."]
    ]
  },
  search_products: {
    train: [
      ["Search for {product}."],
      ["Show me {product} under {price} dollars."],
      ["Find {product} that cost less than {price} dollars."],
      ["I'm looking for {product}."],
      ["Do you have {product}?"],
      ["Find {product}, newest first.", { sort: "newest" }],
      ["Show me {product}, cheapest first.", { sort: "price" }],
      ["Which {product} have the best rating?", { sort: "rating" }],
      ["Search for {product} below {price} dollars, sorted by rating.", { sort: "rating" }]
    ],
    validation: [["What {product} do you sell?"], ["Look for {product} up to {price} dollars."]],
    test: [
      ["Are there any {product} for at most {price} dollars?"],
      ["Let me see {product}, sorted by price.", { sort: "price" }],
      ["I want to buy {product}, show me some."]
    ]
  },
  add_to_cart: {
    train: [
      ["Add {quantity} {product} to my cart."],
      ["Put {quantity} {product} in the cart, please."],
      ["I'll take {quantity} {product}."],
      ["Add {quantity} {product}, gift wrapped.", { gift: true }],
      ["I want {quantity} {product} in my cart."],
      ["Please add {quantity} of the {product} to the basket."],
      ["Put {quantity} {product} in my cart as a gift.", { gift: true }]
    ],
    validation: [["Throw {quantity} {product} into my cart."], ["{quantity} {product} for the cart, please."]],
    test: [
      ["My cart still needs {quantity} {product}."],
      ["I'd like {quantity} {product} in the basket, wrapped as a gift.", { gift: true }],
      ["Drop {quantity} {product} in the basket."]
    ]
  },
  track_order: {
    train: [
      ["Where is order {order}?"],
      ["Track my order {order}."],
      ["When does order {order} arrive?"],
      ["Has {order} shipped yet?"],
      ["What is the status of order {order}?"],
      ["I am waiting for {order}, where is it?"],
      ["Check on order {order}, please."]
    ],
    validation: [["Any news about order {order}?"], ["Is order {order} on its way?"]],
    test: [
      ["Tell me how far order {order} has come."],
      ["Did my package {order} leave already?"],
      ["Could you look up where {order} is?"]
    ]
  },
  cancel_order: {
    train: [
      ["Cancel order {order}."],
      ["Please cancel my order {order}."],
      ["I changed my mind, cancel order {order}.", { reason: "changed_mind" }],
      ["Order {order} is late, cancel it.", { reason: "late" }],
      ["{order} is the wrong item, cancel it.", { reason: "wrong_item" }],
      ["Stop order {order}, please."],
      ["Order {order} comes too late, please cancel.", { reason: "late" }],
      ["Cancel {order}: I ordered the wrong item.", { reason: "wrong_item" }]
    ],
    validation: [
      ["I no longer need it, so cancel {order}, please."],
      ["Call off order {order}: it is late.", { reason: "late" }]
    ],
    test: [
      ["Undo my order {order}."],
      ["I have changed my mind about {order}, cancel it.", { reason: "changed_mind" }],
      ["Cancel {order}, it is far too late.", { reason: "late" }]
    ]
  },
  change_address: {
    train: [
      ["Send order {order} to {street} in {city}."],
      ["Change the address of order {order} to {street}, {city}."],
      ["Deliver {order} to {street} in {city} instead."],
      ["Order {order} should go to {street}, {city}."],
      ["I moved: {street}, {city}. Update order {order}."],
      ["Please ship {order} to {street}, {city}."],
      ["New address for order {order}: {street}, {city}."]
    ],
    validation: [
      ["Have order {order} delivered to {street}, {city}."],
      ["{street}, {city} is where {order} has to go."]
    ],
    test: [
      ["My package {order} must go to {street} in {city}."],
      ["Use {street}, {city} for order {order}."],
      ["Redirect {order} to {street} in {city}."]
    ]
  }
}

/** A sentence and the calls that it asks for. Call i has the slots that end with i, and those without a digit. */
export type CallSentence = readonly [
  text: string,
  ...calls: ReadonlyArray<readonly [name: string, implied?: Sentence[1]]>
]

/** Sentences that ask for two calls at once. */
export const parallel: Sentences<CallSentence> = {
  train: [
    ["Turn on the lights in the {room1} and the {room2}.", ["set_light", on], ["set_light", on]],
    ["Lights off in the {room1} and in the {room2}, please.", ["set_light", off], ["set_light", off]],
    ["Light on in the {room1}, light off in the {room2}.", ["set_light", on], ["set_light", off]],
    ["Lock the {door1} and the {door2}.", ["lock_door", locked], ["lock_door", locked]],
    ["Lock the {door1} and turn off the {room2} light.", ["lock_door", locked], ["set_light", off]],
    [
      "Close the blinds in the {room} and turn on the light there.",
      ["set_blinds", { position: "closed" }],
      ["set_light", on]
    ],
    ["Track orders {order1} and {order2}.", ["track_order"], ["track_order"]],
    ["Remind me to {task1} at {time1} and to {task2} at {time2}.", ["set_reminder"], ["set_reminder"]],
    ["Add {quantity1} {product1} and {quantity2} {product2} to my cart.", ["add_to_cart"], ["add_to_cart"]],
    ["What do I have on {date1} and on {date2}?", ["list_events"], ["list_events"]],
    ["Search for {product1} and for {product2}.", ["search_products"], ["search_products"]],
    ["Cancel the {title1} and move the {title2} to {date2}.", ["cancel_event"], ["move_event"]]
  ],
  validation: [
    ["I need light in the {room1} and the {room2}.", ["set_light", on], ["set_light", on]],
    ["Where are my orders {order1} and {order2}?", ["track_order"], ["track_order"]],
    ["Please lock both the {door1} and the {door2}.", ["lock_door", locked], ["lock_door", locked]],
    ["Show me what {date1} and {date2} look like.", ["list_events"], ["list_events"]]
  ],
  test: [
    ["Switch the {room1} and the {room2} lights on.", ["set_light", on], ["set_light", on]],
    ["Have the {room1} light and the {room2} light turned off.", ["set_light", off], ["set_light", off]],
    ["The {door1} and the {door2} should be locked.", ["lock_door", locked], ["lock_door", locked]],
    ["Put {quantity1} {product1} in my cart, and {quantity2} {product2}.", ["add_to_cart"], ["add_to_cart"]],
    ["Check the status of {order1} and {order2}.", ["track_order"], ["track_order"]],
    ["Get the {door1} locked and the {room2} light switched off.", ["lock_door", locked], ["set_light", off]],
    ["I have to {task1} at {time1} and {task2} at {time2}, remind me of both.", ["set_reminder"], ["set_reminder"]]
  ]
}

/** What users say that no tool is for, and the answer. */
export const talk: Sentences<readonly [text: string, answer: string]> = {
  train: [
    ["Good morning!", "Good morning! What can I do for you?"],
    ["Thank you!", "You're welcome!"],
    ["Hi, who are you?", "I am your assistant. What can I do for you?"],
    ["How are you today?", "I am fine, thank you. What can I do for you?"],
    ["That was great, thanks.", "You're welcome!"],
    ["I am a bit tired today.", "I am sorry to hear that. I hope you can rest soon."],
    ["Tell me a joke.", "Why did the tomato blush? It saw the salad dressing."],
    ["Good night.", "Good night! Sleep well."],
    ["What is the capital of France?", "The capital of France is Paris."],
    ["How many days does a week have?", "A week has seven days."],
    ["What is two plus three?", "Two plus three is five."],
    ["Who wrote Hamlet?", "William Shakespeare wrote Hamlet."],
    ["What colour is the sky?", "The sky is blue."],
    ["What does a cow drink?", "A cow drinks water."],
    ["Is the sun a star?", "Yes, the sun is a star."],
    ["What is the opposite of hot?", "The opposite of hot is cold."],
    ["What is the capital of Italy?", "The capital of Italy is Rome."],
    ["How many legs does a spider have?", "A spider has eight legs."],
    ["Which animal says meow?", "A cat says meow."],
    ["What is ice made of?", "Ice is made of water."]
  ],
  validation: [
    ["Hello there!", "Hello! What can I do for you?"],
    ["Which language do people speak in Spain?", "People in Spain speak Spanish."]
  ],
  test: [
    ["Hey, nice to meet you.", "Nice to meet you, too! What can I do for you?"],
    ["You are very helpful.", "Thank you! I am glad to help."],
    ["How many months are in a year?", "A year has twelve months."],
    ["Which city is the capital of Japan?", "The capital of Japan is Tokyo."],
    ["Is a whale a fish?", "No, a whale is a mammal."]
  ]
}

/** The answer to what only a tool could do that the row does not declare. */
export const declined = "Sorry, I have no tool for that."

/** What a function returns and what the assistant then says, with the arguments as slots. */
export const outcomes: Readonly<Record<string, ReadonlyArray<readonly [result: string, answer: string]>>> = {
  list_events: [
    ['[{"title": "{title}", "time": "{time}"}]', "For {date} I see the {title} at {time}."],
    ["[]", "I see nothing for {date}."]
  ],
  create_event: [['{"ok": true}', "The {title} is in your calendar."]],
  move_event: [['{"ok": true}', "I moved the {title}."]],
  set_reminder: [['{"ok": true}', "I will remind you at {time}."]],
  track_order: [
    ['{"status": "shipped", "arrives": "{date}"}', "Order {order} has shipped and arrives on {date}."],
    ['{"error": "not found"}', "I could not find order {order}."]
  ],
  cancel_order: [['{"error": "already shipped"}', "I could not cancel order {order}, it has already shipped."]],
  search_products: [['{"found": {count}, "lowest_price": {cost}}', "I found {count} {product}, from {cost} dollars."]],
  add_to_cart: [['{"total": {cost}}', "The {product} are in your cart. The total is {cost} dollars."]],
  set_thermostat: [['{"ok": true}', "The temperature is set to {degrees} degrees."]]
}
