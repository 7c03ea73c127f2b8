/** Default texts for comparing two models: prose, numbers, code, several languages. */
export const sampleTexts = [
  "The film is a quiet triumph, and its last scene stays with you for days.",
  "Nothing works: the screen stays dark, and support has not answered for a week.",
  "What is the capital of France, and how far is it from Berlin?",
  "In 1997 the company sold 1,250 units at $19.99 each; a year later, 3.5 times as many.",
  "Das Gerät kam pünktlich an, aber die Anleitung fehlt.",
  "for i in range(10):\n    print(i ** 2)",
  "Le chat dort sur le canapé depuis ce matin.",
  "Please summarise the following paragraph in one sentence."
] as const
