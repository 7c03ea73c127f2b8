/**
 * 80 conversations of two user turns, ten for each of eight categories, for judging how a chat model answers and follows up. They were written
 * for this package; a grade over them is not an MT-Bench score, whose questions and judge prompts are others.
 */

/** A conversation to judge: the model answers `first`, then `second` with its first answer before it. */
export interface Dialogue {
  /** `category/number`, from 1 */
  readonly id: string
  /** subject of the dialogue */
  readonly category: DialogueCategory
  /** first message of the user */
  readonly first: string
  /** second message, which refers to the first answer */
  readonly second: string
  /** what a right answer to each turn says, where there is one; the judge compares with it */
  readonly reference?: readonly [first: string, second: string]
}

type Turns = readonly [first: string, second: string, ...reference: [] | [first: string, second: string]]

const turns = {
  writing: [
    [
      "Write a short letter to a neighbour whose dog barks every night. Stay friendly.",
      "Make it firmer, and cut it to three sentences."
    ],
    [
      "Describe a market on a rainy morning in one paragraph.",
      "Rewrite it in the present tense, from the view of a child."
    ],
    ["Write a product description of 60 words for a wooden desk lamp.", "Now write it without any adjectives."],
    [
      "Draft an email that asks a customer for a late payment.",
      "Offer two instalments instead, and keep the subject line under six words."
    ],
    [
      "Write the first four lines of a poem about winter that rhyme.",
      "Continue with four lines in which spring arrives, and keep the rhyme scheme."
    ],
    [
      "Summarize why people keep diaries, in three sentences.",
      "Turn the summary into a headline and a teaser of at most 20 words."
    ],
    [
      "Write a toast for a colleague who retires after 30 years in a library.",
      "Add one joke about silence, and remove everything that sounds sentimental."
    ],
    [
      "Explain in a blog paragraph how you learned to swim as an adult.",
      "Change the paragraph so that it persuades others to try it."
    ],
    ["Write instructions for brewing tea, as five numbered steps.", "Shorten each step to at most four words."],
    [
      "Write a dialogue of six lines between a lighthouse keeper and a lost sailor.",
      "Add a stage direction before every line."
    ]
  ],
  roleplay: [
    [
      "You are a museum guide. Welcome a group of ten-year-olds to the dinosaur hall.",
      "One child asks whether the skeleton can wake up. Answer in your role."
    ],
    [
      "Act as a calm air-traffic controller. I am a pilot who has lost radio contact twice.",
      "I now report smoke in the cabin. What do you tell me first?"
    ],
    [
      "You are a Roman baker in the year 79. Tell me about your morning.",
      "I show you a mobile phone. How do you react?"
    ],
    [
      "Pretend that you are the river that flows through a city. Introduce yourself.",
      "A factory opens on your bank. Speak to its owner."
    ],
    [
      "You are a strict but fair chess coach. I lost because I moved too fast.",
      "I say that speed is my style. Reply without giving in."
    ],
    [
      "Act as a doctor's receptionist. I want an appointment today, and none is free.",
      "I become impolite. Stay in your role and solve the problem."
    ],
    [
      "You are a detective who speaks in short sentences. Inspect an empty room.",
      "You find a wet umbrella, though it has not rained for a week. Draw a conclusion."
    ],
    [
      "Play a job interviewer for a bakery. Ask me your first question.",
      "I answer: I like to sleep late. Ask a follow-up question."
    ],
    [
      "You are an old sea captain. Explain to a tourist why the ferry is late.",
      "The tourist asks for a refund. Answer."
    ],
    [
      "Act as a travel agent who only knows places that can be reached by train from Vienna.",
      "I insist on going to Hawaii. What do you suggest?"
    ]
  ],
  reasoning: [
    [
      "Anna is taller than Ben. Ben is taller than Cora. Who is the shortest?",
      "Dora is taller than Cora and shorter than Ben. Order all four from tall to short.",
      "Cora.",
      "Anna, Ben, Dora, Cora."
    ],
    [
      "All boxes in the room are red or round. This box is not red. What follows?",
      "It is also small. Does that change the conclusion?",
      "It is round.",
      "No, it is still round; its size says nothing about colour or shape."
    ],
    [
      "A shop opens every second day, beginning on Monday. Is it open on the next Friday?",
      "And on the Monday after that Friday?",
      "Yes: Monday, Wednesday, Friday.",
      "No: after Friday it opens on Sunday and Tuesday."
    ],
    [
      "A train leaves at 14:50 and arrives at 16:10. How long is the journey?",
      "It is 25 minutes late. When does it arrive?",
      "1 hour 20 minutes.",
      "16:35."
    ],
    [
      "Three people shake hands with each other once. How many handshakes are there?",
      "And with six people?",
      "3.",
      "15."
    ],
    [
      "If it rains, the match is cancelled. The match was not cancelled. Did it rain?",
      "If the match had been cancelled, would you know that it rained?",
      "No, it did not rain.",
      "No: it may have been cancelled for another reason."
    ],
    ["I face north and turn right twice. Which way do I face?", "I turn left once more. And now?", "South.", "East."],
    [
      "A drawer holds 4 black and 4 white socks. How many must I draw in the dark to be sure of a pair?",
      "How many to be sure of a black pair?",
      "3.",
      "6."
    ],
    [
      "Tom says that Eva lies. Eva says that both lie. Can both statements be true?",
      "Who tells the truth?",
      "No.",
      "Tom tells the truth and Eva lies."
    ],
    [
      "A cup costs 1 euro more than its saucer; together they cost 1.10. What does the saucer cost?",
      "And if together they cost 3 euros?",
      "0.05 euros.",
      "1 euro."
    ]
  ],
  mathematics: [
    [
      "What is 15 % of 240?",
      "Increase 240 by that amount, then decrease the result by 15 %. What do you get?",
      "36.",
      "234.6."
    ],
    [
      "Solve 3x + 7 = 22.",
      "Solve 3x + 7 > 22 and say what changed.",
      "x = 5.",
      "x > 5: every number above 5 instead of one solution."
    ],
    [
      "What is the area of a triangle with base 8 and height 5?",
      "The base doubles and the height is halved. What is the area now?",
      "20.",
      "20, unchanged."
    ],
    ["List the prime numbers between 20 and 40.", "What is their sum?", "23, 29, 31, 37.", "120."],
    [
      "A die is thrown once. What is the probability of an even number?",
      "It is thrown twice. What is the probability that both are even?",
      "1/2.",
      "1/4."
    ],
    ["Find the derivative of x³ − 4x.", "Where is it zero?", "3x² − 4.", "At x = ±2/√3, about ±1.155."],
    [
      "What is the mean of 4, 8, 15, 16 and 23?",
      "What is the median, and which changes more if 23 becomes 230?",
      "13.2.",
      "15; the mean changes (to 54.6), the median does not."
    ],
    ["Write 0.375 as a fraction in lowest terms.", "Add 1/6 to it.", "3/8.", "13/24."],
    ["How many diagonals does a hexagon have?", "And a polygon with n corners?", "9.", "n(n − 3)/2."],
    [
      "A sum of 1,000 grows by 5 % a year. What is it after two years?",
      "After how many whole years has it more than doubled?",
      "1,102.50.",
      "15 years."
    ]
  ],
  coding: [
    [
      "Write a JavaScript function that reverses a string.",
      "Make it correct for emoji that consist of several code units."
    ],
    [
      "Write a Python function that returns the n-th Fibonacci number.",
      "Rewrite it without recursion, and say its running time."
    ],
    ["Write an SQL query that lists customers without orders.", "Now count them by country, most first."],
    [
      "What does this print: [1, 2, 3].map((x) => x * 2).filter((x) => x > 2)",
      "Write it as one reduce.",
      "[4, 6]",
      "For example [1, 2, 3].reduce((all, x) => (x * 2 > 2 ? [...all, x * 2] : all), [])"
    ],
    ["Write a regular expression for dates such as 2024-03-09.", "Exclude months above 12 and days above 31."],
    ["Explain the difference between == and === in JavaScript.", "Give one case in which == is useful."],
    ["Write a shell command that counts the lines of all .ts files under src.", "Leave out lines that are empty."],
    ["Write a TypeScript type for a tree of numbers.", "Write a function over it that returns the sum of all numbers."],
    [
      "Find the bug: for (let i = 0; i <= a.length; i++) sum += a[i]",
      "How would you prevent this kind of bug altogether?",
      "i <= a.length reads one element past the end; use <.",
      "Iterate with for…of or reduce instead of indices."
    ],
    ["Write a Python function that tells whether a text is a palindrome.", "Ignore spaces, punctuation and case."]
  ],
  extraction: [
    [
      "Extract all names: 'Maria met Tom and Dr. Weiss in Graz on 3 May.'",
      "Now return the place and the date as JSON.",
      "Maria, Tom, Dr. Weiss.",
      '{"place": "Graz", "date": "3 May"} or the like.'
    ],
    [
      "Which of these are fruits: carrot, apple, potato, plum, onion?",
      "Sort them by the length of their names.",
      "apple, plum.",
      "plum, apple."
    ],
    [
      "From 'Order 4711: 3 chairs at 40, 1 table at 120' compute the total.",
      "Return order number, items and total as a Markdown table.",
      "240.",
      "A table with 4711, chairs 3 × 40, table 1 × 120, total 240."
    ],
    [
      "Is this review positive or negative: 'The room was clean, but I would never come back.'",
      "Quote the words that decided it.",
      "Negative.",
      '"I would never come back".'
    ],
    [
      "List the verbs in 'She ran home, opened the door and laughed.'",
      "Give each in its base form.",
      "ran, opened, laughed.",
      "run, open, laugh."
    ],
    [
      "Read: 'Sales: 2019 12, 2020 9, 2021 15 million.' In which year were they lowest?",
      "By how many percent did they rise from then to 2021?",
      "2020.",
      "By about 66.7 %."
    ],
    [
      "Extract the email addresses: 'Write to a.b@example.org, not to sales at example dot com.'",
      "Why is the second one not an address?",
      "a.b@example.org.",
      "It has no @ and is written out in words."
    ],
    [
      "Give the three main points of: 'Bees pollinate crops. Their number falls. Farmers plant flowers to help.'",
      "Phrase each point in three words."
    ],
    [
      "Which sentence does not belong: 'Cats purr. Dogs bark. Prices rise. Birds sing.'",
      "Replace it with one that fits.",
      "Prices rise.",
      "A sentence about an animal and its sound."
    ],
    [
      "Convert to JSON: name Lee, age 31, languages German and Korean.",
      "Add a field that says how many languages there are.",
      '{"name": "Lee", "age": 31, "languages": ["German", "Korean"]}',
      'The same with "languageCount": 2 or the like.'
    ]
  ],
  science: [
    ["Why is the sky blue?", "Why are sunsets red, then?"],
    ["How does a vaccine protect the body?", "Why do some vaccines need to be repeated?"],
    [
      "What is the difference between speed and velocity?",
      "Give an example with constant speed and changing velocity."
    ],
    ["Why does ice float on water?", "What would happen to lakes if it did not?"],
    ["Explain photosynthesis in two sentences.", "Which part of it happens without light?"],
    ["What causes the seasons?", "Why is the distance to the sun not the reason?"],
    ["What does DNA do?", "How can two cells with the same DNA look so different?"],
    [
      "Why do we see lightning before we hear thunder?",
      "The thunder comes after 6 seconds. How far away was it?",
      "Light is faster than sound.",
      "About 2 km."
    ],
    ["What is an isotope?", "Why are some of them useful for dating old wood?"],
    [
      "How does a lever make lifting easier?",
      "Does it also save energy?",
      "A longer arm needs less force over a longer way.",
      "No: force times distance stays the same."
    ]
  ],
  humanities: [
    ["What was the Hanseatic League?", "Why did it lose its power?"],
    ["Explain the term 'rule of law' to a teenager.", "Give an example of how it can be broken."],
    ["What makes a sonnet a sonnet?", "How does an English one differ from an Italian one?"],
    ["Why did the printing press change Europe?", "Compare that with the internet in two sentences."],
    ["What is the categorical imperative?", "Apply it to telling a white lie."],
    ["What is inflation?", "Who gains from it, and who loses?"],
    ["Describe the role of the chorus in Greek tragedy.", "Name something in modern film that has a similar role."],
    ["Why do languages change?", "Is that decay? Argue for one side."],
    ["What is the difference between weather insurance and a bet on rain?", "When does the one become the other?"],
    ["Who were the Medici?", "How did a bank make them rulers?"]
  ]
} as const satisfies Readonly<Record<string, ReadonlyArray<Turns>>>

/** Category of a dialogue. */
export type DialogueCategory = keyof typeof turns

/** The 80 dialogues, by category. */
export const dialogues: ReadonlyArray<Dialogue> = Object.entries(turns).flatMap(([category, all]) =>
  (all as ReadonlyArray<Turns>).map(([first, second, ...reference], i) => ({
    id: `${category}/${i + 1}`,
    category: category as DialogueCategory,
    first,
    second,
    ...(reference.length === 0 ? {} : { reference })
  }))
)
